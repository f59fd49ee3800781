"""When each key had which content: the truth that answers of a mount are held against.

Owns the record of one bucket, kept by every way to it. Times are trio's. Called by
``test_two_mounts``.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import trio

from phfs.s3.memory import MemoryStore


class Since(NamedTuple):
    """From ``time`` on a key has this content; None when there is no such key."""

    time: float
    content: bytes | None


class Timeline:
    """The past of all keys of a bucket."""

    def __init__(self, memory: MemoryStore) -> None:
        self._memory = memory
        self._past: dict[str, list[Since]] = {}

    def note(self) -> None:
        """Record what is there now, right after it changed."""
        now = trio.current_time()
        for key in {*self._past, *self._memory.objects}:
            kept = self._memory.objects.get(key)
            content = None if kept is None else kept.data
            past = self._past.setdefault(key, [Since(float("-inf"), None)])
            if past[-1].content != content:
                past.append(Since(now, content))

    def contents(self, key: str, begin: float, end: float) -> list[bytes | None]:
        """What the key had at some moment from ``begin`` to ``end``."""
        past = self._past.get(key, [Since(float("-inf"), None)])
        until = [following.time for following in past[1:]] + [float("inf")]
        return [
            it.content for it, to in zip(past, until, strict=True) if it.time <= end and to >= begin
        ]

    def keys(self) -> Iterator[str]:
        """All keys there ever were."""
        return iter(self._past)
