"""The headers of requests: what an object is to keep, and the checksum of a body.

Owns the spelling of S3's request headers. Pure; called by ``client``.
"""

from __future__ import annotations

import base64
from urllib.parse import quote

from awscrt.checksums import crc32c  # type: ignore[import-untyped]

from phfs.core.objects import Attributes, ETag
from phfs.s3.body import SummedBody
from phfs.s3.options import S3Options
from phfs.s3.store import Body

CHECKSUM = "x-amz-checksum-crc32c"
"""The header of a body's CRC32C, which awscrt computes at 50 GB/s."""


def checksum_of(body: Body) -> str:
    """A body's CRC32C as S3 writes it: four bytes, big-endian, in base64."""
    crc = 0
    if isinstance(body, SummedBody):
        crc = body.crc
    else:
        for chunk in body:
            crc = crc32c(chunk, crc)
    return base64.b64encode(crc.to_bytes(4, "big")).decode()


def content_md5(digest: ETag) -> str:
    """A body's MD5, given in hexadecimal, as the header ``Content-MD5`` has it (RFC 1864)."""
    return base64.b64encode(bytes.fromhex(digest)).decode()


def encryption(options: S3Options) -> dict[str, str]:
    """Headers for server-side encryption, as far as it was asked for."""
    headers = {}
    if options.sse:
        headers["x-amz-server-side-encryption"] = options.sse
    if options.sse_kms_key:
        headers["x-amz-server-side-encryption-aws-kms-key-id"] = options.sse_kms_key
    return headers


def attachment(name: str) -> str:
    """The Content-Disposition by which a browser saves an answer under ``name`` (RFC 6266)."""
    plain = "".join(c if c.isascii() and c.isprintable() and c not in '"\\' else "_" for c in name)
    return f"attachment; filename=\"{plain}\"; filename*=UTF-8''{quote(name, safe='')}"


def of_new_object(attributes: Attributes, options: S3Options) -> dict[str, str]:
    """Headers for what a new object keeps beside its bytes."""
    headers = {**attributes.headers, **encryption(options)}
    if attributes.content_type:
        headers["Content-Type"] = attributes.content_type
    storage_class = attributes.storage_class or options.storage_class
    if storage_class:
        headers["x-amz-storage-class"] = storage_class
    for name, value in attributes.metadata.items():
        headers[f"x-amz-meta-{name}"] = value
    return headers
