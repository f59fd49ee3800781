"""The log of a process that is started from here, passed on by lines; its last sentence is kept.

Owns the reading of the pipe, so that the process never waits for a reader. Called by ``phfsmount``.
"""

from __future__ import annotations

import json
import os
import sys

import trio

LINE_BYTES = 64 * 1024
"""What a line has more is left out."""


class Tail:
    """``sentence``: why the process failed, in its own words; empty as long as it has not."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self.sentence = ""
        self.finished = trio.Event()

    async def pass_on(self) -> None:
        """Until the other end is closed."""
        rest = b""
        async with trio.lowlevel.FdStream(os.dup(self._descriptor)) as stream:
            async for data in stream:
                *lines, rest = (rest + data).split(b"\n")
                rest = rest[:LINE_BYTES]
                for line in lines:
                    self._take(line)
        if rest:
            self._take(rest)
        self.finished.set()

    def _take(self, line: bytes) -> None:
        # By one call, and whole: a line of our own must not get into the middle of it.
        sys.stderr.write(line[:LINE_BYTES].decode(errors="replace") + "\n")
        sys.stderr.flush()
        self.sentence = sentence_of(line[:LINE_BYTES]) or self.sentence


def sentence_of(line: bytes) -> str:
    """What a line says of a failure; empty if it is about something else."""
    text = line.decode(errors="replace").strip()
    if text.startswith("{"):
        try:
            record = json.loads(text)
        except ValueError:
            return ""
        failed = isinstance(record, dict) and record.get("level") in ("ERROR", "CRITICAL")
        return str(record.get("message", "")) if failed else ""
    return text.removeprefix("phfs-mount: ") if text.startswith("phfs-mount: ") else ""
