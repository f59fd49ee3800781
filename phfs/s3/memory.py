"""An object store in memory with the semantics of S3, exact where a client can tell.

Owns its objects and its multipart uploads. Never touches the network, the disk or a clock of its
own (the wall clock is handed in). Used by tests and demonstrations, and by whoever tries something
built on the port. The rules are those of the S3 API reference (ListObjectsV2, CopyObject,
UploadPart, CompleteMultipartUpload).
"""

from __future__ import annotations

import base64
import bisect
import itertools
import zlib
from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from urllib.parse import parse_qsl

import trio
from awscrt.checksums import crc32c  # type: ignore[import-untyped]

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
from phfs.errors import (
    Corrupted,
    InvalidRequest,
    NoSuchKey,
    NoSuchUpload,
    PreconditionFailed,
    StoreError,
    TimedOut,
)
from phfs.s3 import rules
from phfs.s3.etags import body_etag, multipart_etag
from phfs.s3.held import MemoryObject, MemoryUpload
from phfs.s3.sink import pour
from phfs.s3.store import (
    MAX_PARTS,
    MAX_SINGLE_COPY,
    MIN_PART,
    Body,
    DeleteFailure,
    Described,
    Kept,
    Sink,
)

MAX_ENTRIES = 1000
"""Most entries of one page of a listing, whatever was asked for (ListObjectsV2)."""


class MemoryStore:
    """A ``Store`` whose objects live in this process; each call is atomic.

    ``now`` gives the wall clock in epoch seconds. ``min_part`` is the least size in bytes of every
    part but the last, checked when the upload is completed.
    """

    def __init__(self, now: Callable[[], float], *, min_part: int = MIN_PART) -> None:
        self._now = now
        self._min_part = min_part
        self._upload_numbers = itertools.count(1)
        self._objects: dict[str, MemoryObject] = {}
        self._sorted_keys: list[str] = []
        self._uploads: dict[UploadId, MemoryUpload] = {}

    @property
    def objects(self) -> Mapping[str, MemoryObject]:
        """The objects by key, seen live and without an ``await``."""
        return MappingProxyType(self._objects)

    @property
    def uploads(self) -> Mapping[UploadId, MemoryUpload]:
        """The multipart uploads under way, seen live."""
        return MappingProxyType(self._uploads)

    def set_tags(self, key: str, tagging: str) -> None:
        """Replace the tags of an object (PutObjectTagging); URL-encoded pairs."""
        self._objects[key] = self._find(key)._replace(tagging=tagging)

    async def head(self, key: str) -> Described:
        """Describe an object, its tags counted."""
        await trio.lowlevel.checkpoint()
        found = self._find(key)
        tag_count = len(parse_qsl(found.tagging, keep_blank_values=True))
        return Described(self._info(key), found.attributes, tag_count)

    async def kept(self, key: str, *, part: int = 0) -> Kept:
        """The CRC32C of all bytes; of parts nothing is known any more."""
        await trio.lowlevel.checkpoint()
        found = self._find(key)
        if part:
            raise InvalidRequest(f"{key}: its parts are not known any more")
        sums = {"x-amz-checksum-crc32c": crc32c(found.data)}
        return Kept(found.etag, len(found.data), sums, int(found.etag.partition("-")[2] or 0))

    async def get(
        self, key: str, byte_range: ByteRange, sink: Sink, *, if_match: ETag, whole: bool = False
    ) -> None:
        """Fill the sink in one step; a range beyond the end gives what there is and fails."""
        await trio.lowlevel.checkpoint()
        data = self._find(key, if_match).data
        if whole and byte_range != (0, len(data)):
            raise Corrupted(f"{key}: {len(data)} bytes came instead of {byte_range.size}")
        if not 0 <= byte_range.start < min(byte_range.stop, len(data)):
            raise InvalidRequest(f"{key}: has no bytes in {byte_range.start}-{byte_range.stop}")
        if sink.cancelled:
            raise TimedOut(f"{key}: nobody waits for the answer any more")
        piece = memoryview(data)[byte_range.start : byte_range.stop]
        pour(piece, sink)
        if len(piece) < byte_range.size:
            raise Corrupted(f"{key}: {len(piece)} bytes came instead of {byte_range.size}")

    async def list_page(
        self,
        prefix: str,
        *,
        delimiter: str = "",
        token: str | None = None,
        start_after: str = "",
        limit: int = MAX_ENTRIES,
    ) -> Page:
        """One page in byte order. A rolled-up prefix counts as one entry; it is not listed when
        it is not greater than ``start_after``, even if keys below it are."""
        await trio.lowlevel.checkpoint()
        if limit < 0:
            raise InvalidRequest(f"a listing cannot have {limit} entries")
        room = min(limit, MAX_ENTRIES)
        page = Page([], [], None)
        last = start_after if token is None else rules.entry_before(token)
        for name, rolled in rules.list_names(self._sorted_keys, prefix, delimiter, last):
            if room == 0:
                return page._replace(next_token=rules.token_after(last)) if limit else page
            if rolled:
                page.prefixes.append(name)
            else:
                page.objects.append(self._info(name))
            room -= 1
            last = name
        return page

    async def put(
        self, key: str, body: Body, attributes: Attributes, *, if_none_match: bool = False
    ) -> Stored:
        """Store an object whole."""
        await trio.lowlevel.checkpoint()
        rules.check_key(key)
        if if_none_match:
            self._check_free(key)
        kept = rules.kept_attributes(attributes)
        return self._store(key, b"".join(body), body_etag(body), kept, "")

    async def copy(self, source: str, target: str, *, if_match: ETag) -> Stored:
        """Copy an object; as in S3, the copy of a multipart object has the ETag of a plain one."""
        await trio.lowlevel.checkpoint()
        rules.check_key(target)
        found = self._find(source, if_match)
        if source == target:
            raise InvalidRequest(f"{source}: an object is not copied to itself without a change")
        if len(found.data) > MAX_SINGLE_COPY:
            raise InvalidRequest(f"{source}: is too large to be copied in one request")
        etag = body_etag([found.data])
        return self._store(target, found.data, etag, found.attributes, found.tagging)

    async def delete(self, key: str) -> None:
        """Delete an object, there or not."""
        await trio.lowlevel.checkpoint()
        self._delete(key)

    async def delete_many(self, keys: Sequence[str]) -> list[DeleteFailure]:
        """Delete objects; only keys that cannot exist fail."""
        await trio.lowlevel.checkpoint()
        failures = []
        for key in keys:
            try:
                self._delete(key)
            except StoreError as error:
                failures.append(DeleteFailure(key, error))
        return failures

    async def tags(self, key: str) -> str:
        """The tags as they were given."""
        await trio.lowlevel.checkpoint()
        return self._find(key).tagging

    async def create_upload(
        self, key: str, attributes: Attributes, *, tagging: str = "", summed: bool = False
    ) -> UploadId:
        """Begin a multipart upload; ids are never used twice, and sums are always known."""
        del summed
        await trio.lowlevel.checkpoint()
        rules.check_key(key)
        upload = UploadId(f"memory-{next(self._upload_numbers)}")
        self._uploads[upload] = MemoryUpload(key, rules.kept_attributes(attributes), tagging)
        return upload

    async def put_part(self, key: str, upload: UploadId, number: int, body: Body) -> Part:
        """Keep a part; one of the same number is replaced."""
        await trio.lowlevel.checkpoint()
        return self._keep_part(key, upload, number, b"".join(body))

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
        """Keep a part made of a range that lies wholly inside ``source``."""
        await trio.lowlevel.checkpoint()
        data = self._find(source, if_match).data
        if not 0 <= byte_range.start < byte_range.stop <= len(data):
            raise InvalidRequest(f"{source}: has no bytes {byte_range.start}-{byte_range.stop}")
        if byte_range.size > MAX_SINGLE_COPY:
            raise InvalidRequest(f"{source}: the range is too large to be copied in one request")
        return self._keep_part(key, upload, number, data[byte_range.start : byte_range.stop])

    async def complete_upload(
        self, key: str, upload: UploadId, parts: Sequence[Part], *, if_none_match: bool = False
    ) -> Stored:
        """Publish the parts; a refusal leaves the upload as it was."""
        await trio.lowlevel.checkpoint()
        under_way = self._find_upload(key, upload)
        rules.check_parts(parts, under_way.parts, self._min_part)
        if if_none_match:
            self._check_free(key)
        etag = multipart_etag(parts)
        assert etag is not None
        data = b"".join(under_way.data[part.number] for part in parts)
        stored = self._store(key, data, etag, under_way.attributes, under_way.tagging)
        del self._uploads[upload]
        return stored

    async def abort_upload(self, key: str, upload: UploadId) -> None:
        """Forget an upload and its parts."""
        await trio.lowlevel.checkpoint()
        under_way = self._uploads.get(upload)
        if under_way is not None and under_way.key == key:
            del self._uploads[upload]

    def _find(self, key: str, if_match: ETag | None = None) -> MemoryObject:
        rules.check_key(key)
        found = self._objects.get(key)
        if found is None:
            raise NoSuchKey(f"{key}: there is no such object")
        if if_match is not None and found.etag != if_match:
            raise PreconditionFailed(f"{key}: is {found.etag} now, not {if_match}")
        return found

    def _info(self, key: str) -> ObjectInfo:
        found = self._objects[key]
        return ObjectInfo(key, len(found.data), found.etag, found.modified)

    def _check_free(self, key: str) -> None:
        if key in self._objects:
            raise PreconditionFailed(f"{key}: exists already")

    def _store(
        self, key: str, data: bytes, etag: ETag, attributes: Attributes, tagging: str
    ) -> Stored:
        stored = Stored(etag, int(self._now()))
        if key not in self._objects:
            bisect.insort(self._sorted_keys, key)
        self._objects[key] = MemoryObject(data, etag, stored.modified, attributes, tagging)
        return stored

    def _delete(self, key: str) -> None:
        rules.check_key(key)
        if self._objects.pop(key, None) is not None:
            del self._sorted_keys[bisect.bisect_left(self._sorted_keys, key)]

    def _find_upload(self, key: str, upload: UploadId) -> MemoryUpload:
        rules.check_key(key)
        under_way = self._uploads.get(upload)
        if under_way is None or under_way.key != key:
            raise NoSuchUpload(f"{key}: the upload {upload} is not under way")
        return under_way

    def _keep_part(self, key: str, upload: UploadId, number: int, data: bytes) -> Part:
        under_way = self._find_upload(key, upload)
        if not 1 <= number <= MAX_PARTS:
            raise InvalidRequest(f"a part's number is 1 to {MAX_PARTS}, not {number}")
        checksum = base64.b64encode(zlib.crc32(data).to_bytes(4, "big")).decode()
        part = Part(number, body_etag([data]), len(data), checksum)
        under_way.parts[number] = part
        under_way.data[number] = data
        return part
