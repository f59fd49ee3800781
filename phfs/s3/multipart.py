"""The half of the client that is about multipart uploads, and what looking makes up for.

Owns S3's requests of a multipart upload, and the looks before and after where a store is not known
to obey a condition. Called as part of ``client.S3Store``.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager

from botocore.credentials import Credentials

from phfs.core.objects import Attributes, ByteRange, ETag, Part, Stored, UploadId
from phfs.errors import (
    Corrupted,
    InvalidRequest,
    NoSuchKey,
    NoSuchUpload,
    NotSupported,
    PreconditionFailed,
)
from phfs.s3 import answers, headers, rules, xml
from phfs.s3.answers import Reply
from phfs.s3.capabilities import Capabilities, Promise, Verdict
from phfs.s3.endpoint import encode_key
from phfs.s3.etags import multipart_etag
from phfs.s3.exchange import Request
from phfs.s3.options import S3Options
from phfs.s3.requests import Requests
from phfs.s3.store import Body, Described, Kept

_OF_PARTS = {"x-amz-checksum-algorithm": "CRC32C"}

_WHOLE = {**_OF_PARTS, "x-amz-checksum-type": "FULL_OBJECT"}
"""Announces parts with their CRC32C, of which the store makes that of the object and keeps it."""


class MultipartClient:
    """A bucket over HTTP, as far as uploads in parts need it."""

    def __init__(self, options: S3Options, credentials: Credentials) -> None:
        self.capabilities = Capabilities()
        self._options = options
        self._announces = True
        self._requests = Requests(options, credentials, self.capabilities)

    async def head(self, key: str) -> Described:
        """HeadObject."""
        reply = await self._requests.ask("head", Request("HEAD", checked(key)))
        return answers.described(key, reply.headers)

    async def kept(self, key: str, *, part: int = 0) -> Kept:
        """HeadObject with the checksums."""
        query = {"partNumber": str(part)} if part else {}
        fields = {"x-amz-checksum-mode": "ENABLED"}
        reply = await self._requests.ask("head", Request("HEAD", checked(key), query, fields))
        return answers.kept(key, reply.headers)

    async def create_upload(
        self, key: str, attributes: Attributes, *, tagging: str = "", summed: bool = False
    ) -> UploadId:
        """CreateMultipartUpload; without the announcement if the store knows none."""
        if summed and self._announces:
            try:
                return await self._create_upload(key, attributes, tagging, _WHOLE)
            except (NotSupported, InvalidRequest):
                self._announces = False
        # AWS takes parts with a CRC32C only into an upload that announced them. MinIO checks them
        # anyway, and refuses copied parts, which have none, in an upload that did.
        sums = _OF_PARTS if self._requests.exchange.on_aws else {}
        return await self._create_upload(key, attributes, tagging, sums)

    async def _create_upload(
        self, key: str, attributes: Attributes, tagging: str, sums: Mapping[str, str]
    ) -> UploadId:
        fields = headers.of_new_object(attributes, self._options)
        if tagging:
            fields["x-amz-tagging"] = tagging
        fields.update(sums)
        request = Request("POST", checked(key), {"uploads": ""}, fields, repeatable=False)
        reply = await self._requests.ask("create_upload", request)
        upload = xml.fields(xml.parse(reply.body)).get("UploadId")
        if not upload:
            raise Corrupted(f"{key}: the object store began an upload without naming it")
        return UploadId(upload)

    async def put_part(self, key: str, upload: UploadId, number: int, body: Body) -> Part:
        """UploadPart with a checksum."""
        query = {"partNumber": str(number), "uploadId": upload}
        reply = await self._requests.send_body("put_part", checked(key), query, {}, body)
        etag = answers.etag_of(key, reply.headers)
        return Part(number, etag, sum(map(len, body)), reply.headers.get(headers.CHECKSUM))

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
        """UploadPartCopy. A version that is still there afterwards was there meanwhile."""
        fields = self._source(source, if_match)
        fields["x-amz-copy-source-range"] = f"bytes={byte_range.start}-{byte_range.stop - 1}"
        query = {"partNumber": str(number), "uploadId": upload}
        request = Request("PUT", checked(key), query, fields)
        with self._judging(Promise.COPY):
            reply = await self._requests.ask("copy_part", request, source, patient=True)
        if not self.capabilities.keeps(Promise.COPY):
            await self._still(source, if_match)
        result = xml.fields(xml.parse(reply.body))
        etag = xml.unquoted(result.get("ETag", ""))
        return Part(number, etag, byte_range.size, result.get("ChecksumCRC32C"))

    async def complete_upload(
        self, key: str, upload: UploadId, parts: Sequence[Part], *, if_none_match: bool = False
    ) -> Stored:
        """CompleteMultipartUpload."""
        query, body = {"uploadId": upload}, [xml.completion(parts)]

        async def complete(condition: Mapping[str, str]) -> Stored:
            fields = {"Content-Type": "application/xml", **condition}
            request = Request("POST", checked(key), query, fields, body, repeatable=False)
            reply = await self._requests.ask("complete_upload", request, patient=True)
            return await self._made(key, reply, parts)

        if if_none_match:
            return await self._if_new(Promise.COMPLETE, key, complete)
        return await complete({})

    async def abort_upload(self, key: str, upload: UploadId) -> None:
        """AbortMultipartUpload."""
        request = Request("DELETE", checked(key), {"uploadId": upload})
        try:
            await self._requests.ask("abort_upload", request)
        except NoSuchUpload:
            return

    async def _made(self, key: str, reply: Reply, parts: Sequence[Part]) -> Stored:
        """The version a completion made. Some stores do not say it: then it is looked up."""
        stored = result_of(reply)
        if stored.etag:
            return stored
        expected = multipart_etag(parts)
        try:
            info = (await self.head(key)).info
        except NoSuchKey:
            info = None
        if info is not None:
            known = info.etag == expected
            if known or (expected is None and info.size == sum(part.size for part in parts)):
                return Stored(info.etag, info.modified)
        if expected is None:
            raise unnamed(key)
        return stored._replace(etag=expected)  # replaced or removed by somebody else since

    async def _if_new(
        self, promise: Promise, key: str, store: Callable[[Mapping[str, str]], Awaitable[Stored]]
    ) -> Stored:
        """Store what must not be there yet, and look before and after if that has to be."""
        trusted = self.capabilities.keeps(promise)
        if not trusted and await self._version(key) is not None:
            raise PreconditionFailed(f"{key}: is there already")
        stored = await self._on_condition(promise, store)
        if not trusted and await self._version(key) not in (stored.etag, None):
            raise PreconditionFailed(f"{key}: was made by somebody else in the same instant")
        return stored

    async def _on_condition(
        self, promise: Promise, store: Callable[[Mapping[str, str]], Awaitable[Stored]]
    ) -> Stored:
        if not self.capabilities.refused(promise):
            try:
                with self._judging(promise):
                    return await store({"If-None-Match": "*"})
            except NotSupported:
                self.capabilities.found(promise, Verdict.REFUSED)
        return await store({})

    @contextmanager
    def _judging(self, promise: Promise) -> Iterator[None]:
        """Inside, a condition is sent: a refusal because of it shows that it is obeyed."""
        try:
            yield
        except PreconditionFailed:
            self.capabilities.found(promise, Verdict.KEPT)
            raise

    async def _still(self, source: str, version: ETag) -> None:
        """Raise unless the source of a copy still is what was to be copied."""
        found = await self._version(source)
        if found != version:
            self.capabilities.found(Promise.COPY, Verdict.IGNORED)
            raise PreconditionFailed(f"{source}: is {found or 'gone'} now, not {version}")

    async def _version(self, key: str) -> ETag | None:
        """The version under the key now, None if there is nothing."""
        try:
            return (await self.head(key)).info.etag
        except NoSuchKey:
            return None

    def _source(self, key: str, if_match: ETag) -> dict[str, str]:
        """The headers that name the version to copy."""
        return {
            "x-amz-copy-source": f"/{self._options.bucket}/{encode_key(checked(key))}",
            "x-amz-copy-source-if-match": f'"{if_match}"',
        }


def checked(key: str) -> str:
    """``key``, if it can be one: a HEAD's answer would not say why it cannot."""
    rules.check_key(key)
    return key


def result_of(reply: Reply) -> Stored:
    """What the XML of a copy or a completed upload says; the ETag is empty if it does not."""
    found = xml.fields(xml.parse(reply.body))
    moment = found.get("LastModified")
    try:
        modified = xml.seconds(moment) if moment else answers.moment_of(reply.headers, "Date")
    except ValueError:
        modified = answers.moment_of(reply.headers, "Date")
    return Stored(xml.unquoted(found.get("ETag", "")), modified)


def unnamed(key: str) -> Corrupted:
    """The error when the store does not name what it made."""
    return Corrupted(f"{key}: the object store does not say which version it made")
