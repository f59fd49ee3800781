"""Two mounts and an S3 client write and read the same objects: nothing is mixed, nothing is lost.

Every content is written once, so that whatever is read or stored can be told. How old an answer may
be is judged on a virtual clock (``tests/model/test_two_mounts``); here that both agree in the end.
"""

from __future__ import annotations

import errno
import os
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from random import Random
from typing import NamedTuple

import pytest

from tests.model.commands import content
from tests.real.conftest import MountWith, new_place
from tests.support.effort import Effort
from tests.support.minio import MinioServer
from tests.support.mounted import Mounted

pytestmark = [pytest.mark.real, pytest.mark.torture]

NAMES = ("f", "g")
SIZES = (100, 70_000, 300_000, 2_000_000)
PIECE = 50_000
"""Bytes of a read, so that a file is read in many."""

PATIENCE = 60.0
"""Seconds until what the last writer left must be seen, on a machine that does other things."""


class Write(NamedTuple):
    """When a content was on its way to the bucket, until its writer was told it is there."""

    begun: float
    ended: float | None


class Record:
    """Everything that was written, by content."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._writes: dict[bytes, Write] = {}
        self._serial = 0
        self.over = threading.Event()
        self.reads = self.closes = self.stale = 0

    def begin(self, random: Random) -> bytes:
        """A content nobody else writes."""
        with self._lock:
            self._serial += 1
            data = content(self._serial, random.choice(SIZES))
            self._writes[data] = Write(time.monotonic(), None)
        return data

    def end(self, data: bytes) -> None:
        """Its writer was told that it is in the bucket."""
        with self._lock:
            self._writes[data] = self._writes[data]._replace(ended=time.monotonic())

    def check_whole(self, data: bytes, where: str) -> None:
        """The bytes are what somebody wrote, all of it."""
        with self._lock:
            assert data in self._writes, f"{where}: {len(data)} bytes of no version: {data[:20]!r}"

    def check_not_lost(self, data: bytes, found: bytes, where: str) -> None:
        """What is there is ``data``, or was not there before ``data`` was begun."""
        with self._lock:
            other = self._writes[found]
            own = self._writes[data]
        later = other.ended is None or other.ended > own.begun
        assert found == data or later, f"{where}: an acknowledged write was lost"


def tolerating(*numbers: int) -> Callable[[OSError], None]:
    """Passes over these errnos and raises others."""

    def check(error: OSError) -> None:
        if error.errno not in numbers:
            raise error

    return check


def write(mounted: Mounted, record: Record, random: Random, rounds: int) -> None:
    """A program that writes whole files on a mount; another on the same mount may be in the way."""
    for _ in range(rounds):
        name = random.choice(NAMES)
        data = record.begin(random)
        try:
            with (mounted.path / name).open("wb", buffering=random.choice((0, PIECE))) as file:
                for start in range(0, len(data), PIECE):
                    file.write(data[start : start + PIECE])
        except OSError as error:
            tolerating(errno.EBUSY, errno.ESTALE)(error)
            continue
        record.end(data)
        record.check_not_lost(data, mounted.get(name), name)
        record.closes += 1


def put(mounted: Mounted, record: Record, random: Random, rounds: int) -> None:
    """Somebody who knows no mount."""
    for _ in range(rounds):
        data = record.begin(random)
        mounted.put(random.choice(NAMES), data)
        record.end(data)
        time.sleep(random.random() / 20)


def read(mounted: Mounted, record: Record, random: Random) -> None:
    """A program that reads whole files in pieces until the writers are done."""
    while not record.over.is_set():
        name = random.choice(NAMES)
        try:
            data = in_pieces(mounted.path / name)
        except OSError as error:
            tolerating(errno.EBUSY, errno.ESTALE)(error)
            record.stale += 1
            continue
        record.check_whole(data, name)
        record.reads += 1


def in_pieces(path: Path) -> bytes:
    fd = os.open(path, os.O_RDONLY)
    try:
        data = bytearray()
        while piece := os.pread(fd, PIECE, len(data)):
            data += piece
        return bytes(data)
    finally:
        os.close(fd)


def agree(mounted: Mounted, name: str) -> None:
    """The mount comes to show what is in the bucket."""
    give_up = time.monotonic() + PATIENCE
    while True:
        try:
            if in_pieces(mounted.path / name) == mounted.get(name):
                return
        except OSError as error:
            tolerating(errno.EBUSY, errno.ESTALE)(error)
        assert time.monotonic() < give_up, f"{name} is not what is in the bucket"
        time.sleep(0.05)


@pytest.mark.parametrize("ttl", [0, 1])
def test_two_mounts_and_an_s3_client(
    minio: MinioServer, mount_with: MountWith, ttl: int, effort: Effort
) -> None:
    place = new_place(minio)
    mounts = [mount_with(f"--metadata-ttl={ttl}", place=place) for _ in range(2)]
    record, rounds = Record(), effort.of(quick=12, long=400)
    randoms = map(Random, range(100))
    for name in NAMES:
        data = record.begin(next(randoms))
        mounts[0].put(name, data)
        record.end(data)
    with ThreadPoolExecutor(max_workers=16) as pool:
        readers = [pool.submit(read, m, record, next(randoms)) for m in mounts * 2]
        writers = [pool.submit(write, m, record, next(randoms), rounds) for m in mounts * 2]
        writers.append(pool.submit(put, mounts[0], record, next(randoms), rounds))
        try:
            for writer in writers:
                writer.result()
        finally:
            record.over.set()
        for reader in readers:
            reader.result()
    for mounted in mounts:
        for name in NAMES:
            record.check_whole(mounted.get(name), name)
            agree(mounted, name)
    assert record.closes
    assert record.reads
    effort.record(
        f"two real mounts and an S3 client ttl {ttl} s",
        closes=record.closes,
        reads=record.reads,
        refused_or_stale=record.stale,
    )
