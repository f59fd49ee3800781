"""Pictures of growth: one for each topic, a panel for each unit, for CPU and for memory.

Owns how they look; computes nothing. Called by ``__main__``.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import NamedTuple

from matplotlib.axes import Axes
from matplotlib.figure import Figure as Picture
from matplotlib.ticker import FuncFormatter

from bench.document import COLOURS, plain, png
from bench.growth.point import Answer, At, Point, lines
from phfs.bench.scenario import MB_PER_SECOND, Unit

WIDE_RANGE = 30.0
"""From the least to the most: beyond it an axis is logarithmic."""


class _Panel(NamedTuple):
    """What a part of a picture shows of the points that have it."""

    title: str
    value: Callable[[Point], float | None]
    bound: Callable[[At], float | None] | None = None


def picture(answer: Answer) -> bytes:
    """A topic's picture as PNG."""
    panels = _panels(answer)
    rows = -(-len(panels) // 2)
    drawn = Picture(figsize=(9, 0.5 + 2.7 * rows), layout="constrained")
    grid = drawn.subplots(rows, 2, squeeze=False).flatten()
    known = lines(answer.points)
    ats = sorted({point.at for point in answer.points})
    for axes, panel in zip(grid, panels, strict=False):
        _draw(axes, panel, known, ats)
        axes.set_xlabel(answer.topic.axis, fontsize=8)
    for axes in grid[len(panels) :]:
        axes.set_axis_off()
    handles = {
        label: handle
        for axes in grid
        for handle, label in zip(*axes.get_legend_handles_labels(), strict=True)
    }
    drawn.legend(
        handles.values(),
        handles.keys(),
        frameon=False,
        fontsize=8,
        loc="outside lower center",
        ncols=4,
    )
    return png(drawn)


def _panels(answer: Answer) -> list[_Panel]:
    units = list(dict.fromkeys(point.unit for point in answer.points))
    panels = [_Panel(_heading(unit), partial(_value, unit)) for unit in units]
    if MB_PER_SECOND in units:
        panels.append(_Panel("daemon CPU seconds per GiB", _cpu))
    panels.append(_Panel("peak resident MiB", lambda point: point.peak_mib, answer.topic.bound))
    return panels


def _heading(unit: Unit) -> str:
    return f"{unit.text} ({'more' if unit.per_second else 'less'} is better)"


def _value(unit: Unit, point: Point) -> float | None:
    return point.value if point.unit is unit else None


def _cpu(point: Point) -> float | None:
    return point.cpu_each if point.unit is MB_PER_SECOND and not point.error else None


def _draw(axes: Axes, panel: _Panel, known: dict[str, list[Point]], ats: list[At]) -> None:
    shown: list[float] = []
    for number, (name, line) in enumerate(known.items()):
        spots = [(ats.index(point.at), panel.value(point)) for point in line]
        there = [(at, value) for at, value in spots if value is not None]
        if there:
            axes.plot(*zip(*there, strict=True), "o-", label=name, color=COLOURS[number % 8])
            shown += [value for _, value in there]
    if panel.bound is not None:
        bounds = [panel.bound(at) for at in ats]
        allowed = [(at, most) for at, most in enumerate(bounds) if most is not None]
        if allowed:
            axes.plot(*zip(*allowed, strict=True), "--", label="allowed", color="#6b7280")
            shown += [most for _, most in allowed]
    if shown and min(shown) > 0 and max(shown) / min(shown) > WIDE_RANGE:
        axes.set_yscale("log")
        axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    else:
        axes.set_ylim(0, 1.08 * max(shown, default=1.0))
    axes.set_xticks(range(len(ats)), [at.text for at in ats])
    axes.set_xlim(-0.3, len(ats) - 0.7)
    axes.set_title(panel.title, loc="left", fontsize=9)
    plain(axes)
