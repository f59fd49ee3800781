"""The last failures of the mount, kept for those who want to know why.

Owns the ring of failures and how one is written down, as text and as plain values. Never decides
what a failure is: ``guard`` and the file system report them, ``explain`` shows them. Every call is
made in the thread of the event loop.
"""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from phfs.core.names import printable
from phfs.errors import FileError, PhfsError
from phfs.fuse.errno import ANSWERS, Errno, errno_of

log = logging.getLogger(__name__)

MOST_FAILURES = 200
"""Failures remembered: enough for one careless loop, at most some 100 KiB of text."""


@dataclass(slots=True)
class Failure:
    """One failure; ``count`` times in a row, the last of them at ``time`` (epoch seconds)."""

    time: float
    path: str
    operation: str
    errno: Errno
    why: str
    advice: str
    count: int = 1

    def same(self, other: Failure) -> bool:
        """Whether only the time differs."""
        return (self.path, self.operation, self.errno, self.why) == (
            other.path,
            other.operation,
            other.errno,
            other.why,
        )

    def parts(self) -> dict[str, str]:
        """What happened, without when and how often, for JSON."""
        return {
            "path": self.path,
            "operation": self.operation,
            "errno": self.errno.name,
            "meaning": self.errno.text,
            "why": self.why,
            "advice": self.advice,
        }

    def values(self) -> dict[str, object]:
        """For JSON."""
        return {"time": local_time(self.time), **self.parts(), "count": self.count}

    def text(self) -> str:
        """For people, three lines."""
        times = f", {self.count} times" if self.count > 1 else ""
        lines = [
            f"{local_time(self.time)}  {self.operation}  {printable(self.path)}",
            f"  {self.errno.name}: {self.errno.text}{times}",
            f"  Why:        {printable(self.why)}",
        ]
        if self.advice:
            lines.append(f"  What to do: {printable(self.advice)}")
        return "\n".join(lines) + "\n"


class Failures:
    """A ring of the last ``MOST_FAILURES`` failures."""

    def __init__(self, now: Callable[[], float]) -> None:
        """``now`` gives epoch seconds."""
        self.now = now
        self.since = now()
        self.total = 0
        self._ring: deque[Failure] = deque(maxlen=MOST_FAILURES)

    def report(self, path: str, operation: str, error: PhfsError) -> None:
        """Remember and log a failure; an answer such as "no such file" is none."""
        errno = errno_of(error)
        if errno.name in ANSWERS:
            return
        self.total += 1
        failure = Failure(self.now(), path, operation, errno, error.why, error.advice)
        newest = self._ring[-1] if self._ring else None
        if newest is not None and newest.same(failure):
            newest.time = failure.time
            newest.count += 1
            return
        self._ring.append(failure)
        # What the file system refuses is the program's affair, what the store fails the operator's.
        level = logging.INFO if isinstance(error, FileError) else logging.WARNING
        words = (operation, printable(path), errno.name, printable(error.why))
        log.log(level, "%s %s: %s: %s", *words, extra={"failure": failure.parts()})

    def newest_first(self) -> list[Failure]:
        """The failures remembered."""
        return list(reversed(self._ring))

    @property
    def changed(self) -> float:
        """When there last was a failure, or this ring was made (epoch seconds)."""
        return self._ring[-1].time if self._ring else self.since

    def text(self) -> str:
        """All of them, for people."""
        if not self._ring:
            return f"Nothing has failed since {local_time(self.since)}.\n"
        head = (
            f"What failed on this mount since {local_time(self.since)}, newest first "
            f"(at most {MOST_FAILURES}). Paths begin at the mount point.\n"
        )
        return "\n".join([head, *(failure.text() for failure in self.newest_first())])


def local_time(seconds: float) -> str:
    """Epoch seconds as ISO 8601 in local time with its offset."""
    return datetime.fromtimestamp(seconds).astimezone().isoformat(timespec="seconds")
