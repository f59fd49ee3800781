"""What came out, layer by layer: a table and a picture.

Owns the arithmetic and the words. Called by ``__main__``.

Of all laps the middle half counts, by their length, and its mean: what interrupted a few of them
is left out, and the layers add up. What a lap takes through a mount and not without one is the
kernel's, FUSE's and pyfuse3's.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from statistics import fmean
from typing import NamedTuple, TypeVar

from matplotlib.figure import Figure as Picture

from bench.anatomy.jobs import Found
from bench.anatomy.recorder import Layer
from bench.document import COLOURS, Grid, conditions, image, plain, png
from phfs.bench.numbers import short

NAMES = {
    Layer.OUTSIDE: "kernel, FUSE, pyfuse3",
    Layer.HANDLERS: "handlers and guard (fuse/)",
    Layer.FILES: "file system (vfs/)",
    Layer.WRAPPERS: "prefix, journal, retry (s3/)",
    Layer.CLIENT: "client: threads, checks, connections (s3/)",
    Layer.SIGN: "signing",
    Layer.SEND: "sending",
    Layer.PARSE: "parsing answers",
    Layer.WAIT: "waiting for the store",
    Layer.RECEIVE: "receiving",
}

PICTURE = "anatomy.png"

_T = TypeVar("_T")


class Shares(NamedTuple):
    """Milliseconds of a job: by layer, and in all through the mount; ``recording``: what taking it
    apart added."""

    wall: dict[Layer, float]
    cpu: dict[Layer, float]
    total: float
    total_cpu: float
    recording: float


def shares(found: Found) -> Shares:
    """What each layer takes of a job."""
    laps = _middle_half(found.laps, lambda lap: lap.seconds)
    total = 1e3 * fmean(_middle_half(found.mounted, float))
    bare = 1e3 * fmean(_middle_half(found.bare, float))
    total_cpu = 1e3 * found.mount_cpu / len(found.mounted)
    wall = {layer: 1e3 * fmean(lap.wall[layer] for lap in laps) for layer in Layer}
    cpu = {layer: 1e3 * fmean(lap.cpu[layer] for lap in laps) for layer in Layer}
    recording = sum(wall.values()) - bare
    wall[Layer.OUTSIDE] = max(0.0, total - bare)
    cpu[Layer.OUTSIDE] = max(0.0, total_cpu - sum(cpu.values()) + cpu[Layer.OUTSIDE])
    return Shares(wall, cpu, total, total_cpu, recording)


def _middle_half(items: Sequence[_T], key: Callable[[_T], float]) -> list[_T]:
    quarter = len(items) // 4
    return sorted(items, key=key)[quarter : len(items) - quarter]


def grid(results: Sequence[Found]) -> Grid:
    """A row for each layer, two columns for each job."""
    headings = ["layer"]
    for found in results:
        headings += [f"{found.job.name}: ms", "CPU ms"]
    taken = [shares(found) for found in results]
    rows = [
        [NAMES[layer], *(short(ms) for each in taken for ms in (each.wall[layer], each.cpu[layer]))]
        for layer in Layer
    ]
    rows.append(
        ["through the mount", *(short(ms) for each in taken for ms in (each.total, each.total_cpu))]
    )
    return Grid(headings, rows)


def sentences(results: Sequence[Found]) -> list[str]:
    """What the table does not say."""
    said = []
    for found in results:
        number = len(found.laps)
        asked = ", ".join(
            f"{short(count / number)} {kind}" for kind, count in sorted(found.requests.items())
        )
        recording = shares(found).recording
        said.append(
            f"{found.job.name[0].upper()}{found.job.name[1:]}: {number} times; requests to the "
            f"store for each: {asked}; taking it apart added {short(max(0.0, recording))} ms, "
            "which is in the layers' shares."
        )
    return said


def parts(results: Sequence[Found], made: str) -> dict[str, str]:
    """What goes between which markers of the page."""
    text = (
        conditions(made),
        image(PICTURE, "Where the time goes"),
        grid(results).markdown(),
        "\n".join(f"* {sentence}" for sentence in sentences(results)),
    )
    return {"anatomy": "\n\n".join(text)}


def picture(results: Sequence[Found]) -> bytes:
    """Stacked bars: wall and CPU time of each job, by layer."""
    drawn = Picture(figsize=(9, 3.6), layout="constrained")
    axes = drawn.add_subplot()
    bars = []
    for found in results:
        taken = shares(found)
        bars += [(found.job.name, taken.wall), (f"daemon CPU of {found.job.name}", taken.cpu)]
    lefts = [0.0] * len(bars)
    colours = (*COLOURS, "#f472b6", "#a16207")
    for layer, colour in zip(Layer, colours, strict=True):
        widths = [by_layer[layer] for _, by_layer in bars]
        axes.barh(range(len(bars)), widths, 0.6, lefts, color=colour, label=NAMES[layer])
        lefts = [left + width for left, width in zip(lefts, widths, strict=True)]
    axes.set_yticks(range(len(bars)), [name for name, _ in bars])
    axes.invert_yaxis()
    axes.set_xlabel("milliseconds", fontsize=8)
    plain(axes)
    drawn.legend(frameon=False, fontsize=8, loc="outside lower center", ncols=3)
    return png(drawn)
