"""Which files a mount that is being ended did not save, as seen from outside.

Owns the two ways to know: the mount's log, where it names them, and where there is none the last
that it said of itself. Called by ``unmounting``.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Sequence
from pathlib import Path

from phfs.cli.standing import Standing
from phfs.core.unsaved import Unsaved

_LINE = re.compile(r" phfs\.[a-z_.0-9]+: (/.*) was not saved: ")
"""What ``phfs.mount`` and ``phfs.fuse.session`` log of each file at the end."""


class LostFiles:
    """The files of one mount, from now on."""

    def __init__(self, one: Standing) -> None:
        log = one.status.get("log")
        self._log = Path(log) if isinstance(log, str) else None
        self._from = self._length()
        self._last = one.unsaved

    def saw(self, unsaved: Sequence[Unsaved]) -> None:
        """The mount says that these are not saved yet."""
        self._last = list(unsaved)

    def names(self) -> list[str]:
        """What was not saved, once the mount has ended."""
        if self._log is None or self._from is None:
            return sorted({one.path for one in self._last})
        lines = _lines(self._log, self._from)
        return sorted({name for line in lines if (name := _named(line))})

    def _length(self) -> int | None:
        """Bytes of the log now; None if there is none, or it is not to be read."""
        if self._log is None:
            return None
        try:
            with self._log.open("rb") as file:
                return file.seek(0, os.SEEK_END)
        except OSError:
            return None


def _lines(log: Path, since: int) -> list[str]:
    try:
        with log.open("rb") as file:
            # One that is shorter now was put aside meanwhile: this is a new one.
            file.seek(since if file.seek(0, os.SEEK_END) >= since else 0)
            return file.read().decode(errors="replace").splitlines()
    except OSError:
        return []


def _named(line: str) -> str:
    found = _LINE.search(line)
    if found:
        return found[1]
    try:
        message = json.loads(line).get("message", "")
    except (ValueError, AttributeError):
        return ""
    return str(message).partition(" was not saved: ")[0] if " was not saved: " in message else ""
