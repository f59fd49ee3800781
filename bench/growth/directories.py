"""Directories of 100, 10,000 and 100,000 entries: does an entry cost more in a larger one?"""

from __future__ import annotations

import os
import random
import statistics
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

from bench.growth.ground import PREFIX, Ground, resident_mib, spent
from bench.growth.judgement import costs_no_more, grows_gently
from bench.growth.point import At, Judgement, Point, Scale, Topic, lines
from bench.mounts import Mounted
from bench.sparse_catalog import Objects
from phfs.bench.scenario import KIB, MEBIBYTES, MILLISECONDS, NAMES_PER_SECOND
from phfs.bench.wrong import expect

COUNTS = tuple(At(number, f"{number:,}") for number in (100, 10_000, 100_000))
FILE = 4 * KIB

COLD_NAME = "lookup of a cold name"
RANDOM_STAT = "stat in random order"

STALE_SECONDS = 1.2
"""After which the default TTL is over."""


def _measure(ground: Ground, scale: Scale) -> Iterator[Point]:
    for at in COUNTS:
        names = [f"{number:06}" for number in range(int(at.number))]
        # Nothing is remembered or listed ahead, so that every name is a question of its own.
        with ground.mounted("--metadata-ttl=0") as mount:
            some = _sample(mount.path / _directory(at), names, scale.pick(100, 50))
            yield _each(mount, COLD_NAME, at, some)
        with ground.mounted() as mount:
            yield from _default(mount, mount.path / _directory(at), at, names, scale)


def _default(
    mount: Mounted, directory: Path, at: At, names: Sequence[str], scale: Scale
) -> Iterator[Point]:
    """What is done with a directory of a mount as it is by default."""
    before = resident_mib(mount)
    with spent(mount) as cost:
        _first_entry(directory)
    value = MILLISECONDS.value(1, cost.seconds)
    yield Point("first entry", at, MILLISECONDS, value, 1, cost.cpu, cost.peak_mib)
    for line, work in (("ls", _list), ("ls -l", _list_long)):
        time.sleep(STALE_SECONDS)
        with spent(mount) as cost:
            came = work(directory)
        expect("entries", len(names), came)
        value = NAMES_PER_SECOND.value(came, cost.seconds)
        yield Point(line, at, NAMES_PER_SECOND, value, came, cost.cpu, cost.peak_mib)
    time.sleep(STALE_SECONDS)
    yield _each(mount, RANDOM_STAT, at, _sample(directory, names, scale.pick(1000, 200)))
    after = resident_mib(mount)
    if before is not None and after is not None:
        yield Point("memory kept", at, MEBIBYTES, after - before)


def _sample(directory: Path, names: Sequence[str], most: int) -> list[Path]:
    """Names in random order."""
    return [directory / name for name in random.Random(0).sample(names, min(len(names), most))]


def _each(mount: Mounted, line: str, at: At, paths: Sequence[Path]) -> Point:
    laps = []
    with spent(mount) as cost:
        for path in paths:
            begin = time.perf_counter()
            size = path.stat().st_size
            laps.append(time.perf_counter() - begin)
            expect("bytes of a file", FILE, size)
    value = MILLISECONDS.value(1, statistics.median(laps))
    return Point(line, at, MILLISECONDS, value, len(laps), cost.cpu, cost.peak_mib)


def _first_entry(directory: Path) -> None:
    with os.scandir(directory) as entries:
        next(entries)


def _list(directory: Path) -> int:
    return len(os.listdir(directory))


def _list_long(directory: Path) -> int:
    with os.scandir(directory) as entries:
        return sum(entry.stat().st_size == FILE for entry in entries)


def _directory(at: At) -> str:
    return f"entries-{int(at.number)}"


def _judge(points: Sequence[Point]) -> list[Judgement]:
    # Memory is kept for each entry: it is shown, and grows with their number. What is known and
    # what has to be asked for are two prices, so a stat is compared with the higher one.
    judged = [point for point in points if point.unit is not MEBIBYTES]
    known = lines(judged)
    return [
        *grows_gently([point for point in judged if point.line != RANDOM_STAT]),
        *costs_no_more(known.get(RANDOM_STAT, []), known.get(COLD_NAME, [])),
    ]


TOPIC = Topic(
    "directories",
    "Directories of different size",
    "entries of the directory",
    "names and attributes: all that the mount has learned before is older than its TTL",
    lambda _: [Objects(f"{PREFIX}{_directory(at)}/", int(at.number), FILE) for at in COUNTS],
    _measure,
    _judge,
)
