"""Memory limits of 64, 128 and 512 MiB: what is really resident, and what speed is left?"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

from bench.growth.ground import PREFIX, Ground, spent
from bench.growth.judgement import BESIDE_LIMIT, is_bounded
from bench.growth.large import read_all, write_all
from bench.growth.point import At, Point, Scale, Topic
from bench.sparse_catalog import Objects
from phfs.bench.scenario import GIB, MB_PER_SECOND

LIMITS = tuple(At(mib, f"{mib} MiB") for mib in (64, 128, 512))


class _Load(NamedTuple):
    """So many files at once, read or written."""

    line: str
    number: int
    work: Callable[[list[Path], int], int]
    directory: str


READERS = (
    _Load("1 reader", 1, read_all, "read-1"),
    _Load("16 readers", 16, read_all, "read-16"),
    _Load("64 readers", 64, read_all, "read-64"),
    _Load("64 readers of the beginning", 64, read_all, "read-beginning"),
)
WRITERS = (
    _Load("1 writer", 1, write_all, "write-1"),
    _Load("16 writers", 16, write_all, "write-16"),
)


def _objects(scale: Scale) -> list[Objects]:
    *whole, beginning = READERS
    return [
        # As large as what is read: nothing is fetched ahead in vain.
        *(Objects(_prefix(load), load.number, _total(scale) // load.number) for load in whole),
        # Much larger: all that is fetched ahead when the readers stop was in vain.
        Objects(_prefix(beginning), beginning.number, 4 * GIB),
    ]


def _prefix(load: _Load) -> str:
    return f"{PREFIX}{load.directory}/"


def _measure(ground: Ground, scale: Scale) -> Iterator[Point]:
    total = _total(scale)
    for load in (*READERS, *WRITERS):
        for at in LIMITS:
            with ground.mounted(f"--memory-limit={int(at.number)}") as mount:
                directory = mount.path / load.directory
                directory.mkdir(exist_ok=True)
                files = [directory / f"{index:06}" for index in range(load.number)]
                error = ""
                with spent(mount) as cost:
                    try:
                        amount = load.work(files, total // load.number)
                    except OSError as refused:  # too little memory for so many files
                        amount, error = 0, refused.strerror or str(refused)
                value = None if error else MB_PER_SECOND.value(amount, cost.seconds)
                yield Point(
                    load.line, at, MB_PER_SECOND, value, total, cost.cpu, cost.peak_mib, error
                )


def _total(scale: Scale) -> int:
    return scale.pick(2 * GIB, GIB // 2)


TOPIC = Topic(
    "limits",
    "Memory limits",
    "--memory-limit",
    "everything: the mount has just started",
    _objects,
    _measure,
    is_bounded,
    lambda at: at.number + BESIDE_LIMIT,
)
