"""The client on a real MinIO: what the contract of all stores does not speak of."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager

import pytest
import trio
from botocore.credentials import Credentials
from mypy_boto3_s3 import S3Client

from phfs.core.objects import Attributes, ByteRange
from phfs.errors import (
    AccessDenied,
    BadCredentials,
    ConnectionFailed,
    Corrupted,
    NoSuchBucket,
    NoSuchKey,
)
from phfs.s3.client import S3Store
from phfs.s3.options import S3Options
from phfs.s3.store import MIN_PART
from tests.support.minio import MinioServer
from tests.support.sinks import BytesSink, read

pytestmark = pytest.mark.real
PLAIN = Attributes()


@asynccontextmanager
async def opened(
    minio: MinioServer, bucket: str, keys: tuple[str, str] | None = None, region: str = "us-east-1"
) -> AsyncIterator[S3Store]:
    access_key, secret_key = keys or (minio.access_key, minio.secret_key)
    options = S3Options(bucket=bucket, endpoint_url=minio.endpoint_url, region=region)
    store = S3Store(options, Credentials(access_key, secret_key))
    try:
        yield store
    finally:
        store.close()


async def test_a_wrong_region_is_corrected(minio: MinioServer, bucket: str) -> None:
    async with opened(minio, bucket, region="eu-north-1") as store:
        assert (await store.list_page("")).objects == []


@pytest.mark.parametrize(
    "keys", [("nobody", "secret-secret"), ("phfs-root", "wrong-secret")], ids=["key", "secret"]
)
async def test_wrong_keys(minio: MinioServer, bucket: str, keys: tuple[str, str]) -> None:
    async with opened(minio, bucket, keys) as store:
        with pytest.raises(BadCredentials, match=bucket):
            await store.list_page("")


async def test_a_bucket_that_is_not_there(minio: MinioServer) -> None:
    async with opened(minio, "no-such-bucket") as store:
        with pytest.raises(NoSuchBucket, match="no-such-bucket"):
            await store.list_page("groups/")
        with pytest.raises(NoSuchBucket):
            await store.put("a", [b"x"], PLAIN)


async def test_keys_of_a_group_reach_no_other(minio: MinioServer, bucket: str) -> None:
    async with opened(minio, bucket, minio.group_keys(bucket, "lab")) as store:
        await store.put("groups/lab/a", [b"x"], PLAIN)
        assert len((await store.list_page("groups/lab/")).objects) == 1
        with pytest.raises(AccessDenied, match="groups/other/a"):
            await store.put("groups/other/a", [b"x"], PLAIN)
        with pytest.raises(AccessDenied):
            await store.list_page("groups/")
        with pytest.raises(AccessDenied):
            await store.head("groups/other/a")
        failures = await store.delete_many(["groups/lab/a", "groups/other/a"])
        assert [failure.key for failure in failures] == ["groups/other/a"]
        assert isinstance(failures[0].error, AccessDenied)


async def test_metadata_in_any_language_and_tags_go_along(
    minio: MinioServer, bucket: str, s3: S3Client
) -> None:
    attributes = Attributes("text/plain", None, {"owner": "grün 文"}, {"Content-Language": "de"})
    async with opened(minio, bucket) as store:
        stored = await store.put("a", [b"x"], attributes)
        s3.put_object_tagging(
            Bucket=bucket, Key="a", Tagging={"TagSet": [{"Key": "k e", "Value": "v+ = 1"}]}
        )
        described = await store.head("a")
        assert described.attributes == attributes
        assert described.tag_count == 1
        tagging = await store.tags("a")
        upload = await store.create_upload("b", described.attributes, tagging=tagging)
        span = ByteRange(0, 1)
        part = await store.copy_part("b", upload, 1, "a", span, if_match=stored.etag)
        await store.complete_upload("b", upload, [part])
        assert (await store.head("b")).attributes == attributes
        assert await store.tags("b") == tagging
    tags = s3.get_object_tagging(Bucket=bucket, Key="b")["TagSet"]
    assert tags == [{"Key": "k e", "Value": "v+ = 1"}]


class Changing(list[bytes]):
    """A body that has other bytes each time it is gone through: memory that breaks."""

    def __iter__(self) -> Iterator[bytes]:
        chunks = list(super().__iter__())
        self[0] = bytes([(chunks[0][0] + 1) % 256]) + chunks[0][1:]
        return iter(chunks)


async def test_bytes_that_do_not_fit_their_checksum_are_not_stored(
    minio: MinioServer, bucket: str
) -> None:
    async with opened(minio, bucket) as store:
        with pytest.raises(Corrupted):
            await store.put("a", Changing([b"data"]), PLAIN)
        with pytest.raises(NoSuchKey):
            await store.head("a")
        upload = await store.create_upload("a", PLAIN)
        with pytest.raises(Corrupted):
            await store.put_part("a", upload, 1, Changing([b"data"]))
        await store.abort_upload("a", upload)


async def test_an_object_continued_by_a_copy_of_itself(minio: MinioServer, bucket: str) -> None:
    head, tail = os.urandom(MIN_PART), os.urandom(1000)
    async with opened(minio, bucket) as store:
        stored = await store.put("a", [head], PLAIN)
        upload = await store.create_upload("a", PLAIN)
        first = await store.copy_part(
            "a", upload, 1, "a", ByteRange(0, MIN_PART), if_match=stored.etag
        )
        second = await store.put_part("a", upload, 2, [tail[:500], memoryview(tail)[500:]])
        await store.complete_upload("a", upload, [first, second])
        assert await read(store, "a") == head + tail


async def test_many_at_once_over_few_connections(minio: MinioServer, bucket: str) -> None:
    body = os.urandom(300_000)
    async with opened(minio, bucket) as store:
        stored = await store.put("a", [body], PLAIN)

        async def check(start: int) -> None:
            sink = BytesSink(10_000)
            await store.get("a", ByteRange(start, start + 10_000), sink, if_match=stored.etag)
            assert sink.filled == body[start : start + 10_000]

        async with trio.open_nursery() as nursery:
            for start in range(0, 290_000, 1_000):
                nursery.start_soon(check, start)
        assert store.counters["requests.get"] == 290


async def test_a_server_that_went_away_and_came_back(minio: MinioServer, bucket: str) -> None:
    async with opened(minio, bucket) as store:
        await store.put("a", [b"kept"], PLAIN)
        minio.stop()
        with pytest.raises(ConnectionFailed):
            await store.head("a")
        minio.start()
        assert await read(store, "a") == b"kept"
