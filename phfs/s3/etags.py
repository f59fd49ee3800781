"""How S3 makes an ETag, so that a client can tell whether an object is the one it sent.

Owns the two formulas (S3 API reference, "Checking object integrity"): the MD5 of the body, and for
a multipart upload the MD5 of the parts' MD5s with the number of parts. Stores that encrypt use
other tags: these functions are for comparing, never for naming. Called by ``memory`` and ``retry``.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable

from phfs.core.objects import ETag, Part

_MD5 = re.compile(r"[0-9a-f]{32}")


def body_etag(body: Iterable[bytes | bytearray | memoryview]) -> ETag:
    """The ETag of an object or a part stored in one request, given as chunks."""
    digest = hashlib.md5(usedforsecurity=False)
    for chunk in body:
        digest.update(chunk)
    return ETag(digest.hexdigest())


def multipart_etag(parts: Iterable[Part]) -> ETag | None:
    """The ETag of an object completed from ``parts``, None if a part's ETag is no MD5."""
    digest = hashlib.md5(usedforsecurity=False)
    count = 0
    for part in parts:
        if not _MD5.fullmatch(part.etag):
            return None
        digest.update(bytes.fromhex(part.etag))
        count += 1
    return ETag(f"{digest.hexdigest()}-{count}")
