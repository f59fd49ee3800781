"""Fixtures for all tests: a real MinIO, a bucket of one's own, and a watch over the log."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, settings
from mypy_boto3_s3 import S3Client

from phfs.system.mounts import all_mounts, detach, is_dead
from tests.support.effort import Effort
from tests.support.minio import MinioServer, s3_client
from tests.support.moto import MotoServer
from tests.support.own_machine import abandoned, without_own_options
from tests.support.radosgw import RadosGateway

# A change is judged by the same examples every time, however slow the machine; new ones are looked
# for on purpose, with `make fast ARGS=--hypothesis-profile=search`.
settings.register_profile(
    "steady", derandomize=True, deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
settings.register_profile("search", max_examples=1000, deadline=None)
settings.load_profile("steady")


def pytest_addoption(parser: pytest.Parser) -> None:
    """``--torture``: experiments in their long form, see ``tests/support/effort.py``."""
    parser.addoption("--torture", action="store_true", help="experiments in their long form")


def pytest_configure(config: pytest.Config) -> None:
    """Register the markers that fixtures of this file read; take whoever runs the tests away."""
    without_own_options(os.environ)
    config.addinivalue_line(
        "markers", "expects_log: the test makes phfs log warnings or errors, and looks at them"
    )


def pytest_sessionstart(session: pytest.Session) -> None:
    """Take away dead mounts that a killed run has left: pytest cannot remove what is below them."""
    if hasattr(session.config, "workerinput"):
        return
    places = abandoned(session.config.getoption("basetemp"))
    for mount in all_mounts():
        if any(place in mount.path.parents for place in places) and is_dead(mount.path):
            detach(mount.path)


@pytest.fixture(scope="session")
def effort(request: pytest.FixtureRequest) -> Effort:
    """How hard an experiment is to try."""
    return Effort(long=request.config.getoption("--torture"))


@pytest.fixture(scope="session")
def minio(tmp_path_factory: pytest.TempPathFactory) -> Iterator[MinioServer]:
    """A MinIO server for the whole session; a missing binary fails the test, it never skips it."""
    server = MinioServer(tmp_path_factory.mktemp("minio"))
    yield server
    server.close()


@pytest.fixture(scope="session")
def moto() -> Iterator[MotoServer]:
    """moto's S3 server for the whole session."""
    server = MotoServer()
    yield server
    server.close()


@pytest.fixture(scope="session")
def radosgw(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RadosGateway]:
    """Ceph's radosgw for the whole session; missing programs fail the test, they never skip it."""
    server = RadosGateway(tmp_path_factory.mktemp("radosgw"))
    yield server
    server.close()


@pytest.fixture
def bucket(minio: MinioServer) -> str:
    """The name of an empty bucket of the test's own on ``minio``."""
    return minio.new_bucket()


@pytest.fixture
def s3(minio: MinioServer) -> Iterator[S3Client]:
    """A boto3 client with root's keys that looks at ``minio`` from outside PHFS."""
    client = s3_client(minio.endpoint_url, minio.access_key, minio.secret_key)
    yield client
    client.close()


class _Alarms(logging.Handler):
    """Keeps the sentences of records of WARNING and above."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.heard: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.heard.append(f"{record.name} {record.levelname}: {record.getMessage()}")


@pytest.fixture(autouse=True)
def no_unexpected_log(request: pytest.FixtureRequest) -> Iterator[None]:
    """Fails a test during which ``phfs`` logged a warning or worse, unless it ``expects_log``."""
    alarms = _Alarms()
    logger = logging.getLogger("phfs")
    logger.addHandler(alarms)
    yield
    logger.removeHandler(alarms)
    if request.node.get_closest_marker("expects_log") is None and alarms.heard:
        pytest.fail("unexpected log records:\n" + "\n".join(alarms.heard), pytrace=False)
