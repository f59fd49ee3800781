"""What --part-size, --metadata-ttl and --memory-limit cost and bring."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from pathlib import Path

from bench.growth.ground import PREFIX, Cost, Ground, spent
from bench.growth.large import read_all, write_all
from bench.growth.point import At, Point, Scale, Topic
from bench.sparse_catalog import Objects
from phfs.bench.scenario import FILES_PER_SECOND, GIB, KIB, MB_PER_SECOND, MIB
from phfs.bench.wrong import expect

PART_SIZES = tuple(At(mib, f"{mib} MiB") for mib in (5, 8, 32))
TTLS = tuple(At(seconds, f"{seconds} s") for seconds in (0, 1, 60))
LIMITS = tuple(At(mib, f"{mib} MiB") for mib in (64, 128, 512))

ROUND_TRIP = 0.010
"""Seconds of the link over which a knob against waiting is turned."""

SMALL = 100 * KIB
SECOND_PASS_SECONDS = 1.5
"""After the first: what is believed for a second is believed no longer."""


def _part_sizes(ground: Ground, scale: Scale) -> Iterator[Point]:
    for at in PART_SIZES:
        for line, number in (("1 writer", 1), ("4 writers", 4)):
            with ground.mounted(f"--part-size={int(at.number)}") as mount:
                files = [mount.path / f"part-{at.number}-{index}" for index in range(number)]
                with spent(mount) as cost:
                    done = write_all(files, scale.pick(2 * GIB, GIB // 2) // number)
            yield _rate(line, at, done, cost)


def _ttls(ground: Ground, scale: Scale) -> Iterator[Point]:
    url = ground.link(ROUND_TRIP)
    count = scale.pick(400, 100)
    for at in TTLS:
        with ground.mounted(f"--metadata-ttl={int(at.number)}", endpoint_url=url) as mount:
            files = [mount.path / "ttl" / f"{index:06}" for index in range(count)]
            for line in ("read for the first time", "read again, 1.5 s later"):
                with spent(mount) as cost:
                    for file in files:
                        expect("bytes read", SMALL, _read_small(file))
                value = FILES_PER_SECOND.value(count, cost.seconds)
                yield Point(line, at, FILES_PER_SECOND, value, count, cost.cpu, cost.peak_mib)
                time.sleep(SECOND_PASS_SECONDS)


def _read_small(file: Path) -> int:
    descriptor = os.open(file, os.O_RDONLY)
    try:
        return len(os.read(descriptor, 2 * SMALL))
    finally:
        os.close(descriptor)


def _limits(ground: Ground, scale: Scale) -> Iterator[Point]:
    url = ground.link(ROUND_TRIP)
    for at in LIMITS:
        for number in (1, 16):
            directory = f"far-{number}"
            with ground.mounted(f"--memory-limit={int(at.number)}", endpoint_url=url) as mount:
                files = [mount.path / directory / f"{index:06}" for index in range(number)]
                with spent(mount) as cost:
                    came = read_all(files, _far_total(scale) // number)
            yield _rate(f"{number} reader{'s' if number > 1 else ''}", at, came, cost)


def _far_objects(scale: Scale) -> list[Objects]:
    return [
        Objects(f"{PREFIX}far-{number}/", number, _far_total(scale) // number) for number in (1, 16)
    ]


def _far_total(scale: Scale) -> int:
    return scale.pick(1024, 256) * MIB


def _rate(line: str, at: At, amount: int, cost: Cost) -> Point:
    value = MB_PER_SECOND.value(amount, cost.seconds)
    return Point(line, at, MB_PER_SECOND, value, amount, cost.cpu, cost.peak_mib)


TOPICS = (
    Topic(
        "part-size",
        "The size of parts",
        "--part-size",
        "everything: the mount has just started",
        lambda _: [],
        _part_sizes,
    ),
    Topic(
        "metadata-ttl",
        "How long names are believed, over a link of 10 ms",
        "--metadata-ttl",
        "the first time everything; again: pages are still in the kernel's cache",
        lambda scale: [Objects(f"{PREFIX}ttl/", scale.pick(400, 100), SMALL)],
        _ttls,
    ),
    Topic(
        "memory-limit",
        "The memory limit, over a link of 10 ms",
        "--memory-limit",
        "everything: the mount has just started",
        _far_objects,
        _limits,
    ),
)
