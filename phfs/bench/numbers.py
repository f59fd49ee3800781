"""How numbers are written for people.

Used by ``report``, ``plots`` and ``page``.
"""

from __future__ import annotations

NONE = "-"


def short(value: float | None) -> str:
    """Three digits that mean something."""
    if value is None:
        return NONE
    size = abs(value)
    if size >= 100:
        return f"{value:,.0f}"
    return f"{value:.1f}" if size >= 10 else f"{value:.2f}" if size >= 1 else f"{value:.3f}"


def with_spread(values: tuple[float, ...], median: float | None) -> str:
    """A median, and half of the distance from the least to the highest."""
    if median is None:
        return NONE
    if len(values) < 2:
        return short(median)
    return f"{short(median)} ±{short((max(values) - min(values)) / 2)}"
