"""Whether cost grows as it may.

Owns the rules: nothing is quadratic, many readers are not much slower than few, memory is bounded.
Knows figures only. Used by the topics.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from bench.growth.point import At, Judgement, Point, lines
from phfs.bench.numbers import short

MOST_GROWTH = 2.0
"""Times the cost of one byte, entry or operation at the middle size, at the largest."""

LEAST_SHARE = 0.5
"""Of the best rate, with the most readers."""

BESIDE_LIMIT = 100.0
"""MiB that may be resident beside ``--memory-limit``."""


def grows_gently(points: Sequence[Point]) -> list[Judgement]:
    """One byte, entry or operation costs at the largest size little more than at the middle one."""
    found = []
    for name, line in lines(points).items():
        middle, largest = line[len(line) // 2], line[-1]
        rule = f"{name}: costs at {largest.at.text} at most {MOST_GROWTH:g} x of {middle.at.text}"
        if middle.cost is None or largest.cost is None:
            found.append(Judgement(rule, middle.error or largest.error, holds=False))
            continue
        growth = largest.cost / middle.cost
        found.append(Judgement(rule, f"{short(growth)} x", growth <= MOST_GROWTH))
    return found


def costs_no_more(line: Sequence[Point], than: Sequence[Point]) -> list[Judgement]:
    """One operation costs at the largest size little more than another, dearer one there."""
    if not line or not than:
        return []
    one, other = line[-1], than[-1]
    rule = f"{one.line}: costs at {one.at.text} at most {MOST_GROWTH:g} x a {other.line}"
    if one.cost is None or other.cost is None:
        return [Judgement(rule, one.error or other.error, holds=False)]
    growth = one.cost / other.cost
    return [Judgement(rule, f"{short(growth)} x", growth <= MOST_GROWTH)]


def holds_up(points: Sequence[Point]) -> list[Judgement]:
    """The largest number reaches a good part of the best rate."""
    found = []
    for name, line in lines(points).items():
        rule = f"{name}: with {line[-1].at.text} at least {LEAST_SHARE:g} of the best"
        values = [point.value for point in line if point.value is not None]
        if len(values) < len(line):
            error = next(point.error for point in line if point.error)
            found.append(Judgement(rule, error, holds=False))
            continue
        share = values[-1] / max(values)
        found.append(Judgement(rule, short(share), share >= LEAST_SHARE))
    return found


def is_bounded(
    points: Sequence[Point], limit: Callable[[At], float] = lambda at: at.number
) -> list[Judgement]:
    """Resident memory stays within the limit and what is allowed beside it; ``limit`` in MiB, by
    default what the axis says."""
    found = []
    for name, line in lines(points).items():
        over = [point.peak_mib - limit(point.at) for point in line if point.peak_mib is not None]
        rule = f"{name}: resident at most the limit + {BESIDE_LIMIT:g} MiB"
        most = max(over, default=None)
        holds = most is not None and len(over) == len(line) and most <= BESIDE_LIMIT
        measured = "not seen" if most is None else f"limit {most:+.0f} MiB at most"
        found.append(Judgement(rule, measured, holds))
    return found
