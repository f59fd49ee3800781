"""What is tried on MinIO at length, tried on a store that keeps less of what S3 promises: Ceph's
radosgw. Faults of link and store, the death of the process, and the reference model."""

from __future__ import annotations

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing
from pathlib import Path
from random import Random
from typing import Protocol

import pytest
import trio
from mypy_boto3_s3 import S3Client

from tests.model.commands import walk
from tests.model.pair import PART
from tests.real.test_crash import UNWAITED, survive
from tests.real.test_model import run
from tests.support.effort import Effort
from tests.support.fault_proxy import FaultProxy
from tests.support.link_matrix import FAULTS, OPTIONS, Matrix, cells, requests_of, sample
from tests.support.link_operations import MANY, Lane
from tests.support.minio import Keys, s3_client
from tests.support.mounted import PHFS_MOUNT, Mounted, Place
from tests.support.radosgw import RadosGateway

pytestmark = pytest.mark.real

UNKNOWN_HERE = {"wrong bit received"}
"""Faults that nothing would notice: this store tells no checksum of an object."""


class MountOn(Protocol):
    """Mounts ``place`` with options of ``phfs-mount``."""

    def __call__(
        self, place: Place, *options: str, program: tuple[str, ...] = (str(PHFS_MOUNT),)
    ) -> Mounted: ...


@pytest.fixture
def s3(radosgw: RadosGateway) -> Iterator[S3Client]:
    """The store from outside."""
    with closing(s3_client(radosgw.endpoint_url, radosgw.access_key, radosgw.secret_key)) as client:
        yield client


@pytest.fixture
def place(radosgw: RadosGateway) -> Place:
    """A group in a bucket of its own."""
    keys = Keys(radosgw.access_key, radosgw.secret_key)
    return Place(radosgw.endpoint_url, radosgw.new_bucket(), "lab", keys)


@pytest.fixture
def mount_on(s3: S3Client, tmp_path: Path) -> Iterator[MountOn]:
    with ExitStack() as mounts:

        def mount(
            place: Place, *options: str, program: tuple[str, ...] = (str(PHFS_MOUNT),)
        ) -> Mounted:
            own = tmp_path / f"mount-{len(list(tmp_path.iterdir()))}"
            own.mkdir()
            made = Mounted(place, s3, own, options, program=program)
            mounts.callback(made.stop)
            return made

        yield mount


@pytest.mark.torture
def test_bytes_or_errno(s3: S3Client, place: Place, mount_on: MountOn, effort: Effort) -> None:
    with ThreadPoolExecutor(16) as pool:
        for name in MANY:
            pool.submit(s3.put_object, Bucket=place.bucket, Key=f"{place.prefix}many/{name}")
    with ExitStack() as proxies:
        lanes = []
        for number in range(effort.of(quick=2, long=4)):
            proxy = proxies.enter_context(FaultProxy(place.endpoint_url))
            mounted = mount_on(place._replace(endpoint_url=proxy.url), *OPTIONS)
            lanes.append(Lane(number, proxy, mounted))
        patient = proxies.enter_context(FaultProxy(place.endpoint_url))
        mounted = mount_on(
            place._replace(endpoint_url=patient.url), "--metadata-ttl=0", "--part-size=5"
        )
        every = cells(requests_of(Lane(99, patient, mounted), effort.of(quick=1, long=3)))
        chosen = sample(every, effort.of(quick=8, long=600))
        matrix = Matrix(chosen)
        matrix.run(lanes)
        for lane in lanes:
            lane.proxy.heal()
            lane.mounted.stop()
        mounted.stop()
    assert not matrix.problems, "\n".join(matrix.problems)
    assert {cell.fault for cell in every} == set(FAULTS) - UNKNOWN_HERE
    effort.record(
        "faults of link and store on radosgw",
        cells=len(chosen),
        of=len(every),
        **matrix.ends,
        slowest_seconds=round(matrix.slowest, 1),
    )


@pytest.mark.torture
def test_what_was_promised_is_there(
    place: Place, mount_on: MountOn, tmp_path: Path, effort: Effort
) -> None:
    seed = effort.of(quick=1, long=int(time.time()))
    kills = effort.of(quick=3, long=100)
    mount = mount_on(place, "--supervise", "--metadata-ttl=0", program=UNWAITED)
    notes = tmp_path / "notes"
    notes.mkdir()
    survived = survive(mount, notes, seed=seed, kills=kills)
    effort.record("process of the mount killed on radosgw", kills=kills, **survived.figures())
    survived.check()


@pytest.mark.torture
def test_the_mount_does_what_the_model_says(
    place: Place, mount_on: MountOn, effort: Effort
) -> None:
    mounted = mount_on(place, "--metadata-ttl=0")
    walks = effort.of(quick=2, long=60)
    steps = effort.of(quick=25, long=60)
    for seed in range(walks):
        commands = walk(Random(f"radosgw {seed}"), steps, part_size=PART)
        trio.run(run, mounted, f"run-{seed}", commands)
    effort.record("the reference model on radosgw", walks=walks, steps=walks * steps)
