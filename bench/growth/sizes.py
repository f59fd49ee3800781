"""Objects of 1 MiB, 100 MiB and 10 GiB: does a byte cost more in a larger one?"""

from __future__ import annotations

import os
import random
import statistics
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from threading import Event

from bench.growth.ground import PREFIX, Cost, Ground, spent
from bench.growth.judgement import grows_gently
from bench.growth.large import read, write
from bench.growth.point import At, Point, Scale, Topic
from bench.mounts import Mounted
from bench.sparse_catalog import Objects
from phfs.bench.cold import open_cold
from phfs.bench.scenario import GIB, KIB, MB_PER_SECOND, MIB, MILLISECONDS
from phfs.bench.wrong import expect

HUGE = At(10 * GIB, "10 GiB")
SIZES = (At(MIB, "1 MiB"), At(100 * MIB, "100 MiB"), HUGE)
FILES = 64
"""Objects of each size."""

PAGE = 4 * KIB
SOME_SECONDS = 1.2
"""After which the default TTL is over."""


def _measure(ground: Ground, scale: Scale) -> Iterator[Point]:
    for at in SIZES:
        with ground.mounted() as mount:
            directory = mount.path / _directory(at)
            files = [directory / name for name in sorted(os.listdir(directory))]
            yield _latency(mount, "first byte", at, files, scale, _first_byte)
            time.sleep(SOME_SECONDS)
            yield _latency(mount, "random 4 KiB", at, files, scale, _random_page)
            time.sleep(SOME_SECONDS)
            yield _read(mount, at, files, scale)
    for at in scale.pick(SIZES, (*SIZES[:2], At(GIB, "1 GiB"))):
        with ground.mounted() as mount:
            yield _write(mount, at, scale)


def _read(mount: Mounted, at: At, files: Sequence[Path], scale: Scale) -> Point:
    size = int(at.number)
    spans = [range(size)]
    if at is HUGE and scale.quick:
        spans = [range(2 * GIB), range(size - GIB // 4, size)]
    with spent(mount) as cost:
        came = sum(read(file, spans, Event()) for file in files[: _number(at, scale)])
    return _rate("sequential read", at, came, cost)


def _write(mount: Mounted, at: At, scale: Scale) -> Point:
    size, number = int(at.number), _number(at, scale)
    directory = mount.path / f"written-{size}"
    directory.mkdir()
    with spent(mount) as cost:
        done = sum(write(directory / str(index), size, Event()) for index in range(number))
    expect("bytes written", number * size, done)
    return _rate("sequential write", at, done, cost)


def _rate(line: str, at: At, amount: int, cost: Cost) -> Point:
    value = MB_PER_SECOND.value(amount, cost.seconds)
    return Point(line, at, MB_PER_SECOND, value, amount, cost.cpu, cost.peak_mib)


def _latency(
    mount: Mounted,
    line: str,
    at: At,
    files: Sequence[Path],
    scale: Scale,
    once: Callable[[Path, int], float],
) -> Point:
    """The median of ``once``, on files in any order."""
    chance = random.Random(0)
    order = chance.sample(files, scale.pick(FILES, FILES // 2))
    with spent(mount) as cost:
        laps = [once(file, chance.randrange(int(at.number) // PAGE) * PAGE) for file in order]
    value = MILLISECONDS.value(1, statistics.median(laps))
    return Point(line, at, MILLISECONDS, value, len(laps), cost.cpu, cost.peak_mib)


def _first_byte(file: Path, _place: int) -> float:
    begin = time.perf_counter()
    descriptor = os.open(file, os.O_RDONLY)
    came = len(os.read(descriptor, 1))
    lap = time.perf_counter() - begin
    os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_DONTNEED)
    os.close(descriptor)
    expect("bytes read", 1, came)
    return lap


def _random_page(file: Path, place: int) -> float:
    descriptor = open_cold(file)
    begin = time.perf_counter()
    came = len(os.pread(descriptor, PAGE, place))
    lap = time.perf_counter() - begin
    os.close(descriptor)
    expect("bytes read", PAGE, came)
    return lap


def _number(at: At, scale: Scale) -> int:
    """How many files of a size are read and written, one after the other."""
    return max(1, min(FILES, scale.pick(400, 100) * MIB // int(at.number)))


def _directory(at: At) -> str:
    return f"size-{int(at.number)}"


TOPIC = Topic(
    "sizes",
    "Objects of different size",
    "size of the object",
    "the file: nobody has read it before, except that sequential reads come after the single ones "
    "(its pages are dropped, connections are warm)",
    lambda _: [Objects(f"{PREFIX}{_directory(at)}/", FILES, int(at.number)) for at in SIZES],
    _measure,
    grows_gently,
)
