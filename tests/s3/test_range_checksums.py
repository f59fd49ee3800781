"""What protects a range of a large object on its way: which checksums real stores tell, and TLS.

Why PHFS does not compare what no store tells is ``docs/decisions/0009-checksums-of-ranges.md``.
"""

from __future__ import annotations

import base64
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager, closing

import pytest
from awscrt.checksums import crc32c  # type: ignore[import-untyped]
from botocore.credentials import Credentials
from botocore.exceptions import ClientError
from mypy_boto3_s3 import S3Client
from mypy_boto3_s3.type_defs import CompletedPartTypeDef

from phfs.core.objects import Attributes
from phfs.s3.client import S3Store
from phfs.s3.options import S3Options
from tests.s3.relay import SpoilingRelay
from tests.support.minio import MinioServer, s3_client
from tests.support.radosgw import RadosGateway
from tests.support.sinks import read_version

pytestmark = pytest.mark.real

MIB = 1024 * 1024
PARTS = [b"\1" * 5 * MIB, b"\2" * 5 * MIB, b"\3" * MIB]
FIRST = "bytes=0-5242879"
"""The range of the first part."""

Server = MinioServer | RadosGateway


@pytest.fixture(params=["minio", "radosgw"])
def server(request: pytest.FixtureRequest) -> Server:
    found: Server = request.getfixturevalue(request.param)
    return found


@pytest.fixture
def client(server: Server) -> Iterator[S3Client]:
    """The server from outside."""
    with closing(s3_client(server.endpoint_url, server.access_key, server.secret_key)) as made:
        yield made


@asynccontextmanager
async def opened(server: Server, bucket: str, url: str = "") -> AsyncIterator[S3Store]:
    options = S3Options(bucket=bucket, endpoint_url=url or server.endpoint_url, region="us-east-1")
    store = S3Store(options, Credentials(server.access_key, server.secret_key))
    try:
        yield store
    finally:
        store.close()


async def write(store: S3Store) -> None:
    """A large object as PHFS writes it: in parts, each with its CRC32C."""
    upload = await store.create_upload("large", Attributes())
    parts = [await store.put_part("large", upload, n, [body]) for n, body in enumerate(PARTS, 1)]
    await store.complete_upload("large", upload, parts)


def sums(answer: Mapping[str, object]) -> dict[str, str]:
    """The checksums in an answer's headers."""
    metadata = answer["ResponseMetadata"]
    assert isinstance(metadata, dict)
    found = {
        name: text
        for name, text in metadata["HTTPHeaders"].items()
        if name.startswith("x-amz-checksum-") and name != "x-amz-checksum-type"
    }
    body = answer.get("Body")
    if body is not None:
        body.close()  # type: ignore[attr-defined]
    return found


async def test_no_store_tells_the_checksum_of_a_range(server: Server, client: S3Client) -> None:
    bucket = server.new_bucket()
    async with opened(server, bucket) as store:
        await write(store)
        await store.put("small", PARTS, Attributes())
    for key in ("large", "small"):
        for span in (FIRST, "bytes=0-1048575"):
            answer = client.get_object(Bucket=bucket, Key=key, Range=span, ChecksumMode="ENABLED")
            assert answer["ResponseMetadata"]["HTTPStatusCode"] == 206
            assert sums(answer) == {}


async def test_no_store_keeps_sums_of_parts_that_were_not_announced(
    server: Server, client: S3Client
) -> None:
    bucket = server.new_bucket()
    async with opened(server, bucket) as store:
        await write(store)
    answer = client.get_object(Bucket=bucket, Key="large", PartNumber=1, ChecksumMode="ENABLED")
    assert sums(answer) == {}


def announced(minio: MinioServer, s3: S3Client, bucket: str) -> tuple[str, list[str]]:
    """Begin an upload that says it will have checksums, with its parts; its id and the sums."""
    upload = s3.create_multipart_upload(Bucket=bucket, Key="large", ChecksumAlgorithm="CRC32C")
    told = [base64.b64encode(crc32c(body).to_bytes(4, "big")).decode() for body in PARTS]
    for number, body in enumerate(PARTS, 1):
        s3.upload_part(
            Bucket=bucket,
            Key="large",
            UploadId=upload["UploadId"],
            PartNumber=number,
            Body=body,
            ChecksumCRC32C=told[number - 1],
        )
    return upload["UploadId"], told


def test_minio_tells_sums_of_parts_that_were_announced(
    minio: MinioServer, s3: S3Client, bucket: str
) -> None:
    upload, told = announced(minio, s3, bucket)
    listed = s3.list_parts(Bucket=bucket, Key="large", UploadId=upload)["Parts"]
    made: list[CompletedPartTypeDef] = [
        {"PartNumber": part["PartNumber"], "ETag": part["ETag"], "ChecksumCRC32C": told[n]}
        for n, part in enumerate(listed)
    ]
    s3.complete_multipart_upload(
        Bucket=bucket, Key="large", UploadId=upload, MultipartUpload={"Parts": made}
    )
    answer = s3.get_object(Bucket=bucket, Key="large", PartNumber=3, ChecksumMode="ENABLED")
    assert sums(answer) == {"x-amz-checksum-crc32c": told[2]}
    known = s3.get_object_attributes(Bucket=bucket, Key="large", ObjectAttributes=["ObjectParts"])
    assert [part["ChecksumCRC32C"] for part in known["ObjectParts"]["Parts"]] == told
    ranged = s3.get_object(Bucket=bucket, Key="large", Range=FIRST, ChecksumMode="ENABLED")
    assert sums(ranged) == {}


def test_minio_copies_nothing_into_an_upload_that_announced_sums(
    minio: MinioServer, s3: S3Client, bucket: str
) -> None:
    upload, _ = announced(minio, s3, bucket)
    s3.put_object(Bucket=bucket, Key="source", Body=PARTS[0])
    with pytest.raises(ClientError, match="checksum missing"):
        s3.upload_part_copy(
            Bucket=bucket,
            Key="large",
            UploadId=upload,
            PartNumber=4,
            CopySource={"Bucket": bucket, "Key": "source"},
        )


async def test_over_plain_http_a_wrong_byte_of_a_range_is_not_noticed(
    minio: MinioServer, bucket: str
) -> None:
    """What is not promised; ``tests/s3/test_tls.py`` has the other half."""
    async with opened(minio, bucket) as store:
        await write(store)
        etag = (await store.head("large")).info.etag
    with SpoilingRelay(minio.endpoint_url, MIB) as relay:
        async with opened(minio, bucket, relay.url) as store:
            got = await read_version(store, "large", etag, 0, 2 * MIB)
    assert relay.spoilt.is_set()
    assert len(got) == 2 * MIB
    assert sum(one != 1 for one in got) == 1
