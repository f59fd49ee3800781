"""What a mount may use, and what happens at the bound: memory, threads, requests that wait."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack, closing, suppress
from functools import partial
from pathlib import Path
from typing import NamedTuple

import pytest

from bench.link import Link
from tests.real.conftest import MountWith, new_place
from tests.support.contained import ContainedMount
from tests.support.crowd import (
    MIB,
    PATIENT,
    at_once,
    content,
    explaining,
    read_file,
    write_file,
)
from tests.support.effort import Effort
from tests.support.minio import Keys, MinioServer, s3_client
from tests.support.mounted import Mounted, Place
from tests.support.processes import poll_until
from tests.support.radosgw import RadosGateway
from tests.support.vitals import vitals

pytestmark = pytest.mark.real

RESIDENT_BEYOND = 100
"""MiB of resident memory a mount may have beyond its limit."""


def crowd(mounted: Mounted | ContainedMount, readers: int, writers: int, size: int) -> None:
    """So many readers of ``in-<n>`` and writers of ``out-<n>`` at once; each must succeed."""
    path = mounted.path
    reading = [partial(read_file, path / f"in-{number}", size) for number in range(readers)]
    writing = [partial(write_file, path / f"out-{number}", size) for number in range(writers)]
    with explaining(mounted):
        at_once([*reading, *writing])
    assert mounted.errors() == []


def fill(minio: MinioServer, place: Place, readers: int, size: int) -> None:
    """Put what the readers read."""
    with closing(s3_client(minio.endpoint_url, minio.access_key, minio.secret_key)) as s3:
        for number in range(readers):
            name = f"in-{number}"
            body = content(name, size)
            s3.put_object(Bucket=place.bucket, Key=place.prefix + name, Body=body)


def check(minio: MinioServer, place: Place, writers: int, size: int) -> None:
    """Look at what the writers wrote, from outside."""
    with closing(s3_client(minio.endpoint_url, minio.access_key, minio.secret_key)) as s3:
        for number in range(writers):
            name = f"out-{number}"
            found = s3.get_object(Bucket=place.bucket, Key=place.prefix + name)["Body"].read()
            assert found == content(name, size), name


@pytest.mark.torture
def test_sixty_four_readers_and_writers_on_a_slow_link(
    minio: MinioServer, mount_with: MountWith, effort: Effort
) -> None:
    size = effort.of(quick=6, long=32) * MIB
    rate = effort.of(quick=120e6, long=60e6)
    place = new_place(minio)
    fill(minio, place, 64, size)
    address = minio.endpoint_url.removeprefix("http://")
    with Link(address, round_trip=0.02, bytes_per_second=rate) as link:
        mounted = mount_with(
            "--memory-limit=512", *PATIENT, place=place._replace(endpoint_url=link.endpoint_url)
        )
        crowd(mounted, 64, 64, size)
        status = mounted.status()
        found = vitals(status["pid"])
        mounted.stop()
    check(minio, place, 64, size)
    effort.record(
        "64 readers and 64 writers on a slow link",
        file_mib=size / MIB,
        link_mb_per_second=rate / 1e6,
        limit_mib=512,
        budget_peak_mib=round(status["memory"]["peak_bytes"] / MIB),
        resident_peak_mib=round(found.peak),
    )
    assert status["memory"]["peak_bytes"] <= 512 * MIB
    assert found.peak < 512 + RESIDENT_BEYOND


@pytest.mark.torture
def test_sixty_four_readers_and_sixteen_writers_in_256_mib(
    minio: MinioServer, tmp_path: Path, effort: Effort
) -> None:
    size = effort.of(quick=6, long=64) * MIB
    place = new_place(minio)
    fill(minio, place, 64, size)
    with closing(ContainedMount(place, tmp_path, memory_mib=256, options=PATIENT)) as mounted:
        limit = mounted.status()["limits"]["memory_limit_bytes"] / MIB
        assert limit == 128
        crowd(mounted, 64, 16, size)
        found = vitals(mounted.pid)
        kills, group_peak = mounted.oom_kills(), mounted.peak_mib()
    check(minio, place, 16, size)
    effort.record(
        "64 readers and 16 writers in a container of 256 MiB",
        file_mib=size / MIB,
        limit_mib=limit,
        resident_peak_mib=round(found.peak),
        container_peak_mib=round(group_peak),
        oom_kills=kills,
    )
    assert kills == 0
    assert found.peak < limit + RESIDENT_BEYOND


def test_more_half_written_files_than_fit_are_an_error_that_says_so(mount_with: MountWith) -> None:
    mounted = mount_with("--memory-limit=64", *PATIENT)
    paths = [mounted.path / f"half-{number}" for number in range(20)]
    files = [path.open("wb", buffering=0) for path in paths]
    refused = None
    try:
        for _ in range(4):
            for file in files:
                file.write(bytes(MIB))
    except OSError as error:
        refused = error.errno
    assert refused is not None
    told = mounted.errors()[0]
    assert (told["errno"], refused) == ("ENOMEM", errno.ENOMEM), told
    assert "held by files that are open and not yet large enough to be sent" in told["why"]
    assert "--memory-limit" in told["advice"]
    # Whoever closes some can go on with others.
    for file in files[:15]:
        with suppress(OSError):  # of the one whose write was refused
            file.close()
    with explaining(mounted):
        (mounted.path / "next").write_bytes(bytes(12 * MIB))
        for file in files[15:]:
            file.close()
    assert mounted.get("next") == bytes(12 * MIB)
    assert mounted.status()["memory"]["used_bytes"] < 64 * MIB


# -- a store that hangs --------------------------------------------------------------------------

ASKING = 100
READING = 10
SIZE = MIB
BUSY = 64 * 3
"""Threads and sockets a mount may have, however many requests wait."""

IN_TIME = 120.0
"""Seconds in which a loaded machine has done what takes an idle one a few."""

Hang = Callable[..., "Hanging"]


class Hanging(NamedTuple):
    """A mount, what many programs do with it at once, and its store, which hangs."""

    mounted: Mounted
    programs: list[Future[object]]
    gateway: RadosGateway


@pytest.fixture
def hang(radosgw: RadosGateway, tmp_path: Path) -> Iterator[Hang]:
    """Makes a mount with the options, whose store hangs while many programs ask for something."""
    keys = Keys(radosgw.access_key, radosgw.secret_key)
    place = Place(radosgw.endpoint_url, radosgw.new_bucket(), "lab", keys)
    with ExitStack() as cleaning:
        s3 = cleaning.enter_context(closing(s3_client(radosgw.endpoint_url, *keys)))

        def make(*options: str, readers: int) -> Hanging:
            for number in range(READING):
                body = content(f"in-{number}", SIZE)
                s3.put_object(Bucket=place.bucket, Key=f"{place.prefix}in-{number}", Body=body)
            for number in range(ASKING):
                s3.put_object(Bucket=place.bucket, Key=f"{place.prefix}dir-{number}/file", Body=b"")
            mounted = Mounted(place, s3, tmp_path, ["--metadata-ttl=600", *options])
            cleaning.callback(mounted.stop)
            path = mounted.path
            poll_until(lambda: lists(path), IN_TIME, lambda: f"{mounted.errors()}")
            # In one directory the kernel would let only one of them through at a time.
            asking = [partial(os.stat, path / f"dir-{number}" / "file") for number in range(ASKING)]
            reading = [partial(read_file, path / f"in-{number}", SIZE) for number in range(readers)]
            waiting: list[Callable[[], object]] = [*asking, *reading]
            pool = cleaning.enter_context(ThreadPoolExecutor(len(waiting)))
            cleaning.callback(radosgw.thaw)
            radosgw.freeze()
            return Hanging(mounted, [pool.submit(each) for each in waiting], radosgw)

        yield make


def lists(path: Path) -> bool:
    """Whether the directory can be listed, and the listing is complete."""
    with suppress(OSError):
        return len(os.listdir(path)) == READING + ASKING
    return False


def reads(path: Path) -> bool:
    """Whether the file can be read; a loaded machine may need longer than the short deadline."""
    with suppress(OSError):
        read_file(path, SIZE)
        return True
    return False


def test_requests_that_wait_stop_nothing_else(hang: Hang) -> None:
    mounted, programs, gateway = hang(*PATIENT, readers=READING)
    path, pid = mounted.path, mounted.status()["pid"]
    poll_until(lambda: vitals(pid).sockets > 64, IN_TIME, lambda: f"{vitals(pid)}")
    with explaining(mounted):
        assert (path / "in-7").stat().st_size == SIZE
        with (path / "in-7").open("rb"):
            pass  # close(2) sends a flush
    busy = vitals(pid)
    assert not any(it.done() for it in programs), "these were answered while others waited"
    assert busy.threads < BUSY
    assert busy.sockets < BUSY
    gateway.thaw()
    with explaining(mounted):
        for program in programs:
            program.result(IN_TIME)


def test_requests_that_wait_too_long_are_an_error(hang: Hang) -> None:
    mounted, programs, gateway = hang("--timeout=2", "--retry-deadline=5", readers=0)
    for program in programs:
        with pytest.raises(OSError, match="Input/output error"):
            program.result(IN_TIME)
    gateway.thaw()
    path = mounted.path / "in-7"
    poll_until(lambda: reads(path), IN_TIME, lambda: f"{mounted.errors()}")
