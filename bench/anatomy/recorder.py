"""Whose time it is: every moment belongs to the innermost layer that is at work.

Owns the clocks and the count of who is at work, over all threads. Knows no layer's code: whoever
enters and leaves a layer says so. Used by ``layers`` and ``jobs``.

Wall time goes to the innermost layer of all threads, CPU time to the innermost of the thread that
used it. That holds for one operation at a time: while a layer waits for one further in, which may
run in another task or thread, its own time does not run.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from enum import IntEnum


class Layer(IntEnum):
    """From the outside in. ``OUTSIDE``: the kernel, FUSE and pyfuse3, or whoever calls instead."""

    OUTSIDE = 0
    HANDLERS = 1
    FILES = 2
    WRAPPERS = 3
    CLIENT = 4
    SIGN = 5
    SEND = 6
    PARSE = 7
    WAIT = 8
    RECEIVE = 9


class Lap:
    """One operation: seconds of wall and CPU time by layer."""

    def __init__(self) -> None:
        self.wall = [0.0] * len(Layer)
        self.cpu = [0.0] * len(Layer)

    @property
    def seconds(self) -> float:
        """All of it."""
        return sum(self.wall)


class _Thread:
    """What a thread is at, and its CPU time when it last said so."""

    def __init__(self, cpu: float) -> None:
        self.at_work = [0] * len(Layer)
        self.cpu = cpu


class Recorder:
    """Keeps a ``Lap`` for each operation. ``now`` and ``cpu`` tell the time; a test has its own."""

    def __init__(
        self,
        now: Callable[[], float] = time.perf_counter,
        cpu: Callable[[], float] = time.thread_time,
    ) -> None:
        self.laps: list[Lap] = []
        self._now = now
        self._cpu = cpu
        self._lap: Lap | None = None
        self._lock = threading.Lock()
        self._at_work = [0] * len(Layer)
        self._moment = 0.0
        self._threads = threading.local()

    @property
    def idle(self) -> bool:
        """Nobody is at work."""
        return not any(self._at_work)

    @contextmanager
    def lap(self) -> Iterator[None]:
        """One operation is done inside."""
        with self._lock:
            self._tick()
            self._lap = Lap()
        yield
        with self._lock:
            self._tick()
            self.laps.append(self._lap)
            self._lap = None

    def enter(self, layer: Layer) -> None:
        """The calling thread begins to work in a layer."""
        with self._lock:
            self._tick().at_work[layer] += 1
            self._at_work[layer] += 1

    def leave(self, layer: Layer) -> None:
        """It ends."""
        with self._lock:
            self._tick().at_work[layer] -= 1
            self._at_work[layer] -= 1

    def _tick(self) -> _Thread:
        """What has passed since the last time belongs to who was at work; the calling thread."""
        now, cpu = self._now(), self._cpu()
        thread: _Thread | None = getattr(self._threads, "own", None)
        if thread is None:
            thread = self._threads.own = _Thread(cpu)
        if self._lap is not None:
            self._lap.wall[_innermost(self._at_work)] += now - self._moment
            self._lap.cpu[_innermost(thread.at_work)] += cpu - thread.cpu
        self._moment, thread.cpu = now, cpu
        return thread


def _innermost(at_work: Sequence[int]) -> int:
    return next((layer for layer in reversed(Layer) if at_work[layer]), Layer.OUTSIDE)
