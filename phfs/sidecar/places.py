"""Where data volumes are shown, and which is refused its place.

Owns the directories that must not be hidden, and the rule by which one of two volumes wins: the one
higher up, then the one whose path sorts first. Pure. Called by ``plan``.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from phfs.sidecar.dataset import DEFAULT_ROOT, DataVolume

SYSTEM = ("/bin", "/boot", "/dev", "/etc", "/lib", "/lib32", "/lib64", "/libx32", "/proc", "/sbin",
          "/sys", "/usr", "/var/run")  # fmt: skip
"""An image cannot do without what is in them: nothing is put there.

/var/run is mostly a link to /run, where ours would be met under another name.
"""

KEPT = ("/home", "/opt", "/root", "/run/secrets", "/srv", "/tmp", "/var/lib", "/var/log",  # noqa: S108
        "/var/tmp")  # fmt: skip  # noqa: S108
"""Hidden by nothing, though something may be put below."""


@dataclass(frozen=True)
class Place:
    """``path`` in the main container is ``tree`` below ROOT."""

    path: str
    tree: str


@dataclass(frozen=True)
class Places:
    """By name of the volume; ``refused`` has the reason, one sentence. ``parents`` are directories
    of links that have to be shown as a whole, ``/datasets`` among them."""

    given: Mapping[str, Place]
    refused: Mapping[str, str]
    parents: tuple[Place, ...]


class _Taken:
    """What was there before any data volume. ``hidden``: what a mount at a path would hide."""

    def __init__(self, ours: Mapping[str, str], home: str | None) -> None:
        self.ours = ours
        self.home = home
        kept = (*SYSTEM, *KEPT, *ours, DEFAULT_ROOT, *([home] if home else []))
        self.hidden = {place: path for path in kept for place in (path, *_above(path))}


def settle(
    volumes: Sequence[DataVolume], ours: Mapping[str, str], home: str | None = None
) -> Places:
    """Places for volumes that are files (no env).

    ``ours``: by path what the pod has there besides, as words for a sentence: nothing of a data
    volume is put at, above or below these. ``home``: nothing is put above it, and no directory of
    links at it or below.
    """
    taken = _Taken(ours, home)
    refused: dict[str, str] = {}
    accepted: dict[str, DataVolume] = {}
    for volume in sorted(volumes, key=_from_above):
        reason = _reason(volume, taken, accepted)
        if reason:
            refused[volume.name] = reason
        else:
            accepted[_shown(volume)] = volume
    roots = {volume.root for volume in accepted.values()} | {DEFAULT_ROOT}
    linked = {volume.root for volume in accepted.values() if volume.kind == "git"}
    return Places(
        given={
            volume.name: Place(path, f"{_tree(volume.root, roots)}/{volume.name}")
            for path, volume in accepted.items()
        },
        refused=refused,
        parents=tuple(Place(root, _tree(root, roots)) for root in sorted(linked | {DEFAULT_ROOT})),
    )


def is_mountable(path: str) -> bool:
    """Whether a container can have a mount at a path made of a group's name."""
    return ":" not in path and all(len(part.encode()) <= 255 for part in path.split("/"))


def _shown(volume: DataVolume) -> str:
    return f"{volume.root}/{volume.name}"


def _from_above(volume: DataVolume) -> tuple[int, str]:
    path = _shown(volume)
    return path.count("/"), path


def _reason(volume: DataVolume, taken: _Taken, accepted: Mapping[str, DataVolume]) -> str | None:
    path = _shown(volume)
    reason = _in_the_way(path, taken)
    if reason is None and volume.kind == "git":
        reason = _no_place_for_links(volume.root, taken)
    if reason is None:
        for above in _above(path):
            if above in accepted:
                return f"{path} lies inside the data volume {accepted[above].name}."
    return reason


def _in_the_way(path: str, taken: _Taken) -> str | None:
    for place in (path, *_above(path)):
        if place in SYSTEM:
            return f"{path} is in {place}, which is the image's own."
        if place in taken.ours:
            return f"{path} is taken: {place} is {taken.ours[place]}."
    return f"{path} would hide {taken.hidden[path]}." if path in taken.hidden else None


def _no_place_for_links(root: str, taken: _Taken) -> str | None:
    """A git volume is a link, so all of its directory is ours; it must not be anybody's else."""
    if root == DEFAULT_ROOT or root.startswith(f"{DEFAULT_ROOT}/"):
        return None
    at_home = taken.home is not None and f"{root}/".startswith(f"{taken.home}/")
    if not root or at_home or _in_the_way(root, taken):
        return f"A git volume needs a directory of its own, which {root or '/'} cannot be."
    return None


def _above(path: str) -> Iterator[str]:
    while path := path.rpartition("/")[0]:
        yield path


def _tree(root: str, roots: Iterable[str]) -> str:
    """Below ROOT: what is inside of another root is there inside of it, too."""
    top = root
    for above in _above(root):
        if above in roots:
            top = above
    place = "datasets" if top == DEFAULT_ROOT else f"roots/{top[1:].replace('/', '+') or '+'}"
    return place + root[len(top) :]
