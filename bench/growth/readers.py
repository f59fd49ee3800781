"""1 to 64 files read at the same time: how far does the rate fall, and what do they hold?"""

from __future__ import annotations

from collections.abc import Iterator

from bench.growth.ground import PREFIX, Ground, spent
from bench.growth.judgement import BESIDE_LIMIT, holds_up, is_bounded
from bench.growth.large import read_all
from bench.growth.point import At, Point, Scale, Topic
from bench.sparse_catalog import Objects
from phfs.bench.scenario import GIB, MB_PER_SECOND

COUNTS = (At(1, "1 reader"), *(At(number, f"{number} readers") for number in (4, 16, 64)))

LINE = "each its own file"

LIMIT_MIB = 512
"""The default, where no container has less."""


def _objects(scale: Scale) -> list[Objects]:
    # As large as what is read: nothing is fetched ahead in vain.
    return [
        Objects(f"{PREFIX}{_directory(at)}/", int(at.number), _total(scale) // int(at.number))
        for at in COUNTS
    ]


def _measure(ground: Ground, scale: Scale) -> Iterator[Point]:
    for at in COUNTS:
        number = int(at.number)
        with ground.mounted(f"--memory-limit={LIMIT_MIB}") as mount:
            files = [mount.path / _directory(at) / f"{index:06}" for index in range(number)]
            with spent(mount) as cost:
                came = read_all(files, _total(scale) // number)
            value = MB_PER_SECOND.value(came, cost.seconds)
            yield Point(LINE, at, MB_PER_SECOND, value, came, cost.cpu, cost.peak_mib)


def _total(scale: Scale) -> int:
    return scale.pick(4 * GIB, GIB)


def _directory(at: At) -> str:
    return f"readers-{int(at.number)}"


TOPIC = Topic(
    "readers",
    "Readers at the same time",
    "files read at the same time, each from the start",
    "everything: the mount has just started",
    _objects,
    _measure,
    lambda points: [*holds_up(points), *is_bounded(points, lambda _: LIMIT_MIB)],
    lambda _: LIMIT_MIB + BESIDE_LIMIT,
)
