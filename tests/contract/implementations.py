"""How each implementation of the store port is opened, empty, for one test."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import pytest
from botocore.credentials import Credentials

from phfs.s3.client import S3Store
from phfs.s3.faults import FaultyStore
from phfs.s3.journal import JournaledStore, UploadJournal
from phfs.s3.memory import MemoryStore
from phfs.s3.options import S3Options
from phfs.s3.prefix import PrefixedStore
from phfs.s3.retry import RetryingStore
from phfs.s3.store import Store

Opener = Callable[[pytest.FixtureRequest], AbstractAsyncContextManager[Store]]


@dataclass(frozen=True)
class Implementation:
    """A store under test; ``lacks`` names what its server cannot do:

    ``file_beside_directory``: hold a key ``a`` beside ``a/b``;
    ``odd_keys``: hold keys with ``//``, ``.`` or ``..`` in them;
    ``upload_checks``: know that an upload is gone;
    ``knows_aborted``: say of an aborted upload, when it is completed, that it is gone (radosgw says
    that it is being completed);
    ``parts_in_order``: refuse parts named out of order (radosgw puts them in order);
    ``tag_count``: say by HEAD how many tags there are;
    ``upload_tags``: keep the tags an upload began with;
    ``copy_part_checks``: refuse a part of another version, or beyond the end of its source;
    ``own_sums``: tell of a large object the sum of its own bytes (moto tells that of its parts').
    """

    name: str
    open: Opener
    lacks: frozenset[str] = frozenset()
    real: bool = False


def plain(wrap: Callable[[Store], Store]) -> Opener:
    """Opens a memory store inside a wrapper."""

    @asynccontextmanager
    async def opened(request: pytest.FixtureRequest) -> AsyncIterator[Store]:
        yield wrap(MemoryStore(time.time))

    return opened


def journaled(request: pytest.FixtureRequest) -> AbstractAsyncContextManager[Store]:
    """Opens a memory store whose uploads are written down."""
    return journaled_in(request.getfixturevalue("tmp_path"))


@asynccontextmanager
async def journaled_in(directory: Path) -> AsyncIterator[Store]:
    journal = UploadJournal(directory, "memory")
    yield JournaledStore(MemoryStore(time.time), journal)
    journal.close()


class Server(Protocol):
    """What ``MinioServer`` and ``MotoServer`` have in common."""

    access_key: str
    secret_key: str

    @property
    def endpoint_url(self) -> str: ...

    def new_bucket(self) -> str: ...


def s3(fixture: str) -> Opener:
    """Opens a new bucket of the server that ``fixture`` starts."""

    def open_bucket(request: pytest.FixtureRequest) -> AbstractAsyncContextManager[S3Store]:
        return bucket_of(request.getfixturevalue(fixture))

    return open_bucket


@asynccontextmanager
async def bucket_of(server: Server) -> AsyncIterator[S3Store]:
    store = S3Store(
        S3Options(bucket=server.new_bucket(), endpoint_url=server.endpoint_url),
        Credentials(server.access_key, server.secret_key),
    )
    yield store
    store.close()


def as_mounted(fixture: str) -> Opener:
    """Opens a bucket below all wrappers, in the order in which a mount puts them."""

    def open_bucket(request: pytest.FixtureRequest) -> AbstractAsyncContextManager[Store]:
        return mounted(request.getfixturevalue(fixture), request.getfixturevalue("tmp_path"))

    return open_bucket


@asynccontextmanager
async def mounted(server: Server, directory: Path) -> AsyncIterator[Store]:
    journal = UploadJournal(directory, server.endpoint_url)
    async with bucket_of(server) as store:
        yield PrefixedStore(JournaledStore(RetryingStore(store), journal), "groups/lab/")
    journal.close()


MINIO_LACKS = frozenset({"file_beside_directory", "odd_keys"})

RADOSGW_LACKS = frozenset({"knows_aborted", "parts_in_order", "tag_count", "upload_tags"})

MOTO_LACKS = frozenset({"upload_checks", "copy_part_checks", "own_sums"})

IMPLEMENTATIONS = [
    Implementation("memory", plain(lambda store: store)),
    Implementation("prefix", plain(lambda store: PrefixedStore(store, "groups/lab/"))),
    Implementation("retry", plain(RetryingStore)),
    Implementation("faults", plain(FaultyStore)),
    Implementation("journal", journaled),
    Implementation("s3-moto", s3("moto"), MOTO_LACKS),
    Implementation("s3-minio", s3("minio"), MINIO_LACKS, real=True),
    Implementation("s3-radosgw", s3("radosgw"), RADOSGW_LACKS, real=True),
    Implementation("as-mounted", as_mounted("minio"), MINIO_LACKS, real=True),
    Implementation("as-mounted-radosgw", as_mounted("radosgw"), RADOSGW_LACKS, real=True),
]
