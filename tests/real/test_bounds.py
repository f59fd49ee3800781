"""What a mount may use, and what happens at the bound: memory, threads, requests that wait."""

from __future__ import annotations

import errno
import os
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, suppress
from functools import partial
from pathlib import Path

import pytest

from bench.link import Link
from tests.real.conftest import MountWith, new_place
from tests.support.contained import ContainedMount
from tests.support.crowd import MIB, at_once, content, read_file, write_file
from tests.support.effort import Effort
from tests.support.minio import Keys, MinioServer, s3_client
from tests.support.mounted import Mounted, Place
from tests.support.processes import poll_until
from tests.support.radosgw import RadosGateway
from tests.support.vitals import vitals

pytestmark = pytest.mark.real

PATIENT = ("--timeout=60", "--retry-deadline=300")
"""What is at stake here is memory, not how long a loaded machine takes."""

RESIDENT_BEYOND = 100
"""MiB of resident memory a mount may have beyond its limit."""


def crowd(path: Path, readers: int, writers: int, size: int) -> None:
    """So many readers of ``in-<n>`` and writers of ``out-<n>`` at once; each must succeed."""
    reading = [partial(read_file, path / f"in-{number}", size) for number in range(readers)]
    writing = [partial(write_file, path / f"out-{number}", size) for number in range(writers)]
    at_once([*reading, *writing])


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
    rate = effort.of(quick=80e6, long=60e6)
    place = new_place(minio)
    fill(minio, place, 64, size)
    address = minio.endpoint_url.removeprefix("http://")
    with Link(address, round_trip=0.02, bytes_per_second=rate) as link:
        mounted = mount_with(
            "--memory-limit=512", *PATIENT, place=place._replace(endpoint_url=link.endpoint_url)
        )
        try:
            crowd(mounted.path, 64, 64, size)
        except OSError as error:
            raise AssertionError(mounted.errors()) from error
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
        status = mounted.status()
        limit = status["limits"]["memory_limit_bytes"] / MIB
        assert limit == 128
        crowd(mounted.path, 64, 16, size)
        found = vitals(mounted.pid)
        status, kills, group_peak = mounted.status(), mounted.oom_kills(), mounted.peak_mib()
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
    assert status["failures"] == 0


def test_more_half_written_files_than_fit_are_an_error_that_says_so(mount_with: MountWith) -> None:
    mounted = mount_with("--memory-limit=64")
    paths = [mounted.path / f"half-{number}" for number in range(20)]
    files = [path.open("wb", buffering=0) for path in paths]
    refused = None
    try:
        for _ in range(4):
            for file in files:
                file.write(bytes(MIB))
    except OSError as error:
        refused = error.errno
    assert refused == errno.ENOMEM
    told = mounted.errors()[0]
    assert told["errno"] == "ENOMEM"
    assert "held by files that are open and not yet large enough to be sent" in told["why"]
    assert "--memory-limit" in told["advice"]
    # Whoever closes some can go on with others.
    for file in files[:15]:
        with suppress(OSError):  # of the one whose write was refused
            file.close()
    (mounted.path / "next").write_bytes(bytes(12 * MIB))
    assert mounted.get("next") == bytes(12 * MIB)
    for file in files[15:]:
        file.close()
    assert mounted.status()["memory"]["used_bytes"] < 64 * MIB


# -- a store that hangs --------------------------------------------------------------------------

ASKING = 300
READING = 10
SIZE = MIB
DEADLINE = 5.0
IN_TIME = 60.0
"""Seconds in which everybody has an answer: the deadline, the last request's own end, and what a
loaded machine needs for hundreds of threads."""


@pytest.fixture
def hanging(radosgw: RadosGateway, tmp_path: Path) -> Iterator[Mounted]:
    """A mount with some files, of a store that the test lets hang."""
    keys = Keys(radosgw.access_key, radosgw.secret_key)
    place = Place(radosgw.endpoint_url, radosgw.new_bucket(), "lab", keys)
    with closing(s3_client(radosgw.endpoint_url, *keys)) as s3:
        for number in range(READING):
            body = content(f"in-{number}", SIZE)
            s3.put_object(Bucket=place.bucket, Key=f"{place.prefix}in-{number}", Body=body)
        for number in range(ASKING):
            s3.put_object(Bucket=place.bucket, Key=f"{place.prefix}dir-{number}/file", Body=b"")
        options = ["--metadata-ttl=600", "--timeout=2", f"--retry-deadline={DEADLINE:g}"]
        mount = Mounted(place, s3, tmp_path, options)
        yield mount
        mount.stop()


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


def test_requests_that_wait_stop_nothing_else(radosgw: RadosGateway, hanging: Mounted) -> None:
    path, pid = hanging.path, hanging.status()["pid"]
    poll_until(lambda: lists(path), IN_TIME, lambda: f"{hanging.errors()[0]}")
    # In one directory the kernel would let only one of them through at a time.
    asking = [partial(os.stat, path / f"dir-{number}" / "file") for number in range(ASKING)]
    reading = [partial(read_file, path / f"in-{number}", SIZE) for number in range(READING)]
    waiting: list[Callable[[], object]] = [*asking, *reading]
    radosgw.freeze()
    begun = time.monotonic()
    try:
        with ThreadPoolExecutor(ASKING + READING) as pool:
            running = [pool.submit(each) for each in waiting]
            poll_until(lambda: vitals(pid).sockets > 64, IN_TIME, lambda: f"{vitals(pid)}")
            assert (path / "in-7").stat().st_size == SIZE
            with (path / "in-7").open("rb"):
                pass  # close(2) sends a flush
            busy = vitals(pid)
            assert not any(it.done() for it in running), "these were answered while others waited"
        seconds = time.monotonic() - begun
    finally:
        radosgw.thaw()
    failures = [it.exception() for it in running]
    assert {it.errno for it in failures if isinstance(it, OSError)} == {errno.EIO}
    assert None not in failures
    assert seconds < IN_TIME
    assert busy.threads < 64 * 3
    assert busy.sockets < 64 * 3
    poll_until(lambda: reads(path / "in-7"), IN_TIME, lambda: f"{hanging.errors()[0]}")
