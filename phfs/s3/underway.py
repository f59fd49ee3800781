"""The requests of one store that are under way, and the slowest of those that have ended.

Owns both records; each is bounded, and a request costs an entry in a table and one comparison.
Decides nothing. Kept by ``requests`` on trio's thread, read for ``.phfs``.
"""

from __future__ import annotations

import heapq
import time
from collections import deque
from collections.abc import Callable
from itertools import count
from typing import NamedTuple

from phfs.s3.watch import Watch

MOST_SLOW = 10
"""Slow requests remembered of each stretch of time."""

STRETCH_SECONDS = 60.0
STRETCHES = 5
"""What ended more than some five minutes ago says nothing about now."""


class Running(NamedTuple):
    """A request under way. ``size``: the bytes it is to move; ``began`` by the record's clock."""

    kind: str
    watch: Watch
    size: int
    began: float

    @property
    def moved(self) -> int:
        """Bytes that have moved; of those sent, the last may lie in this machine's buffers."""
        return min(self.watch.transferred, self.size)


class Ended(NamedTuple):
    """A request that has ended after ``seconds``. ``failure``: the error's class, if it failed."""

    seconds: float
    number: int
    kind: str
    subject: str
    at: float
    failure: str | None


class UnderWay:
    """The record of one store; ``clock`` gives seconds that only ever grow."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self.now = clock
        self._running: dict[int, Running] = {}
        self._numbers = count()
        self._slowest: deque[list[Ended]] = deque([[]], maxlen=STRETCHES)
        """A heap for each stretch, the quickest of its requests first."""
        self._next_stretch = clock() + STRETCH_SECONDS

    def begin(self, kind: str, watch: Watch, size: int) -> int:
        """A request begins to be sent; the number to give to ``end``."""
        number = next(self._numbers)
        self._running[number] = Running(kind, watch, size, self.now())
        return number

    def end(self, number: int, failure: str | None = None) -> None:
        """It has ended."""
        running, now = self._running.pop(number), self.now()
        self._turn(now)
        seconds, heap = now - running.began, self._slowest[-1]
        if len(heap) == MOST_SLOW and seconds <= heap[0].seconds:
            return
        ended = Ended(seconds, number, running.kind, running.watch.subject, now, failure)
        (heapq.heappush if len(heap) < MOST_SLOW else heapq.heapreplace)(heap, ended)

    def running(self) -> list[Running]:
        """The requests under way, the oldest first."""
        return list(self._running.values())

    def slowest(self) -> list[Ended]:
        """The slowest of the last ``STRETCHES`` stretches, at most ``MOST_SLOW``."""
        self._turn(self.now())
        return heapq.nlargest(MOST_SLOW, (ended for heap in self._slowest for ended in heap))

    def _turn(self, now: float) -> None:
        while now >= self._next_stretch:
            passed = int((now - self._next_stretch) // STRETCH_SECONDS) + 1
            self._slowest.extend([] for _ in range(min(passed, STRETCHES)))
            self._next_stretch += passed * STRETCH_SECONDS
