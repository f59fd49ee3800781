"""The object store over HTTP: Amazon S3, MinIO, and what resembles them.

Owns the requests of the port, but for uploads in parts (``multipart``), and the counters. Never
asks again by itself (``retry`` does) and keeps no object. What is sent and read is in ``exchange``,
where it runs in ``requests``, what the store turned out not to support in ``capabilities``.
"""

from __future__ import annotations

import base64
import hashlib
import logging
from collections.abc import Mapping, Sequence
from urllib.parse import urlencode

from botocore.credentials import Credentials

from phfs.core.objects import Attributes, ByteRange, ETag, Page, Stored
from phfs.errors import (
    Corrupted,
    InvalidRequest,
    NoSuchKey,
    NotSupported,
    PreconditionFailed,
    ServerFault,
    StoreError,
)
from phfs.s3 import answers, headers, xml
from phfs.s3.capabilities import Promise
from phfs.s3.exchange import Request
from phfs.s3.multipart import MultipartClient, checked, result_of, unnamed
from phfs.s3.options import S3Options
from phfs.s3.ranges import Wanted
from phfs.s3.sign import Link
from phfs.s3.store import MAX_DELETE, Body, DeleteFailure, Sink
from phfs.s3.underway import UnderWay

log = logging.getLogger(__name__)

LISTED = 512
"""Bytes that an entry of a listing takes, about."""


class S3Store(MultipartClient):
    """A ``Store`` that speaks S3's REST interface.

    ``credentials`` are botocore's, see ``phfs.s3.control``. Close it with ``close``.
    ``capabilities``: what the store has shown to keep of S3's promises.
    """

    def __init__(self, options: S3Options, credentials: Credentials) -> None:
        super().__init__(options, credentials)
        self._deletes_many = True

    @property
    def counters(self) -> Mapping[str, int]:
        """What was asked of the store so far, see ``Requests``."""
        return self._requests.counters

    @property
    def under_way(self) -> UnderWay:
        """The requests of this moment, and the slowest of the last minutes."""
        return self._requests.under_way

    @property
    def waiting(self) -> int:
        """Requests that wait for others to end before they are sent."""
        return self._requests.waiting

    def link(self, key: str, seconds: int, download_name: str = "") -> Link:
        """An address by which anybody may get an object for so many seconds; ``download_name`` is
        what a browser saves it as. May block. Raises ``BadCredentials``."""
        query = {}
        if download_name:
            query["response-content-disposition"] = headers.attachment(download_name)
        return self._requests.exchange.link(checked(key), query, seconds)

    def url(self, key: str) -> str:
        """The address of an object, by which it is got with a signature only."""
        return self._requests.exchange.url(checked(key))

    def close(self) -> None:
        """Close the connections; requests under way still end."""
        self._requests.exchange.close()

    async def get(
        self, key: str, byte_range: ByteRange, sink: Sink, *, if_match: ETag, whole: bool = False
    ) -> None:
        """GetObject, each piece into the sink as it comes."""
        if not 0 <= byte_range.start < byte_range.stop:
            raise InvalidRequest(f"{key}: has no bytes in {byte_range.start}-{byte_range.stop}")
        wanted = Wanted(byte_range, sink, if_match, whole)
        request = Request("GET", checked(key), headers=wanted.headers())
        watch = self._requests.watch(key, sink)
        await self._requests.run(
            "get",
            watch,
            lambda inline: self._requests.exchange.fetch(request, wanted, watch, inline=inline),
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
        """PutObject with a checksum."""

        async def put(condition: Mapping[str, str]) -> Stored:
            fields = {**headers.of_new_object(attributes, self._options), **condition}
            reply = await self._requests.send_body("put", checked(key), {}, fields, body)
            return answers.stored(key, reply.headers)

        return await self._if_new(Promise.CREATE, key, put) if if_none_match else await put({})

    async def copy(self, source: str, target: str, *, if_match: ETag) -> Stored:
        """CopyObject. Of what is to stay, only the storage class has to be said."""
        described = await self.head(source)
        if described.info.etag != if_match:
            # Not every store looks at the condition of a copy.
            raise PreconditionFailed(f"{source}: is {described.info.etag} now, not {if_match}")
        fields = {**self._source(source, if_match), **headers.encryption(self._options)}
        if described.attributes.storage_class:
            fields["x-amz-storage-class"] = described.attributes.storage_class
        request = Request("PUT", checked(target), headers=fields)
        subject = f"{source}, copied to {target}"
        with self._judging(Promise.COPY):
            reply = await self._requests.ask("copy", request, subject, patient=True)
        copied = result_of(reply)
        if not copied.etag:
            raise unnamed(target)
        if copied.etag != if_match and not self.capabilities.keeps(Promise.COPY):
            await self._still(source, if_match)
        return copied

    async def delete(self, key: str) -> None:
        """DeleteObject."""
        try:
            await self._requests.ask("delete", Request("DELETE", checked(key)))
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
        """GetObjectTagging. Some stores answer by nothing for an object without tags."""
        reply = await self._requests.ask("tags", Request("GET", checked(key), {"tagging": ""}))
        return urlencode(xml.tags(xml.parse(reply.body))) if reply.body else ""

    async def _delete_batch(self, keys: list[str]) -> list[DeleteFailure]:
        """One request. MinIO and radosgw do what the body says before they have compared it with
        its digest: what became of each key is read in the answer, and believed of no other."""
        body = xml.deletion(keys)
        digest = hashlib.md5(body, usedforsecurity=False).digest()
        fields = {"Content-MD5": base64.b64encode(digest).decode()}
        request = Request("POST", None, {"delete": ""}, fields, [body])
        reply = await self._requests.ask("delete_many", request, patient=True)
        root = xml.parse(reply.body)
        wanted = {xml.read_back(key): key for key in keys}
        gone = {xml.read_back(key) for key in xml.deleted(root)}
        failed = {xml.read_back(each.key): each for each in xml.failures(root)}
        failures = [
            DeleteFailure(wanted[name], answers.error_of(wanted[name], 500, each))
            for name, each in failed.items()
            if name in wanted and each.code not in ("NoSuchKey", "NoSuchVersion")
        ]
        told = gone | failed.keys()
        strangers = sorted(told - wanted.keys())
        for stranger in strangers:
            log.error("the object store answers a deletion of %r, which nobody asked for", stranger)
        if gone or strangers:  # or it is a store that tells failures only
            missing = [key for name, key in wanted.items() if name not in told]
            failures += [DeleteFailure(key, _unanswered(key)) for key in missing]
        return failures


def _unanswered(key: str) -> Corrupted:
    return Corrupted(f"{key}: the object store does not say whether it has deleted it")
