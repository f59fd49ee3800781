"""The sparse store: what PHFS and boto3 see of it is an S3 server whose objects are zeros."""

from __future__ import annotations

import http.client
import os
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
from botocore.credentials import Credentials
from botocore.exceptions import ClientError
from mypy_boto3_s3 import S3Client

from bench.sparse import SparseStore
from bench.sparse_catalog import Objects
from phfs.core.objects import Attributes, ByteRange, ETag, Part
from phfs.errors import NoSuchKey, NoSuchUpload, PreconditionFailed
from phfs.s3.client import S3Store
from phfs.s3.options import S3Options
from tests.support.minio import Keys, s3_client
from tests.support.mounted import Mounted, Place
from tests.support.sinks import read

pytestmark = pytest.mark.real  # starts processes

GIB = 1024**3
HUGE = "groups/bench/huge/000000"
ODD = "groups/bench/ä +&<b>/"
PLAIN = Attributes()


@pytest.fixture
def sparse() -> Iterator[SparseStore]:
    held = [
        Objects("groups/bench/huge/", 1, 10 * GIB),
        Objects("groups/bench/many/", 2500, 0),
        Objects(ODD, 3, 5),
    ]
    with SparseStore(held) as server:
        yield server


@pytest.fixture
def client(sparse: SparseStore) -> Iterator[S3Client]:
    made = s3_client(sparse.endpoint_url, "any", "thing")
    yield made
    made.close()


@pytest.fixture
async def store(sparse: SparseStore) -> AsyncIterator[S3Store]:
    options = S3Options(bucket=sparse.bucket, endpoint_url=sparse.endpoint_url)
    made = S3Store(options, Credentials("any", "thing"))
    yield made
    made.close()


def code(error: pytest.ExceptionInfo[ClientError]) -> str:
    return error.value.response["Error"]["Code"]


def test_a_huge_object_is_described_and_read_in_ranges(
    sparse: SparseStore, client: S3Client
) -> None:
    head = client.head_object(Bucket=sparse.bucket, Key=HUGE)
    assert head["ContentLength"] == 10 * GIB
    answer = client.get_object(
        Bucket=sparse.bucket, Key=HUGE, Range=f"bytes={9 * GIB}-{9 * GIB + 999_999}"
    )
    assert answer["ContentRange"] == f"bytes {9 * GIB}-{9 * GIB + 999_999}/{10 * GIB}"
    assert answer["ETag"] == head["ETag"]
    assert answer["LastModified"] == head["LastModified"]
    assert answer["Body"].read() == bytes(1_000_000)


@pytest.mark.parametrize(
    ("asked", "size"), [("bytes=1-2", 2), ("bytes=3-", 2), ("bytes=-4", 4), ("bytes=0-99", 5)]
)
def test_ranges_end_where_the_object_does(
    sparse: SparseStore, client: S3Client, asked: str, size: int
) -> None:
    answer = client.get_object(Bucket=sparse.bucket, Key=ODD + "000000", Range=asked)
    assert answer["Body"].read() == bytes(size)


def test_a_range_behind_the_end_is_refused(sparse: SparseStore, client: S3Client) -> None:
    with pytest.raises(ClientError) as caught:
        client.get_object(Bucket=sparse.bucket, Key=ODD + "000000", Range="bytes=5-9")
    assert code(caught) == "InvalidRange"


def test_another_version_is_refused(sparse: SparseStore, client: S3Client) -> None:
    with pytest.raises(ClientError) as caught:
        client.get_object(Bucket=sparse.bucket, Key=HUGE, IfMatch='"another"', Range="bytes=0-9")
    assert code(caught) == "PreconditionFailed"


def test_another_bucket_is_not_there(client: S3Client) -> None:
    with pytest.raises(ClientError) as caught:
        client.list_objects_v2(Bucket="another")
    assert code(caught) == "NoSuchBucket"


def test_pages_hold_every_key_once_in_order(sparse: SparseStore, client: S3Client) -> None:
    pages = client.get_paginator("list_objects_v2").paginate(
        Bucket=sparse.bucket, Prefix="groups/bench/many/"
    )
    found = [(each["Key"], each["Size"]) for page in pages for each in page["Contents"]]
    assert found == [(f"groups/bench/many/{number:06}", 0) for number in range(2500)]


def test_a_delimiter_rolls_keys_up(sparse: SparseStore, client: S3Client) -> None:
    page = client.list_objects_v2(Bucket=sparse.bucket, Prefix="groups/bench/", Delimiter="/")
    prefixes = [each["Prefix"] for each in page["CommonPrefixes"]]
    assert prefixes == ["groups/bench/huge/", "groups/bench/many/", ODD]
    assert "Contents" not in page


def test_a_listing_begins_after_a_key_and_ends_at_a_limit(
    sparse: SparseStore, client: S3Client
) -> None:
    after = "groups/bench/many/001000"
    page = client.list_objects_v2(Bucket=sparse.bucket, StartAfter=after, MaxKeys=2)
    assert page["IsTruncated"]
    keys = [each["Key"] for each in page["Contents"]]
    assert keys == ["groups/bench/many/001001", "groups/bench/many/001002"]
    assert client.list_objects_v2(Bucket=sparse.bucket, Prefix="nobody/")["KeyCount"] == 0


@pytest.mark.parametrize("size", [0, 10, 3_000_000])
def test_what_is_put_is_there_as_zeros(sparse: SparseStore, client: S3Client, size: int) -> None:
    made = client.put_object(Bucket=sparse.bucket, Key="a/b", Body=b"x" * size)
    answer = client.get_object(Bucket=sparse.bucket, Key="a/b")
    assert answer["ETag"] == made["ETag"]
    assert answer["Body"].read() == bytes(size)
    listed = client.list_objects_v2(Bucket=sparse.bucket, Prefix="a/")["Contents"]
    assert [(each["Key"], each["Size"], each["ETag"]) for each in listed] == [
        ("a/b", size, made["ETag"])
    ]


def test_deleted_objects_are_gone(sparse: SparseStore, client: S3Client) -> None:
    client.delete_object(Bucket=sparse.bucket, Key=HUGE)
    doomed = [ODD + "000000", ODD + "000002", "was/never/there"]
    client.delete_objects(
        Bucket=sparse.bucket, Delete={"Objects": [{"Key": key} for key in doomed]}
    )
    with pytest.raises(ClientError):
        client.head_object(Bucket=sparse.bucket, Key=HUGE)
    listed = client.list_objects_v2(Bucket=sparse.bucket, Prefix=ODD)["Contents"]
    assert [each["Key"] for each in listed] == [ODD + "000001"]


def test_a_request_without_sense_ends_only_its_connection(sparse: SparseStore) -> None:
    for text in (b"nonsense\r\n\r\n", b"PUT /sparse/a HTTP/1.1\r\nContent-Length: x\r\n\r\n"):
        broken = http.client.HTTPConnection("127.0.0.1", sparse.port)
        broken.connect()
        broken.sock.sendall(text)
        assert broken.sock.recv(1) == b""
        broken.close()
    connection = http.client.HTTPConnection("127.0.0.1", sparse.port)
    for _ in range(2):
        connection.request("HEAD", f"/{sparse.bucket}")
        answer = connection.getresponse()
        assert (answer.status, answer.read()) == (200, b"")
    connection.close()


async def test_phfs_reads_and_lists(store: S3Store) -> None:
    described = await store.head(ODD + "000001")
    page = await store.list_page(ODD, limit=2)
    assert [each.key for each in page.objects] == [ODD + "000000", ODD + "000001"]
    assert page.objects[1] == described.info
    assert await read(store, ODD + "000001", 1, 5) == bytes(4)
    rest = await store.list_page(ODD, token=page.next_token)
    assert ([each.key for each in rest.objects], rest.next_token) == ([ODD + "000002"], None)
    assert await store.tags(HUGE) == ""


async def test_phfs_puts_copies_and_deletes(store: S3Store) -> None:
    made = await store.put("a", [b"xyz", b"uv"], PLAIN, if_none_match=True)
    assert (await store.head("a")).info.etag == made.etag
    with pytest.raises(PreconditionFailed):
        await store.put("a", [b""], PLAIN, if_none_match=True)
    copied = await store.copy("a", "b", if_match=made.etag)
    assert (await store.head("b")).info[1:3] == (5, copied.etag)
    assert await store.delete_many(["a", "b"]) == []
    with pytest.raises(NoSuchKey):
        await store.head("b")


async def test_phfs_uploads_in_parts(store: S3Store) -> None:
    upload = await store.create_upload("big", PLAIN)
    parts = [await store.put_part("big", upload, 1, [b"x" * 6_000_000])]
    huge = (await store.head(HUGE)).info
    parts.append(
        await store.copy_part("big", upload, 2, HUGE, ByteRange(GIB, 2 * GIB), if_match=huge.etag)
    )
    made = await store.complete_upload("big", upload, parts)
    assert (await store.head("big")).info[1:3] == (6_000_000 + GIB, made.etag)
    with pytest.raises(NoSuchUpload):
        await store.put_part("big", upload, 3, [b"x"])


async def test_an_aborted_upload_leaves_nothing(store: S3Store) -> None:
    upload = await store.create_upload("big", PLAIN)
    await store.put_part("big", upload, 1, [b"x"])
    await store.abort_upload("big", upload)
    await store.abort_upload("big", upload)
    with pytest.raises(NoSuchUpload):
        await store.complete_upload("big", upload, [Part(1, ETag("x"), 1)])
    with pytest.raises(NoSuchKey):
        await store.head("big")


@pytest.mark.real
def test_a_mount_reads_lists_and_writes(
    sparse: SparseStore, client: S3Client, tmp_path: Path
) -> None:
    place = Place(sparse.endpoint_url, sparse.bucket, "bench", Keys("any", "thing"))
    mounted = Mounted(place, client, tmp_path)
    try:
        with (mounted.path / "huge/000000").open("rb") as file:
            file.seek(10 * GIB - 10)
            assert file.read() == bytes(10)
        assert len(os.listdir(mounted.path / "many")) == 2500
        (mounted.path / "written").write_bytes(b"x" * 20_000_000)
        assert (mounted.path / "written").stat().st_size == 20_000_000
        (mounted.path / "written").rename(mounted.path / "moved")
        assert mounted.get("moved") == bytes(20_000_000)
    finally:
        mounted.stop()
