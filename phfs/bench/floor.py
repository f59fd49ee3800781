"""The floor: boto3 without a mount, four threads of 8 MiB, or one small request after the other.

Owns the requests. Says what the store and the SDK reach on this machine, so that a mount's figures
become ratios. Called by ``scenarios`` and ``place``.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import islice
from typing import Any, NamedTuple

from phfs.bench.wrong import expect

THREADS = 4
PIECE = 8 * 1024**2
MOST_DELETED = 1000
"""Keys that one DeleteObjects request may name (S3 API reference)."""


class Span(NamedTuple):
    """A range of an object, in bytes."""

    start: int
    size: int


def client(session: Any, endpoint_url: str | None, ca_bundle: str | None = None) -> Any:
    """boto3's client for S3, of a session of boto3's that has the keys and the region."""
    from botocore.config import Config

    config = Config(
        s3={"addressing_style": "path" if endpoint_url else "auto"},
        max_pool_connections=2 * THREADS,
    )
    return session.client("s3", endpoint_url=endpoint_url, verify=ca_bundle, config=config)


class Floor:
    """A bucket below a prefix; names are relative to it. ``client`` is boto3's for S3."""

    def __init__(self, client: Any, bucket: str, prefix: str) -> None:
        self._client = client
        self._bucket = bucket
        self._prefix = prefix

    def below(self, name: str) -> Floor:
        """The same store, one directory further down."""
        return Floor(self._client, self._bucket, f"{self._prefix}{name}/")

    # -- four threads ----------------------------------------------------------------------------

    def read(self, name: str, size: int) -> None:
        """Read a whole object by ranges of 8 MiB. Raises ``WrongResult`` if it is shorter."""
        spans = [Span(at, min(PIECE, size - at)) for at in range(0, size, PIECE)]
        self.read_spans(name, spans)

    def read_spans(self, name: str, spans: Sequence[Span]) -> None:
        """Read ranges of an object."""
        with ThreadPoolExecutor(THREADS) as pool:
            came = sum(pool.map(lambda span: self.get(name, span), spans))
        expect(f"bytes of {name}", sum(span.size for span in spans), came)

    def upload(self, name: str, block: bytes, size: int) -> None:
        """Write an object made of a block repeated, in parts as large as the block."""
        names = {"Bucket": self._bucket, "Key": self._prefix + name}
        names["UploadId"] = self._client.create_multipart_upload(**names)["UploadId"]

        def part(number: int) -> dict[str, object]:
            body = block[: size - (number - 1) * len(block)]
            answer = self._client.upload_part(**names, PartNumber=number, Body=body)
            return {"PartNumber": number, "ETag": answer["ETag"]}

        try:
            with ThreadPoolExecutor(THREADS) as pool:
                parts = list(pool.map(part, range(1, -(-size // len(block)) + 1)))
        except BaseException:
            self._client.abort_multipart_upload(**names)
            raise
        self._client.complete_multipart_upload(**names, MultipartUpload={"Parts": parts})

    def put_all(self, files: Iterable[tuple[str, bytes]]) -> None:
        """Write many small objects."""
        with ThreadPoolExecutor(THREADS) as pool:
            list(pool.map(lambda file: self.put(*file), files))

    # -- one request -----------------------------------------------------------------------------

    def get(self, name: str, span: Span | None = None) -> int:
        """Read an object, or a range of it, by one request; the number of bytes."""
        ranged = {} if span is None else {"Range": f"bytes={span.start}-{sum(span) - 1}"}
        answer = self._client.get_object(Bucket=self._bucket, Key=self._prefix + name, **ranged)
        return len(answer["Body"].read())

    def put(self, name: str, data: bytes) -> None:
        """Write an object by one request."""
        self._client.put_object(Bucket=self._bucket, Key=self._prefix + name, Body=data)

    def head(self, name: str) -> int:
        """An object's size."""
        answer = self._client.head_object(Bucket=self._bucket, Key=self._prefix + name)
        return int(answer["ContentLength"])

    def delete(self, name: str) -> None:
        """Delete an object."""
        self._client.delete_object(Bucket=self._bucket, Key=self._prefix + name)

    # -- pages -----------------------------------------------------------------------------------

    def list(self, name: str = "") -> int:
        """Read the pages of one directory's listing; the number of files directly in it."""
        pages = self._pages(name, Delimiter="/")
        keys = (item["Key"] for page in pages for item in page.get("Contents", ()))
        return sum(not key.endswith("/") for key in keys)

    def delete_below(self, name: str) -> None:
        """Delete every object whose name begins so. Raises ``WrongResult`` if some cannot be."""
        keys = (item["Key"] for page in self._pages(name) for item in page.get("Contents", ()))
        while batch := [{"Key": key} for key in islice(keys, MOST_DELETED)]:
            answer = self._client.delete_objects(
                Bucket=self._bucket, Delete={"Objects": batch, "Quiet": True}
            )
            expect("objects that could not be deleted", 0, len(answer.get("Errors", ())))

    def _pages(self, name: str, **options: str) -> Iterator[dict[str, Any]]:
        paginator = self._client.get_paginator("list_objects_v2")
        pages: Iterable[dict[str, Any]] = paginator.paginate(
            Bucket=self._bucket, Prefix=self._prefix + name, **options
        )
        yield from pages
