"""What is measured of how cost grows: points on lines, grouped in topics.

Owns the value types, no work of its own. Made by the topics' modules, shown by ``tables`` and
``pictures``, judged by ``judgement``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple, TypeVar

from bench.growth.ground import Ground
from bench.sparse_catalog import Objects
from phfs.bench.scenario import GIB, MB_PER_SECOND, Unit

_T = TypeVar("_T")


class At(NamedTuple):
    """A place on a topic's axis: a number, and how it is written."""

    number: float
    text: str


class Point(NamedTuple):
    """One figure: ``line`` says of what, ``at`` under which condition.

    ``value`` is in ``unit`` (None: it failed, ``error`` says why), ``amount`` what was done (bytes
    for MB/s, else a count), ``cpu`` seconds and ``peak_mib`` resident memory of the mount then.
    """

    line: str
    at: At
    unit: Unit
    value: float | None
    amount: float = 1
    cpu: float = 0.0
    peak_mib: float | None = None
    error: str = ""

    @property
    def cost(self) -> float | None:
        """What one byte, entry or operation costs, in a unit of its own: less is better."""
        if self.value is None:
            return None
        return 1 / self.value if self.unit.per_second else self.value

    @property
    def cpu_each(self) -> float:
        """CPU seconds of the mount for each GiB, or milliseconds for each operation."""
        if self.unit is MB_PER_SECOND:
            return self.cpu / (self.amount / GIB)
        return 1e3 * self.cpu / self.amount


class Judgement(NamedTuple):
    """A rule, what was measured in its words, and whether it holds."""

    rule: str
    measured: str
    holds: bool


class Scale(NamedTuple):
    """How much is measured."""

    quick: bool

    def pick(self, full: _T, quick: _T) -> _T:
        """One of two amounts."""
        return quick if self.quick else full


def no_rule(_points: Sequence[Point]) -> list[Judgement]:
    """Nothing is asked of these figures."""
    return []


def no_bound(_at: At) -> float | None:
    """Nothing is asked of the memory."""
    return None


@dataclass(frozen=True)
class Topic:
    """One question. ``measure`` gives its points one by one, with ``objects`` in the store;
    ``cold`` says for all lines what nobody has read before. ``bound``: MiB that may be resident."""

    name: str
    title: str
    axis: str
    cold: str
    objects: Callable[[Scale], list[Objects]]
    measure: Callable[[Ground, Scale], Iterator[Point]]
    judge: Callable[[Sequence[Point]], list[Judgement]] = no_rule
    bound: Callable[[At], float | None] = no_bound


class Answer(NamedTuple):
    """A topic and all its points."""

    topic: Topic
    points: list[Point]


def lines(points: Sequence[Point]) -> dict[str, list[Point]]:
    """The points of each line, along the axis."""
    found: dict[str, list[Point]] = {}
    for point in points:
        found.setdefault(point.line, []).append(point)
    return {name: sorted(line, key=lambda point: point.at.number) for name, line in found.items()}
