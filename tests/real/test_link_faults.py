"""Every fault of the link and the store at every point of every operation, on mounts of MinIO.

What a fault is, which requests it can spoil and which errno it gives is a table of ``link_matrix``.
The short form takes a sample of the cells, the same every time; ``make torture`` takes all.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack

import pytest
from mypy_boto3_s3 import S3Client

from tests.real.conftest import MountWith, new_place
from tests.support.effort import Effort
from tests.support.fault_proxy import FaultProxy
from tests.support.link_matrix import FAULTS, OPTIONS, Matrix, Seen, cells, requests_of, sample
from tests.support.link_operations import MANY, OPERATIONS, Lane
from tests.support.minio import MinioServer
from tests.support.mounted import Place

pytestmark = pytest.mark.real


@pytest.fixture
def many(minio: MinioServer, s3: S3Client) -> Place:
    """A place with more names in a directory than a page of a listing has."""
    place = new_place(minio)
    for name in MANY:
        s3.put_object(Bucket=place.bucket, Key=f"{place.prefix}many/{name}")
    return place


@pytest.fixture
def lanes(
    minio: MinioServer, mount_with: MountWith, many: Place, effort: Effort
) -> Iterator[list[Lane]]:
    """Mounts of one place that are tried beside each other."""
    with ExitStack() as proxies:
        made = []
        for number in range(effort.of(quick=4, long=8)):
            proxy = proxies.enter_context(FaultProxy(minio.endpoint_url))
            mounted = mount_with(*OPTIONS, place=many._replace(endpoint_url=proxy.url))
            made.append(Lane(number, proxy, mounted))
        yield made
        for lane in made:  # or a mount that ends waits for what stalls
            lane.proxy.heal()
            lane.mounted.stop()


@pytest.fixture
def requests(minio: MinioServer, mount_with: MountWith, many: Place) -> dict[str, list[Seen]]:
    """The requests of each operation when nothing fails."""
    with FaultProxy(minio.endpoint_url) as proxy:
        patient = many._replace(endpoint_url=proxy.url)
        mounted = mount_with("--metadata-ttl=0", "--part-size=5", place=patient)
        found = requests_of(Lane(0, proxy, mounted))
        mounted.stop()
    return found


@pytest.mark.torture
def test_bytes_or_errno_at_every_point(
    requests: dict[str, list[Seen]], lanes: list[Lane], effort: Effort
) -> None:
    every = cells(requests)
    chosen = effort.of(quick=sample(every, 72), long=every)
    matrix = Matrix(chosen)
    matrix.run(lanes)
    assert not matrix.problems, "\n".join(matrix.problems)
    assert sum(matrix.ends.values()) == len(chosen)
    assert {cell.fault for cell in chosen} == set(FAULTS)
    assert {cell.operation for cell in chosen} == set(OPERATIONS)
    survived, single = matrix.survived
    effort.record(
        "faults of link and store",
        cells=len(chosen),
        of=len(every),
        **matrix.ends,
        single_faults_that_pass=single,
        of_these_not_seen=survived,
        slowest_seconds=round(matrix.slowest, 1),
    )
