"""What the sidecar tells the pod: VOLUMES.txt and volumes.json, env.sh and env.json.

Owns how these look and that each is replaced as a whole. The values of variables may be secrets, so
only the files' owner reads them. Called by ``runner``; ``text`` by the command ``status``, too.
"""

from __future__ import annotations

import json
import os
import shlex
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from pathlib import Path
from typing import Protocol

from phfs.sidecar import placing
from phfs.sidecar.standing import Being, Standing
from phfs.system.privileges import Identity

VOLUMES = "VOLUMES.txt"
"""Shown in /phfs/.phfs as well, under the same name."""

ROOT_USER = Identity(0, 0)


class Named(Protocol):
    """A variable of the plan."""

    @property
    def name(self) -> str:
        """As the main container has it."""

    @property
    def value(self) -> str:
        """Never shown to others."""

    @property
    def in_shell(self) -> bool:
        """Whether a shell can export it."""


def text(standings: Iterable[Standing]) -> str:
    """One line for each volume of the pod, what is wrong first; ends with a line break."""
    known = list(standings)
    groups = (
        ("Not in place; each is tried again by itself", (Being.FAILED,)),
        ("Being put in place", (Being.WAITING,)),
        ("In place", (Being.IN_PLACE,)),
        ("Not for this pod", (Being.OUT,)),
    )
    lines: list[str] = []
    for title, beings in groups:
        found = [one for one in known if one.being in beings]
        if found:
            lines += [*([""] if lines else []), title]
            lines += [line for one in found for line in _lines(one)]
    return "".join(f"{_printable(line)}\n" for line in lines)


def as_json(standings: Iterable[Standing]) -> str:
    """The same for programs: a list of objects."""
    return json.dumps([one.values() for one in standings], indent=2) + "\n"


def write_volumes(root: Path, path: str, standings: Sequence[Standing]) -> None:
    """VOLUMES.txt and volumes.json in the directory ``path`` below ``root``, for everybody.

    Raises ``OSError``, and ``VolumeError`` if ``path`` leads over a link.
    """
    with placing.opened(root, path) as directory:
        for name, content in ((VOLUMES, text(standings)), ("volumes.json", as_json(standings))):
            placing.write_file(directory, name, content.encode(), mode=0o644, owner=ROOT_USER)


def write_notice(mount_point: Path, standings: Sequence[Standing]) -> None:
    """VOLUMES.txt where PHFS would be, while nothing is mounted there. Raises ``OSError``."""
    flags = os.O_PATH | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
    directory = os.open(mount_point, flags)
    try:
        content = text(standings).encode()
        placing.write_file(directory, VOLUMES, content, mode=0o644, owner=ROOT_USER)
    finally:
        os.close(directory)


def write_environment(root: Path, path: str, variables: Sequence[Named], owner: Identity) -> None:
    """env.sh and env.json in the directory ``path`` below ``root``, for ``owner`` alone.

    Raises as ``write_volumes``.
    """
    as_object = {one.name: one.value for one in variables}
    with placing.opened(root, path) as directory:
        for name, content in (
            ("env.sh", shell(variables)),
            ("env.json", json.dumps(as_object, indent=2) + "\n"),
        ):
            placing.write_file(directory, name, content.encode(), mode=0o400, owner=owner)


def shell(variables: Iterable[Named]) -> str:
    """For ``.`` in a POSIX shell: what is set already stays as it is."""
    lines = [
        f'[ -n "${{{one.name}+x}}" ] || export {one.name}={shlex.quote(one.value)}\n'
        for one in variables
        if one.in_shell
    ]
    return "".join(lines)


def _lines(one: Standing) -> Iterator[str]:
    what = f"  {one.access:<4} {one.kind:<9} {one.name:<20} {one.path:<24}"
    since = f"since {datetime.fromtimestamp(one.since).astimezone().isoformat(timespec='seconds')}"
    revision = f", commit {one.revision[:12]}" if one.revision else ""
    yield f"{what} {one.why if one.being is Being.OUT else since + revision}".rstrip()
    if one.being is not Being.OUT and one.why:
        yield f"{'':39}{f'{one.why} {one.advice}'.strip()}"
    yield from (f"{'':39}{note}" for note in one.notes)


def _printable(line: str) -> str:
    """Without characters that would move a terminal's cursor: names come from people."""
    if line.isprintable():
        return line
    return "".join(c if c.isprintable() else repr(c)[1:-1] for c in line)
