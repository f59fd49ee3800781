"""The object store over HTTP: Amazon S3, MinIO, and what resembles them.

Owns the requests of the port, what the store turned out not to support, and the counters. Never
asks again by itself (``retry`` does) and keeps no object. What is sent and read is in ``exchange``,
where it runs in ``requests``.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Awaitable, Callable, Mapping, Sequence
from urllib.parse import urlencode

from botocore.credentials import Credentials

from phfs.core.objects import Attributes, ByteRange, ETag, Page, Part, Stored, UploadId
from phfs.errors import (
    Corrupted,
    InvalidRequest,
    NoSuchKey,
    NoSuchUpload,
    NotSupported,
    PreconditionFailed,
    ServerFault,
    StoreError,
)
from phfs.s3 import answers, headers, rules, xml
from phfs.s3.answers import Reply
from phfs.s3.endpoint import encode_key
from phfs.s3.exchange import Request
from phfs.s3.options import S3Options
from phfs.s3.requests import Requests
from phfs.s3.store import MAX_DELETE, Body, DeleteFailure, Described, Sink

LISTED = 512
"""Bytes that an entry of a listing takes, about."""


class S3Store:
    """A ``Store`` that speaks S3's REST interface.

    ``credentials`` are botocore's, see ``phfs.s3.control``. Close it with ``close``.
    """

    def __init__(self, options: S3Options, credentials: Credentials) -> None:
        self._options = options
        self._requests = Requests(options, credentials)
        self._deletes_many = True
        self._conditions = True
        """Whether the store takes ``If-None-Match`` (it was not refused yet)."""

    @property
    def counters(self) -> Mapping[str, int]:
        """What was asked of the store so far, see ``Requests``."""
        return self._requests.counters

    def close(self) -> None:
        """Close the connections; requests under way still end."""
        self._requests.exchange.close()

    async def head(self, key: str) -> Described:
        """HeadObject."""
        reply = await self._requests.ask("head", Request("HEAD", _checked(key)))
        return answers.described(key, reply.headers)

    async def get(self, key: str, byte_range: ByteRange, sink: Sink, *, if_match: ETag) -> None:
        """GetObject, each piece into the sink's buffer as it comes."""
        if not 0 <= byte_range.start < byte_range.stop:
            raise InvalidRequest(f"{key}: has no bytes in {byte_range.start}-{byte_range.stop}")
        fields = {
            "Range": f"bytes={byte_range.start}-{byte_range.stop - 1}",
            "If-Match": f'"{if_match}"',
        }
        request = Request("GET", _checked(key), headers=fields)
        watch = self._requests.watch(key, sink)
        await self._requests.run(
            "get",
            watch,
            lambda inline: self._requests.exchange.fetch(
                request, byte_range, sink, if_match, watch, inline=inline
            ),
            size=byte_range.size,
        )
        self._requests.counters["bytes.in"] += byte_range.size

    async def list_page(
        self,
        prefix: str,
        *,
        delimiter: str = "",
        token: str | None = None,
        start_after: str = "",
        limit: int = 1000,
    ) -> Page:
        """ListObjectsV2. A long answer is parsed in a worker thread."""
        if limit < 0:
            raise InvalidRequest(f"a listing cannot have {limit} entries")
        query = {"list-type": "2", "encoding-type": "url", "max-keys": str(limit)}
        if prefix:
            query["prefix"] = prefix
        if delimiter:
            query["delimiter"] = delimiter
        if token is not None:
            query["continuation-token"] = token
        elif start_after:
            query["start-after"] = start_after
        subject = f"bucket {self._options.bucket}, keys with {prefix!r}"
        request = Request("GET", None, query)
        page = await self._requests.parse("list", request, subject, xml.page, size=limit * LISTED)
        if token is not None and page.next_token == token:
            raise ServerFault(f"{subject}: the object store sent the same page again")
        return page

    async def put(
        self, key: str, body: Body, attributes: Attributes, *, if_none_match: bool = False
    ) -> Stored:
        """PutObject with a CRC32C."""

        async def put(condition: Mapping[str, str]) -> Stored:
            fields = {**headers.of_new_object(attributes, self._options), **condition}
            reply = await self._requests.send_body("put", _checked(key), {}, fields, body)
            return answers.stored(key, reply.headers)

        return await self._if_new(key, put) if if_none_match else await put({})

    async def copy(self, source: str, target: str, *, if_match: ETag) -> Stored:
        """CopyObject. Of what is to stay, only the storage class has to be said."""
        described = await self.head(source)
        if described.info.etag != if_match:
            # Not every store looks at the condition of a copy.
            raise PreconditionFailed(f"{source}: is {described.info.etag} now, not {if_match}")
        fields = {**self._source(source, if_match), **headers.encryption(self._options)}
        if described.attributes.storage_class:
            fields["x-amz-storage-class"] = described.attributes.storage_class
        request = Request("PUT", _checked(target), headers=fields)
        subject = f"{source}, copied to {target}"
        reply = await self._requests.ask("copy", request, subject, patient=True)
        return _result(target, reply)

    async def delete(self, key: str) -> None:
        """DeleteObject."""
        try:
            await self._requests.ask("delete", Request("DELETE", _checked(key)))
        except NoSuchKey:
            return

    async def delete_many(self, keys: Sequence[str]) -> list[DeleteFailure]:
        """DeleteObjects, a thousand at a time; one by one what XML or the store cannot do."""
        failures: list[DeleteFailure] = []
        single = [key for key in keys if not xml.can_hold(key)]
        many = [key for key in keys if xml.can_hold(key)]
        while many and self._deletes_many:
            batch, rest = many[:MAX_DELETE], many[MAX_DELETE:]
            try:
                failures += await self._delete_batch(batch)
            except NotSupported:
                self._deletes_many = False
                break
            many = rest
        for key in [*single, *many]:
            try:
                await self.delete(key)
            except StoreError as error:
                failures.append(DeleteFailure(key, error))
        return failures

    async def tags(self, key: str) -> str:
        """GetObjectTagging."""
        reply = await self._requests.ask("tags", Request("GET", _checked(key), {"tagging": ""}))
        return urlencode(xml.tags(xml.parse(reply.body)))

    async def create_upload(
        self, key: str, attributes: Attributes, *, tagging: str = ""
    ) -> UploadId:
        """CreateMultipartUpload."""
        fields = headers.of_new_object(attributes, self._options)
        if tagging:
            fields["x-amz-tagging"] = tagging
        if self._requests.exchange.on_aws:
            # AWS takes parts with a CRC32C only into an upload that announced them. MinIO checks
            # them anyway, and refuses copied parts, which have none, in an upload that did.
            fields["x-amz-checksum-algorithm"] = "CRC32C"
        request = Request("POST", _checked(key), {"uploads": ""}, fields, repeatable=False)
        reply = await self._requests.ask("create_upload", request)
        upload = xml.fields(xml.parse(reply.body)).get("UploadId")
        if not upload:
            raise Corrupted(f"{key}: the object store began an upload without naming it")
        return UploadId(upload)

    async def put_part(self, key: str, upload: UploadId, number: int, body: Body) -> Part:
        """UploadPart with a CRC32C."""
        query = {"partNumber": str(number), "uploadId": upload}
        reply = await self._requests.send_body("put_part", _checked(key), query, {}, body)
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
        """UploadPartCopy."""
        fields = self._source(source, if_match)
        fields["x-amz-copy-source-range"] = f"bytes={byte_range.start}-{byte_range.stop - 1}"
        query = {"partNumber": str(number), "uploadId": upload}
        request = Request("PUT", _checked(key), query, fields)
        reply = await self._requests.ask("copy_part", request, source, patient=True)
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
            request = Request("POST", _checked(key), query, fields, body, repeatable=False)
            return _result(key, await self._requests.ask("complete_upload", request, patient=True))

        return await self._if_new(key, complete) if if_none_match else await complete({})

    async def abort_upload(self, key: str, upload: UploadId) -> None:
        """AbortMultipartUpload."""
        try:
            await self._requests.ask(
                "abort_upload", Request("DELETE", _checked(key), {"uploadId": upload})
            )
        except NoSuchUpload:
            return

    async def _if_new(
        self, key: str, store: Callable[[Mapping[str, str]], Awaitable[Stored]]
    ) -> Stored:
        """Store what must not be there yet; a store without conditions is asked beforehand."""
        if self._conditions:
            try:
                return await store({"If-None-Match": "*"})
            except NotSupported:
                self._conditions = False
        try:
            await self.head(key)
        except NoSuchKey:
            return await store({})
        raise PreconditionFailed(f"{key}: is there already")

    async def _delete_batch(self, keys: list[str]) -> list[DeleteFailure]:
        body = xml.deletion(keys)
        digest = hashlib.md5(body, usedforsecurity=False).digest()
        fields = {"Content-MD5": base64.b64encode(digest).decode()}
        request = Request("POST", None, {"delete": ""}, fields, [body])
        reply = await self._requests.ask("delete_many", request, patient=True)
        found = xml.failures(xml.parse(reply.body))
        return [
            DeleteFailure(each.key, answers.error_of(each.key, 500, each))
            for each in found
            if each.code not in ("NoSuchKey", "NoSuchVersion")
        ]

    def _source(self, key: str, if_match: ETag) -> dict[str, str]:
        """The headers that name the version to copy."""
        return {
            "x-amz-copy-source": f"/{self._options.bucket}/{encode_key(_checked(key))}",
            "x-amz-copy-source-if-match": f'"{if_match}"',
        }


def _checked(key: str) -> str:
    """``key``, if it can be one: a HEAD's answer would not say why it cannot."""
    rules.check_key(key)
    return key


def _result(key: str, reply: Reply) -> Stored:
    """What the XML of a copy or a completed upload says."""
    found = xml.fields(xml.parse(reply.body))
    etag = xml.unquoted(found.get("ETag", ""))
    if not etag:
        raise Corrupted(f"{key}: the object store does not say which version it made")
    moment = found.get("LastModified")
    try:
        modified = xml.seconds(moment) if moment else answers.moment_of(reply.headers, "Date")
    except ValueError:
        modified = answers.moment_of(reply.headers, "Date")
    return Stored(etag, modified)
