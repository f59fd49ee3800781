"""Processes that the sidecar inherits, as the first process of a container does, waited for.

A program that is killed leaves its own children behind; without a parent to wait for them they stay
in the table, which is full one day. Owns nobody: whoever started a process waits for it himself,
and at once. Called by ``run``.
"""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path


class Orphans:
    """Ended processes; those that are still there at the second look are nobody's."""

    def __init__(self, proc: Path = Path("/proc")) -> None:
        self._proc = proc
        self._seen: set[int] = set()

    def reap(self) -> list[int]:
        """Look once more, some seconds after the last time; the processes that are gone now."""
        ended = {process for process in self._children() if self._has_ended(process)}
        reaped = sorted(ended & self._seen)
        for process in reaped:
            with suppress(ChildProcessError):
                os.waitpid(process, os.WNOHANG)
        self._seen = ended - set(reaped)
        return reaped

    def _children(self) -> list[int]:
        own = os.getpid()
        try:
            text = (self._proc / f"{own}/task/{own}/children").read_text()
        except OSError:
            return []  # a kernel without this list
        return [int(word) for word in text.split()]

    def _has_ended(self, process: int) -> bool:
        with suppress(OSError):
            # The name, in parentheses, may hold anything; the state is what follows it.
            return (self._proc / f"{process}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
        return False
