"""What each kind of volume adds to a plan: directories, steps, mounts of the containers.

Decides nothing about who may see what. Pure. Called by ``plan``.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from phfs.sidecar.dataset import Claim, Clone, DataVolume, Export, HostDirectory
from phfs.sidecar.document import Document
from phfs.sidecar.options import arguments
from phfs.sidecar.places import Place
from phfs.sidecar.steps import (
    Bind,
    Handed,
    Inside,
    MakeDirectory,
    MakeLink,
    MountNfs,
    MountPhfs,
    Step,
    SyncGit,
)

UID, GID = 1000, 100
"""The user of PrimeHub's images: jovyan of users."""

HANDED = "/pod"
"""Where the pod's volumes are in the sidecar."""

SYNC_SECONDS = 600


@dataclass(kw_only=True)
class Pieces:
    """Parts of a plan; ``tree`` are the steps that come before any volume's."""

    tree: list[Step] = field(default_factory=list)
    steps: list[Step] = field(default_factory=list)
    inside: list[Inside] = field(default_factory=list)
    handed: list[Handed] = field(default_factory=list)

    def add(self, other: Pieces) -> None:
        """Append all of another's."""
        self.tree += other.tree
        self.steps += other.steps
        self.inside += other.inside
        self.handed += other.handed


def directory(place: Place, volume: str, why: str, *, owned: bool, read_only: bool) -> Pieces:
    """A directory of the tree that the containers see; ``owned`` by the user, else by root."""
    uid, gid = (UID, GID) if owned else (0, 0)
    return Pieces(
        tree=[MakeDirectory(path=place.tree, uid=uid, gid=gid, mode=0o755, why=why)],
        inside=[Inside(path=place.path, tree=place.tree, read_only=read_only, volume=volume)],
    )


def _mount_point(place: Place, volume: str, *, read_only: bool) -> Pieces:
    # Root's: without its mount nobody writes there by mistake.
    return directory(
        place, volume, f"A place to mount {volume} at.", owned=False, read_only=read_only
    )


def phfs(document: Document, *, read_only: bool) -> Pieces:
    """The launch group's objects, at /phfs."""
    store, pieces = document.store, Pieces()
    place, secret = Place("/phfs", "phfs"), None
    if store.secret is not None:
        secret = f"{HANDED}/store/keys"
        pieces.handed.append(_secret("store", "keys", store.secret, secret))
    pieces.add(_mount_point(place, "phfs", read_only=read_only))
    named = {
        "endpoint-url": store.endpoint_url,
        "region": store.region,
        "path-style": store.path_style if store.path_style != "auto" else None,
        "ca-bundle": store.ca_bundle,
    }
    options = {name: text for name, text in named.items() if text is not None}
    pieces.steps.append(
        MountPhfs(
            volume="phfs",
            bucket=store.bucket,
            group=document.who.launch_group,
            path=place.tree,
            read_only=read_only,
            options=(*sorted(options.items()), *arguments(store.options)),
            secret=secret,
            why="Shows the group's objects as files.",
        )
    )
    return pieces


def claimed(kind: str, name: str, claim: str, place: Place, volume: str) -> Pieces:
    """A claim of the user's or a group's own, which is writable."""
    pieces = _mount_point(place, volume, read_only=False)
    pieces.add(_bound(Handed(
        kind=kind, name=name, source=claim, path=f"{HANDED}/{kind}/{name}", read_only=False
    ), place, volume))  # fmt: skip
    return pieces


def data(volume: DataVolume, place: Place, *, read_only: bool) -> Pieces:
    """A data volume that is files; ``volume.source`` says of which kind."""
    name, source = f"datasets/{volume.name}", volume.source
    if isinstance(source, Clone):
        return _git(volume.name, source, place)
    pieces = _mount_point(place, name, read_only=read_only)
    if isinstance(source, Export):
        pieces.steps.append(
            MountNfs(
                volume=name,
                server=source.server,
                export=source.path,
                path=place.tree,
                read_only=read_only,
                why=f"Mounts {source.path} of the NFS server {source.server}.",
            )
        )
    elif isinstance(source, (Claim, HostDirectory)):
        handed = Handed(
            kind=volume.kind,
            name=volume.name,
            source=source.claim if isinstance(source, Claim) else source.path,
            path=f"{HANDED}/{volume.kind}/{volume.name}",
            read_only=read_only,
        )
        pieces.add(_bound(handed, place, name))
    return pieces


def linked(place: str, target: str, volume: str, *, after: tuple[str, ...]) -> MakeLink:
    """A link to ``target`` at ``place`` below ROOT."""
    return MakeLink(
        volume=volume, after=after, path=place, target=target, why=f"People look for {target} here."
    )


def _bound(handed: Handed, place: Place, volume: str) -> Pieces:
    step = Bind(
        volume=volume,
        source=handed.path,
        path=place.tree,
        read_only=handed.read_only,
        why=f"Shows what the pod hands over: {handed.source}.",
    )
    return Pieces(steps=[step], handed=[handed])


def _git(name: str, source: Clone, place: Place) -> Pieces:
    secret, pieces = None, Pieces()
    if source.secret is not None:
        secret = f"{HANDED}/git/{name}"
        pieces.handed.append(_secret("git", name, source.secret, secret))
    at = f"reference {source.repository.reference}" if source.repository.reference else "default"
    pieces.steps.append(
        SyncGit(
            volume=f"datasets/{name}",
            repository=source.repository,
            secret=secret,
            path=f"gitsync/{name}",
            current=name,
            link=place.tree,
            target=f"/gitsync/{name}/{name}",
            period=SYNC_SECONDS,
            why=f"Keeps a clone of {source.repository.shown} ({at}) up to date.",
        )
    )
    return pieces


def _secret(kind: str, name: str, secret: str, path: str) -> Handed:
    return Handed(kind=kind, name=name, source=secret, path=path, read_only=True)
