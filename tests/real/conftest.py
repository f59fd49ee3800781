"""Mounts for the tests on the kernel: one shared by a module, and any number of a test's own."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Protocol

import pytest

from tests.support.minio import Keys, MinioServer, s3_client
from tests.support.mounted import PHFS_MOUNT, Mounted, Place

_numbers = itertools.count(1)


class MountWith(Protocol):
    """Makes mounts, see ``mount_with``."""

    def __call__(
        self,
        *options: str,
        place: Place | None = None,
        environ: Mapping[str, str] | None = None,
        program: Sequence[str] = (str(PHFS_MOUNT),),
    ) -> Mounted:
        """Mount with options of ``phfs-mount``, at ``place`` or a new group's."""


def new_place(minio: MinioServer) -> Place:
    """A group nobody else uses, with keys that reach it alone."""
    bucket, group = minio.bucket, f"group-{next(_numbers)}"
    return Place(minio.endpoint_url, bucket, group, minio.group_keys(bucket, group))


def root_place(minio: MinioServer) -> Place:
    """A group nobody else uses, with keys that may do everything."""
    keys = Keys(minio.access_key, minio.secret_key)
    return new_place(minio)._replace(keys=keys)


def mounting(minio: MinioServer, directory: Path) -> Iterator[MountWith]:
    client = s3_client(minio.endpoint_url, minio.access_key, minio.secret_key)
    with closing(client), ExitStack() as mounts:

        def mount(
            *options: str,
            place: Place | None = None,
            environ: Mapping[str, str] | None = None,
            program: Sequence[str] = (str(PHFS_MOUNT),),
        ) -> Mounted:
            own = directory / f"mount-{next(_numbers)}"
            own.mkdir()
            made = Mounted(place or new_place(minio), client, own, options, environ, program)
            mounts.callback(made.stop)
            return made

        yield mount


@pytest.fixture
def mount_with(minio: MinioServer, tmp_path: Path) -> Iterator[MountWith]:
    """Mounts of the test's own: ``mount_with("--read-only", "--metadata-ttl=0")``."""
    yield from mounting(minio, tmp_path)


@pytest.fixture(scope="module")
def mounted(minio: MinioServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Mounted]:
    """One mount for all tests of a module; each uses names of its own. What a test puts into the
    bucket is seen at once: nothing is believed for longer than an instant."""
    for mount in mounting(minio, tmp_path_factory.mktemp("mounted")):
        yield mount("--metadata-ttl=0")


@pytest.fixture
def own_minio(tmp_path: Path) -> Iterator[MinioServer]:
    """A server that this test alone stops, kills and starts."""
    directory = tmp_path / "server"
    directory.mkdir()
    server = MinioServer(directory)
    yield server
    server.close()


@pytest.fixture
def mount_own(own_minio: MinioServer, tmp_path: Path) -> Iterator[MountWith]:
    """Mounts of that server."""
    yield from mounting(own_minio, tmp_path)
