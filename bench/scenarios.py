"""What is done to the mount, and the same work without one.

Owns the scenarios: each prepares its objects once and gives two functions that do the same amount
of work. Called by ``bench/__main__``.
"""

from __future__ import annotations

import os
import random
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

from bench.subjects import MIB, Floor

KIB = 1024


class Scenario(NamedTuple):
    """``amount`` of ``unit`` is done by ``mount(path)`` and by ``floor()``; ``target`` is the least
    ratio mount/floor, as speeds, that is wanted."""

    name: str
    amount: float
    unit: str
    target: float
    mount: Callable[[Path], None]
    floor: Callable[[], None]


def scenarios(floor: Floor, scratch: Path, *, quick: bool) -> Iterator[Scenario]:
    """All scenarios; ``scratch`` is a local directory for the floor's uploads."""
    yield from _large(floor, scratch, 256 if quick else 1024)
    yield _random(floor, 100 if quick else 400)
    yield from _small(floor, 200 if quick else 1000)
    yield _listing(floor, 1000 if quick else 5000)


def _cold(path: Path) -> int:
    """Open a file none of whose pages are in the kernel's cache."""
    descriptor = os.open(path, os.O_RDONLY)
    os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_DONTNEED)
    return descriptor


def _read(path: Path) -> None:
    buffer = bytearray(MIB)
    descriptor = _cold(path)
    try:
        while os.readv(descriptor, [buffer]):
            pass
    finally:
        os.close(descriptor)


def _write(path: Path, chunk: bytes, count: int) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
    for _ in range(count):
        os.write(descriptor, chunk)
    os.close(descriptor)


def _large(floor: Floor, scratch: Path, mib: int) -> Iterator[Scenario]:
    chunk = random.Random(1).randbytes(MIB)
    source = scratch / "large"
    with source.open("wb") as file:
        for _ in range(mib):
            file.write(chunk)
    names = [f"large-{number}" for number in range(4)]
    for name in names:
        floor.upload(name, source)

    def four(root: Path) -> None:
        with ThreadPoolExecutor(4) as pool:
            list(pool.map(lambda name: _read(root / name), names))

    def floor_four() -> None:
        for name in names:
            floor.read(name, mib * MIB)

    yield Scenario(
        "sequential read, 1 stream",
        mib,
        "MB/s",
        0.5,
        lambda root: _read(root / names[0]),
        lambda: floor.read(names[0], mib * MIB),
    )
    yield Scenario("sequential read, 4 streams", 4 * mib, "MB/s", 0.5, four, floor_four)
    yield Scenario(
        "sequential write, 1 stream",
        mib,
        "MB/s",
        1.0,
        lambda root: _write(root / "written", chunk, mib),
        lambda: floor.upload("written-floor", source),
    )


def _random(floor: Floor, reads: int) -> Scenario:
    size = 64 * MIB
    floor.put("random", random.Random(2).randbytes(size))
    offsets = random.Random(3).sample(range(0, size - 4096, 4096), reads)

    def mount(root: Path) -> None:
        descriptor = _cold(root / "random")
        for offset in offsets:
            assert len(os.pread(descriptor, 4096, offset)) == 4096
        os.close(descriptor)

    def bare() -> None:
        for offset in offsets:
            floor.client.get_object(
                Bucket=floor.bucket,
                Key="groups/bench/random",
                Range=f"bytes={offset}-{offset + 4095}",
            )["Body"].read()

    return Scenario("random read of 4 KiB", reads, "1/s", 0.6, mount, bare)


def _small(floor: Floor, count: int) -> Iterator[Scenario]:
    data = random.Random(4).randbytes(100 * KIB)
    names = [f"small/{number:05}" for number in range(count)]
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda name: floor.put(name, data), names))

    def read_all(root: Path) -> None:
        for name in names:
            descriptor = _cold(root / name)
            assert len(os.read(descriptor, 200 * KIB)) == 100 * KIB
            os.close(descriptor)

    def write_all(root: Path) -> None:
        (root / "made").mkdir(exist_ok=True)
        for number in range(count):
            (root / "made" / str(number)).write_bytes(data[: 16 * KIB])

    def get_all() -> None:
        for name in names:
            assert floor.get(name) == 100 * KIB

    def put_all() -> None:
        for number in range(count):
            floor.put(f"made-floor/{number}", data[: 16 * KIB])

    yield Scenario("100 KiB files read in order", count, "1/s", 0.8, read_all, get_all)
    yield Scenario("16 KiB files written", count, "1/s", 0.45, write_all, put_all)


def _listing(floor: Floor, count: int) -> Scenario:
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda number: floor.put(f"many/{number:05}", b"x"), range(count)))

    def list_all(root: Path) -> None:
        with os.scandir(root / "many") as entries:
            assert sum(1 for entry in entries if entry.stat().st_size == 1) == count

    def pages() -> None:
        assert floor.list("many/") == count

    return Scenario("listing with attributes", count, "1/s", 0.5, list_all, pages)
