"""Pictures of a run: one of the ratios to the floor for each link, one of each theme's figures.

Owns how they look; computes nothing. Called by ``output``.
"""

from __future__ import annotations

from collections.abc import Sequence
from io import BytesIO
from itertools import groupby

from matplotlib.axes import Axes
from matplotlib.figure import Figure as Picture
from matplotlib.patches import Patch
from matplotlib.ticker import FuncFormatter

from phfs.bench.figures import Figure, find
from phfs.bench.measure import FLOOR
from phfs.bench.numbers import short
from phfs.bench.record import Run

COLOURS = {"phfs": "#0f766e", "rclone": "#4f83cc", "s3fs": "#d9923b", FLOOR: "#9ca3af"}
OTHER = "#7c6fb0"
DOT = "#111827"
BAR_INCHES = 0.17

WORSE, BETTER = 0.05, 20.0
"""Where the axis of ratios ends; what is beyond is drawn up to there and labelled."""


def plots(run: Run) -> dict[str, bytes]:
    """PNG files by name."""
    links = list(dict.fromkeys(figure.link for figure in run.figures))
    pictures = {}
    for number, link in enumerate(links):
        ratios = [one for one in run.figures if one.link == link and one.ratio is not None]
        if ratios:
            pictures[f"ratios-{_file_name(link, number)}.png"] = _png(_ratios(ratios, link))
    for theme, group in groupby(run.figures, lambda figure: figure.theme):
        known = [figure for figure in group if figure.values]
        if known:
            pictures[f"{theme.name}.png"] = _png(_theme(known, links))
    return pictures


def _file_name(link: str, number: int) -> str:
    return link if link.replace("-", "").isalnum() else str(number)


def _png(picture: Picture) -> bytes:
    file = BytesIO()
    picture.savefig(file, format="png", dpi=110)
    return file.getvalue()


def _colour(subject: str) -> str:
    return COLOURS.get(subject, OTHER)


def _ratios(known: Sequence[Figure], link: str) -> Picture:
    """Bars from 1, the floor, on a logarithmic axis: what is faster goes right."""
    scenarios = list(dict.fromkeys(figure.scenario.name for figure in known))
    subjects = list(dict.fromkeys(figure.subject for figure in known))
    height = 1.3 + len(scenarios) * (0.12 + BAR_INCHES * len(subjects))
    picture = Picture(figsize=(9, height), layout="constrained")
    axes = picture.add_subplot()
    thick = 0.85 / len(subjects)
    for row, subject in enumerate(subjects):
        for place, scenario in enumerate(scenarios):
            figure = find(known, scenario, subject, link)
            if figure is None or figure.ratio is None:
                continue
            at = place + (row - (len(subjects) - 1) / 2) * thick
            end = min(max(figure.ratio, WORSE), BETTER)
            axes.barh(at, end - 1, thick * 0.9, left=1, color=_colour(subject))
            right = figure.ratio >= 1
            axes.annotate(
                short(figure.ratio),
                (end, at),
                xytext=(3 if right else -3, 0),
                textcoords="offset points",
                ha="left" if right else "right",
                va="center",
                fontsize=7,
            )
    axes.axvline(1, color=DOT, linewidth=1)
    axes.set_xscale("log")
    axes.set_xlim(WORSE / 1.7, BETTER * 1.7)
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axes.set_yticks(range(len(scenarios)), scenarios, fontsize=8)
    axes.set_ylim(len(scenarios) - 0.4, -0.6)
    axes.set_xlabel("speed as a multiple of the store's without a mount (right is faster)")
    axes.set_title(f"Beside the store without a mount, {link}", loc="left", fontsize=11)
    _legend(picture, subjects)
    _plain(axes)
    return picture


def _theme(known: Sequence[Figure], links: Sequence[str]) -> Picture:
    """A row for each unit, a column for each link; bars are medians, dots are rounds."""
    units = list(dict.fromkeys(figure.scenario.unit for figure in known))
    links = [link for link in links if any(figure.link == link for figure in known)]
    size = (max(5.5, 4.2 * len(links)), 0.6 + 2.9 * len(units))
    picture = Picture(figsize=size, layout="constrained")
    grid = picture.subplots(len(units), len(links), squeeze=False, sharey="row")
    for unit, row in zip(units, grid, strict=True):
        for link, axes in zip(links, row, strict=True):
            here = [one for one in known if one.link == link and one.scenario.unit is unit]
            _bars(axes, here, link)
            better = "more is better" if unit.per_second else "less is better"
            axes.set_title(f"{unit.text}, {link} ({better})", loc="left", fontsize=9)
    subjects = list(dict.fromkeys(figure.subject for figure in known))
    _legend(picture, subjects)
    return picture


def _bars(axes: Axes, known: Sequence[Figure], link: str) -> None:
    scenarios = list(dict.fromkeys(figure.scenario.name for figure in known))
    subjects = list(dict.fromkeys(figure.subject for figure in known))
    wide = 0.85 / max(1, len(subjects))
    for row, subject in enumerate(subjects):
        for place, scenario in enumerate(scenarios):
            figure = find(known, scenario, subject, link)
            if figure is None or figure.value is None:
                continue
            at = place + (row - (len(subjects) - 1) / 2) * wide
            axes.bar(at, figure.value, wide * 0.9, color=_colour(subject))
            spots = [at] * len(figure.values)
            axes.plot(spots, figure.values, ".", color=DOT, markersize=2.5, alpha=0.7)
    axes.set_xticks(range(len(scenarios)), scenarios, rotation=20, ha="right", fontsize=8)
    axes.tick_params(axis="y", labelsize=8)
    axes.set_xlim(-0.7, len(scenarios) - 0.3)
    _plain(axes)


def _legend(picture: Picture, subjects: Sequence[str]) -> None:
    colours = [Patch(color=_colour(subject), label=subject) for subject in subjects]
    picture.legend(
        handles=colours, frameon=False, fontsize=8, loc="outside upper right", ncols=len(colours)
    )


def _plain(axes: Axes) -> None:
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
    axes.grid(visible=True, color="#e5e7eb", linewidth=0.6)
    axes.set_axisbelow(True)
