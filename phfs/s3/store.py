"""The store port: the few things PHFS asks of an object store.

Owns the interface only. Implemented by ``client`` (S3 over HTTP) and ``memory``; wrapped by
``retry``, ``journal``, ``prefix`` and ``faults``, each of which is a ``Store`` itself. Called by
``vfs``. All of them pass the contract suite in ``tests/contract``.

Every method raises ``StoreError`` and nothing else. A method that was cancelled has, when it
returns, let go of every buffer it was lent.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple, Protocol

from phfs.core.objects import (
    Attributes,
    ByteRange,
    ETag,
    ObjectInfo,
    Page,
    Part,
    Stored,
    UploadId,
)
from phfs.errors import StoreError

Body = Sequence[bytes | bytearray | memoryview]
"""The bytes of an object or a part as a list of chunks, sent one after the other, never joined."""

MAX_SINGLE_COPY = 5 * 1024**3
"""Largest object CopyObject takes, and largest UploadPartCopy range (S3 API reference)."""

MAX_PARTS = 10_000
"""Most parts of a multipart upload (S3 API reference)."""

MIN_PART = 5 * 1024**2
"""Least size of every part but the last (S3 API reference)."""

MAX_DELETE = 1_000
"""Most keys of one DeleteObjects request (S3 API reference)."""


class Sink(Protocol):
    """Where the bytes of a range go, and who wants to know how far they have come."""

    def space(self, start: int, stop: int) -> memoryview:
        """Where the bytes ``start <= i < stop`` of the range go: writable, from ``start`` on, as
        many of them as lie together. Those before ``start`` are there. Called from any thread."""

    @property
    def cancelled(self) -> bool:
        """True when nobody wants the rest: the store stops soon and raises ``TimedOut``."""

    @property
    def awaited(self) -> int:
        """Up to where somebody waits for the bytes now, 0 if nobody does. A hint: a store that
        fills more in one step lets them wait longer."""

    def advance(self, filled: int) -> None:
        """The first ``filled`` bytes of the range are there. Called from any thread; cheap."""


class Described(NamedTuple):
    """A HEAD's whole answer. ``encryption``: how the store encrypts it, as S3 calls it, and
    ``encryption_key`` by which key; empty where it says nothing."""

    info: ObjectInfo
    attributes: Attributes
    tag_count: int = 0
    encryption: str = ""
    encryption_key: str = ""


class Kept(NamedTuple):
    """What the store keeps by which the bytes of an object, or of one of its parts, can be checked.

    ``sums``: those of all its bytes, big-endian, by the names of their headers
    (``x-amz-checksum-…``). ``parts``: of how many the object was made, 0 if that is not told.
    ``sealed``: it is encrypted with a key of its own, so that its ETag is no MD5.
    """

    etag: ETag
    size: int
    sums: Mapping[str, int] = {}
    parts: int = 0
    sealed: bool = False


class DeleteFailure(NamedTuple):
    """One key that DeleteObjects did not delete, and why."""

    key: str
    error: StoreError


class Store(Protocol):
    """An object store seen through one bucket."""

    async def head(self, key: str) -> Described:
        """Describe an object. Raises ``NoSuchKey``, ``AccessDenied``."""

    async def kept(self, key: str, *, part: int = 0) -> Kept:
        """What there is to check an object's bytes by, or those of one part (from 1) of the upload
        it was made by. Raises ``NoSuchKey``, and what not, where a store knows no parts."""

    async def get(
        self, key: str, byte_range: ByteRange, sink: Sink, *, if_match: ETag, whole: bool = False
    ) -> None:
        """Read a non-empty range inside the object into ``sink``, all of it or an error.

        ``whole``: the range is all of the object. What the store knows of the object's checksum is
        then checked before the first byte is reported.

        Raises ``PreconditionFailed`` when the object's version is not ``if_match``, ``NoSuchKey``,
        ``Corrupted`` when fewer bytes came than the range has, or others than were stored.
        """

    async def list_page(
        self,
        prefix: str,
        *,
        delimiter: str = "",
        token: str | None = None,
        start_after: str = "",
        limit: int = 1000,
    ) -> Page:
        """One page of keys that start with ``prefix``, rolled up at ``delimiter``, in byte order.

        Keys and prefixes come whole (with ``prefix``). A prefix nobody has is an empty page.
        """

    async def put(
        self, key: str, body: Body, attributes: Attributes, *, if_none_match: bool = False
    ) -> Stored:
        """Store an object whole. ``if_none_match``: ``PreconditionFailed`` if there is one."""

    async def copy(self, source: str, target: str, *, if_match: ETag) -> Stored:
        """Copy at most ``MAX_SINGLE_COPY`` bytes inside the store, keeping type, metadata, tags
        and storage class. Raises ``PreconditionFailed``, ``NoSuchKey``."""

    async def delete(self, key: str) -> None:
        """Delete an object; one that is not there is no error."""

    async def delete_many(self, keys: Sequence[str]) -> list[DeleteFailure]:
        """Delete any number of objects; return those that could not be."""

    async def tags(self, key: str) -> str:
        """An object's tags in the form of the ``x-amz-tagging`` header (URL-encoded pairs)."""

    async def create_upload(
        self, key: str, attributes: Attributes, *, tagging: str = "", summed: bool = False
    ) -> UploadId:
        """Begin a multipart upload. ``summed``: all its parts will come by ``put_part``, so that
        the store can keep the checksum of the whole."""

    async def put_part(self, key: str, upload: UploadId, number: int, body: Body) -> Part:
        """Upload part ``number`` (from 1), with a checksum the store verifies."""

    async def copy_part(
        self,
        key: str,
        upload: UploadId,
        number: int,
        source: str,
        byte_range: ByteRange,
        *,
        if_match: ETag,
    ) -> Part:
        """Make part ``number`` from a range of an existing object, inside the store."""

    async def complete_upload(
        self, key: str, upload: UploadId, parts: Sequence[Part], *, if_none_match: bool = False
    ) -> Stored:
        """Publish the parts, in order, as the object. Raises ``NoSuchUpload``, and with
        ``if_none_match`` ``PreconditionFailed``."""

    async def abort_upload(self, key: str, upload: UploadId) -> None:
        """Throw an upload away; one that is not there is no error."""
