"""Medians, spreads and ratios of what was measured.

Owns the arithmetic: which rounds count, and what is divided by what. A ratio is always that of
speeds, so that more is better whatever the unit, and of two readings of the same round. Called by
everything that shows or judges results.
"""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import dataclass

from phfs.bench.measure import FLOOR, Reading, Series
from phfs.bench.scenario import GIB, MB_PER_SECOND, Scenario, Theme


@dataclass(frozen=True)
class Figure:
    """What one subject reached in one scenario over one link.

    ``values`` are in the scenario's unit, one per round that counts; ``ratios`` are speeds over the
    floor's of the same round. ``cpu_per_gib``: seconds; ``peak_mib``: the highest of all rounds.
    """

    scenario: Scenario
    theme: Theme
    subject: str
    link: str
    values: tuple[float, ...]
    ratios: tuple[float, ...]
    cpu_seconds: float | None
    cpu_per_gib: float | None
    peak_mib: float | None
    error: str

    @property
    def value(self) -> float | None:
        """The median, None if it failed."""
        return statistics.median(self.values) if self.values else None

    @property
    def ratio(self) -> float | None:
        """The median, None if there is nothing to divide by."""
        return statistics.median(self.ratios) if self.ratios else None


def figures(results: Sequence[Series]) -> list[Figure]:
    """A figure of each series, in the same order."""
    floors = {
        (series.scenario.name, series.subject.link): series
        for series in results
        if series.subject.name == FLOOR
    }
    return [_figure(one, floors.get((one.scenario.name, one.subject.link))) for one in results]


def find(known: Sequence[Figure], scenario: str, subject: str, link: str) -> Figure | None:
    """The figure of a subject, None if it was not measured."""
    wanted = (scenario, subject, link)
    found = (one for one in known if (one.scenario.name, one.subject, one.link) == wanted)
    return next(found, None)


def counted(readings: Sequence[Reading]) -> list[Reading]:
    """The readings that count: not the first turn, which warms up, unless there is no other; none
    if one failed."""
    if any(reading.error for reading in readings):
        return []
    return list(readings[1:] or readings)


def _figure(series: Series, floor: Series | None) -> Figure:
    readings = counted(series.readings)
    cpu = [reading.cpu for reading in readings if reading.cpu is not None]
    gib = [
        reading.cpu / (reading.amount / GIB)
        for reading in readings
        if reading.cpu is not None and series.scenario.unit is MB_PER_SECOND
    ]
    peaks = [reading.peak_mib for reading in readings if reading.peak_mib is not None]
    is_floor = series.subject.name == FLOOR
    return Figure(
        series.scenario,
        series.theme,
        series.subject.name,
        series.subject.link,
        tuple(reading.value for reading in readings),
        () if floor is None or is_floor else _ratios(series, floor),
        statistics.median(cpu) if cpu else None,
        statistics.median(gib) if gib else None,
        max(peaks, default=None),
        next((reading.error for reading in series.readings if reading.error), ""),
    )


def _ratios(series: Series, floor: Series) -> tuple[float, ...]:
    """Of each round both have, as speeds."""
    below = {reading.turn: reading.value for reading in counted(floor.readings)}
    pairs = [
        (reading.value, below[reading.turn])
        for reading in counted(series.readings)
        if reading.turn in below
    ]
    if series.scenario.unit.per_second:
        return tuple(own / other for own, other in pairs)
    return tuple(other / own for own, other in pairs)
