"""The values every layer speaks of: object, version, byte range, stored result.

Owns no behaviour beyond simple arithmetic. Keys are ``str``; whether they are relative to the
group's prefix depends on the layer (everything above ``s3/prefix.py`` sees relative keys).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple, NewType

ETag = NewType("ETag", str)
"""An object version's tag, without the quotes HTTP puts around it."""

UploadId = NewType("UploadId", str)
"""The store's name for one multipart upload."""


class ByteRange(NamedTuple):
    """The bytes ``start <= i < stop`` of an object."""

    start: int
    stop: int

    @property
    def size(self) -> int:
        """Bytes in the range."""
        return self.stop - self.start


class ObjectInfo(NamedTuple):
    """One version of one object, as a HEAD, a GET or a listing tells it.

    ``size`` in bytes; ``modified`` in whole seconds since the epoch (listings tell milliseconds,
    HEAD whole seconds: cut, so that both give the same figure).
    """

    key: str
    size: int
    etag: ETag
    modified: int


class Attributes(NamedTuple):
    """What is kept beside an object's bytes, and carried along by a copy."""

    content_type: str | None = None
    storage_class: str | None = None
    metadata: Mapping[str, str] = {}
    headers: Mapping[str, str] = {}
    """Cache-Control, Content-Disposition, Content-Encoding, Content-Language, Expires."""


class Stored(NamedTuple):
    """What the store says after it has taken an object: the version, and when (epoch seconds)."""

    etag: ETag
    modified: int


class Part(NamedTuple):
    """One part of a multipart upload: number from 1, its ETag, size in bytes, checksum (base64)."""

    number: int
    etag: ETag
    size: int
    checksum: str | None = None


class Page(NamedTuple):
    """One page of a listing, in key order; ``next_token`` is None on the last one."""

    objects: list[ObjectInfo]
    prefixes: list[str]
    next_token: str | None
