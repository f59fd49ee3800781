"""The environment of the main container: the platform's variables, and those of env volumes.

Owns the names (what is dropped, which of two wins) and never shows the value of an env volume.
Pure. Called by ``plan``.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from phfs.sidecar.document import Artifacts, Document

_NAME = re.compile(r"[-._a-zA-Z][-._a-zA-Z0-9]*")

RESERVED = re.compile(
    r"(BASH|CHOWN|CONDA|DOCKER_STACKS|GCONV|GLIBC|GRANT|LD|MALLOC|NB|PHJOB|PRIMEHUB|S6|SUDO|XDG)_.*|"
    r"JUPYTER.*|PYTHON.*|GROUP_ID|GROUP_NAME|ENV|HOME|IFS|PATH|SHELL|USER"
)
"""Start scripts, shells, loaders and interpreters act on these, some as root: an env volume, which
whoever may write it has filled, sets none of them."""

NOT_A_VARIABLE = "__typename"
"""What GraphQL leaves in objects."""


@dataclass(frozen=True, kw_only=True)
class Variable:
    """``volume``: the id of the env volume it is of; its value is never shown then. ``""``: the
    platform's own."""

    name: str
    value: str = field(repr=False)
    volume: str = ""

    @property
    def in_shell(self) -> bool:
        """Whether a shell can export it; the others are in ``env.json`` only."""
        return re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*", self.name) is not None


def platform(
    document: Document, group_path: str, app_root: str | None, writable: Iterable[str]
) -> list[Variable]:
    """What PrimeHub's pods have, whatever volumes there are.

    ``group_path``: where the launch group's volume is, or would be. ``writable``: the paths for
    CHOWN_EXTRA, which start scripts split at commas and blanks.
    """
    who, what = document.who, document.what
    launch = next(group for group in who.groups if group.name == who.launch_group)
    values: dict[str, str | None] = {
        "GROUP_ID": launch.id,
        "GROUP_NAME": launch.name,
        "JUPYTERHUB_USER": who.user,
        "PRIMEHUB_USER": who.user,
        "PRIMEHUB_GROUP": launch.name,
        "PRIMEHUB_GROUP_VOLUME_PATH": group_path,
        "PRIMEHUB_PHFS_PATH": "/phfs",
        "PRIMEHUB_SAFE_MODE_ENABLED": "true" if what.safe_mode else None,
        "TZ": what.timezone,
        "GRANT_SUDO": None if what.grant_sudo is None else "yes" if what.grant_sudo else "no",
        "CHOWN_EXTRA": ",".join(writable) or None,
    }
    if what.kind == "job":
        values |= _of_job(what.name, what.artifacts or Artifacts())
    if what.kind == "app":
        values |= {"PRIMEHUB_APP_ID": what.name, "PRIMEHUB_APP_ROOT": app_root}
    return [Variable(name=name, value=text) for name, text in values.items() if text is not None]


def splits(path: str) -> bool:
    """Whether start scripts would take the path in CHOWN_EXTRA for something else."""
    return re.search(r"[\s,*?\[\]\\]", path) is not None


def _of_job(name: str | None, artifacts: Artifacts) -> dict[str, str | None]:
    return {
        "PHJOB_NAME": name,
        "PHJOB_ARTIFACT_ENABLED": "true" if artifacts.enabled else "false",
        "PHJOB_ARTIFACT_LIMIT_SIZE_MB": str(artifacts.limit_size_mb),
        "PHJOB_ARTIFACT_LIMIT_FILES": str(artifacts.limit_files),
        "PHJOB_ARTIFACT_RETENTION_SECONDS": str(artifacts.retention_seconds),
    }


def of_volumes(
    volumes: Mapping[str, Mapping[str, str]], taken: Sequence[Variable]
) -> tuple[list[Variable], dict[str, list[str]]]:
    """The variables of env volumes, by the volumes' names, and what is to be said of each volume.

    ``taken`` are the platform's, which win. Of two variables of one name the one written so wins
    over the one that had a ``-``; then the volume and the key that sort first.
    """
    notes: dict[str, list[str]] = {name: [] for name in volumes}
    owners = {variable.name: "the platform" for variable in taken}
    found = []
    for rank in (_as_written, _with_underscores):
        for volume in sorted(volumes):
            for name, key in rank(volume, volumes[volume], notes[volume]):
                if name in owners:
                    notes[volume].append(f"{name} is dropped: it is set by {owners[name]}.")
                    continue
                if RESERVED.fullmatch(name):
                    notes[volume].append(
                        f"{name} is dropped: what starts the container acts on it, so no env "
                        "volume may set it."
                    )
                    continue
                owners[name] = f"{key} of {volume}"
                found.append(
                    Variable(name=name, value=volumes[volume][key], volume=f"datasets/{volume}")
                )
    return sorted(found, key=lambda variable: variable.name), notes


def _as_written(
    volume: str, values: Mapping[str, str], notes: list[str]
) -> Iterator[tuple[str, str]]:
    for key in sorted(values):
        name = f"{volume}_{key}"
        if key == NOT_A_VARIABLE:
            continue
        if not _NAME.fullmatch(name):
            notes.append(
                f"The variable of the key {_readable(key)} is dropped: it has no valid name."
            )
        elif "\0" in values[key]:
            notes.append(f"{name.upper()} is dropped: its value has a NUL byte.")
        else:
            yield name.upper(), key


def _with_underscores(
    volume: str, values: Mapping[str, str], _notes: list[str]
) -> Iterator[tuple[str, str]]:
    for name, key in _as_written(volume, values, []):
        if "-" in name:
            yield name.replace("-", "_"), key


def _readable(key: str) -> str:
    return repr(key if len(key) <= 80 else key[:79] + "…")
