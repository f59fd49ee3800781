"""What a measurement is: its work on a directory and on the bare store, its unit, what is cold.

Owns the value types, no work of its own. The scenarios are in ``scenarios``; ``measure`` runs them.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple, TypeVar

from phfs.bench.floor import Floor
from phfs.bench.place import Place
from phfs.bench.turn import Turn

KIB = 1024
MIB = 1024**2
GIB = 1024**3

_T = TypeVar("_T")


class Unit(NamedTuple):
    """Of a figure: ``scale`` times the amount per second (more is better), or ``scale`` times the
    seconds per amount (less is better)."""

    text: str
    per_second: bool
    scale: float = 1.0

    def value(self, amount: float, seconds: float) -> float:
        """The figure for an amount done in a time."""
        return self.scale * (amount / seconds if self.per_second else seconds / amount)


MB_PER_SECOND = Unit("MB/s", per_second=True, scale=1e-6)
"""The amount is bytes."""
FILES_PER_SECOND = Unit("files/s", per_second=True)
NAMES_PER_SECOND = Unit("names/s", per_second=True)
MILLISECONDS = Unit("ms", per_second=False, scale=1e3)
SECONDS = Unit("s", per_second=False)
MEBIBYTES = Unit("MiB", per_second=False)
"""Of memory; the turn gives the figure."""


class Size(NamedTuple):
    """How much is done: ``quick`` for a fifth of a second or so per measurement. ``turns`` is how
    often each subject does it, so that each turn can have files that nobody has read before."""

    quick: bool
    turns: int

    @classmethod
    def of(cls, *, quick: bool, rounds: int | None = None) -> Size:
        """So many rounds that count (5, or 2 quick ones), after a turn that warms up."""
        return cls(quick, 1 + (rounds or (2 if quick else 5)))

    def pick(self, full: _T, quick: _T) -> _T:
        """One of two amounts."""
        return quick if self.quick else full

    @property
    def pace(self) -> float:
        """Seconds after which work of one small operation after the other has been seen enough."""
        return self.pick(2.5, 0.4)


@dataclass(frozen=True)
class Scenario:
    """``prepare`` lays down what is read, once; ``mount`` does the work on a directory, ``floor``
    the same on the bare store (None where there is no such thing). All three are given the
    scenario's own part of the place, the mount or the store.

    ``amount``: bytes for MB/s, else a count; a turn may say that it did less. ``cold`` and
    ``floor_is`` are for the reader.
    """

    name: str
    title: str
    unit: Unit
    amount: float
    cold: str
    prepare: Callable[[Place], None]
    mount: Callable[[Turn, Path], None]
    floor: Callable[[Turn, Floor], None] | None = None
    floor_is: str = ""


class Theme(NamedTuple):
    """Scenarios that are prepared, measured in turn and removed together."""

    name: str
    title: str
    scenarios: tuple[Scenario, ...]


def nothing(_place: Place) -> None:
    """Prepare nothing: the scenario writes."""
