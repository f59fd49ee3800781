"""One measurement of one subject: the stopwatch, and the cost to the mount's process meanwhile.

Owns what is inside and outside the time measured. Knows no scenario. Made by ``measure``, used by
``scenarios``.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple, TypeVar

from phfs.bench.place import Place
from phfs.bench.process import Process

LEAST_PACED = 20
"""Operations done whatever time they take."""

_T = TypeVar("_T")


class Clock(NamedTuple):
    """What tells the time, and what waits; a test has its own."""

    now: Callable[[], float] = time.perf_counter
    sleep: Callable[[float], None] = time.sleep


class Turn:
    """Counts what happens inside ``timed()``; scenarios may use it several times.

    ``number`` counts from 0, the turn that is not counted. ``amount`` may be set to what was really
    done, ``figure`` to what was measured if that is no time. ``place`` is where a scenario may put
    objects past the mount. ``cpu`` and ``peak_mib`` are None where the process cannot be seen.
    ``stale_seconds``: after which a mount asks the store again; ``last_used``: when this subject
    last looked at the scenario's files.
    """

    def __init__(
        self,
        number: int,
        amount: float,
        place: Place,
        *,
        name: str = "own",
        process: Process | None = None,
        stale_seconds: float = 0.0,
        last_used: float | None = None,
        clock: Clock | None = None,
    ) -> None:
        self.number = number
        self.amount = amount
        self.place = place
        self.figure: float | None = None
        self.seconds = 0.0
        self.cpu: float | None = None
        self.peak_mib: float | None = None
        self.wrote = False
        self._name = name
        self._process = process
        self._stale_seconds = stale_seconds
        self._last_used = last_used
        self._clock = clock or Clock()

    @property
    def own(self) -> str:
        """The name of a directory nobody has used, for what the turn writes; removed after it."""
        self.wrote = True
        return self._name

    def fresh(self, root: Path) -> Path:
        """That directory on a mount, made."""
        directory = root / self.own
        directory.mkdir()
        return directory

    def stale(self) -> None:
        """Wait until what the mount has learned of these files in earlier turns is too old to be
        used."""
        if self._last_used is not None:
            age = self._clock.now() - self._last_used
            self._clock.sleep(max(0.0, self._stale_seconds - age))

    def age(self) -> None:
        """Wait until what the mount has learned in this turn is too old to be used."""
        self._clock.sleep(self._stale_seconds)

    @contextmanager
    def timed(self) -> Iterator[None]:
        """Measure what is done inside."""
        before = self._process.begin() if self._process else None
        begin = self._clock.now()
        yield
        self.seconds += self._clock.now() - begin
        if self._process is not None and before is not None:
            used = self._process.used(before)
            self.cpu = (self.cpu or 0.0) + used.cpu
            if used.peak_mib is not None:
                self.peak_mib = max(self.peak_mib or 0.0, used.peak_mib)

    def paced(self, items: Iterable[_T], work: Callable[[_T], None], seconds: float) -> None:
        """Measure ``work`` on one item after the other until ``seconds`` have passed, but on
        ``LEAST_PACED`` at least; ``amount`` becomes the number done."""
        done = 0
        with self.timed():
            end = self._clock.now() + seconds
            for item in items:
                work(item)
                done += 1
                if done >= LEAST_PACED and self._clock.now() >= end:
                    break
        self.amount = done
