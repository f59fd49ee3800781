"""One S3 request from its parts to its answer: signed, sent, checked, and its refusal understood.

Owns what is learned about the store on the way: its region and its clock. A refusal that says the
region or the time is wrong is corrected and the request sent once more; everything else is raised.
Called by ``requests`` and ``client``; ``inline`` everywhere as for ``Wire.attach``.
"""

from __future__ import annotations

import datetime
import email.utils
import re
import threading
from collections.abc import Awaitable, Callable, Mapping
from typing import NamedTuple, TypeVar

from botocore.credentials import Credentials

from phfs.core.objects import ByteRange, ETag
from phfs.errors import Corrupted, NotSupported, PreconditionFailed, TimedOut
from phfs.s3 import xml
from phfs.s3.answers import Reply, error_of, failure_of
from phfs.s3.connect import Address
from phfs.s3.connection import Answer, Outgoing
from phfs.s3.endpoint import Endpoint, encode_query, endpoint_of, is_aws
from phfs.s3.http import Pool
from phfs.s3.options import S3Options
from phfs.s3.sign import Signer
from phfs.s3.store import Body, Sink
from phfs.s3.watch import Watch

FETCHED_PIECE = 4 * 1024 * 1024
"""The sink is told at multiples of this in the object, where the kernel's requests begin and end;
earlier if somebody waits for less."""

_REGION_STATUSES = frozenset({301, 307, 400})
_SKEW = datetime.timedelta(minutes=5)
"""A HEAD's refusal has no code: a clock further off than this is taken as its reason (S3 refuses
from 15 minutes on)."""

_CONTENT_RANGE = re.compile(r"bytes (\d+)-(\d+)/(?:\d+|\*)")

T = TypeVar("T")


class Request(NamedTuple):
    """An S3 request. ``key`` is None for one about the bucket. ``repeatable``: sending it twice is
    the same as once."""

    method: str
    key: str | None
    query: Mapping[str, str] = {}
    headers: Mapping[str, str] = {}
    body: Body = ()
    repeatable: bool = True


class Exchange:
    """Sends requests to one bucket. Any thread may use it."""

    def __init__(self, options: S3Options, credentials: Credentials) -> None:
        self._options = options
        self._signer = Signer(credentials, options.region)
        self._endpoint = self._find_endpoint(options.region)
        bundle = options.ca_bundle
        self._pool = Pool(None if bundle is None else str(bundle))
        self._learning = threading.Lock()

    @property
    def on_aws(self) -> bool:
        """Whether this is Amazon S3 itself."""
        return is_aws(self._endpoint.address.host)

    @property
    def may_inline(self) -> bool:
        """Whether requests can run on trio's thread: the keys need no renewal, and no TLS."""
        return not (self._endpoint.address.tls or self._signer.must_renew)

    async def ask(self, request: Request, watch: Watch, *, inline: bool) -> Reply:
        """The whole answer. Raises ``StoreError``, also for an ``Error`` in an answer of 200.

        CopyObject, UploadPartCopy and CompleteMultipartUpload begin to answer before they know how
        they end (S3 API reference, CopyObject).
        """

        reply = await self._send(request, watch, _reply, inline=inline)
        if b"<Error" in reply.body[:1024] and request.method in ("PUT", "POST"):
            root = xml.parse(reply.body)
            if xml.local_name(root) == "Error":
                raise error_of(watch.subject, 500, xml.failure(root))
        return reply

    async def fetch(
        self,
        request: Request,
        span: ByteRange,
        sink: Sink,
        if_match: ETag,
        watch: Watch,
        *,
        inline: bool,
    ) -> None:
        """Read a range into ``sink``. Raises as ``Store.get``."""

        async def fill(answer: Answer) -> None:
            await _fill(answer, watch, span, sink, if_match)

        await self._send(request, watch, fill, inline=inline)

    def close(self) -> None:
        """Close the connections."""
        self._pool.close()

    async def _send(
        self,
        request: Request,
        watch: Watch,
        read: Callable[[Answer], Awaitable[T]],
        *,
        inline: bool,
    ) -> T:
        async def take(answer: Answer) -> T | _Refused:
            return await (read(answer) if answer.status < 300 else _refusal(answer))

        corrected = False
        while True:
            outgoing, address = self._signed(request)
            taken = await self._pool.request(outgoing, address, watch, take, inline=inline)
            if not isinstance(taken, _Refused):
                return taken
            failure = failure_of(taken.reply)
            if corrected or not self._learn(taken.reply, failure):
                raise error_of(watch.subject, taken.reply.status, failure)
            corrected = True

    def _signed(self, request: Request) -> tuple[Outgoing, Address]:
        """The request as it goes out, and where to."""
        endpoint = self._endpoint
        path, query = endpoint.path(request.key), encode_query(request.query)
        target = f"{path}?{query}" if query else path
        headers = {"Host": endpoint.host, **request.headers}
        scheme = "https" if endpoint.address.tls else "http"
        self._signer.sign(request.method, f"{scheme}://{endpoint.host}{target}", headers)
        if request.body or request.method in ("PUT", "POST"):
            headers["Content-Length"] = str(sum(map(len, request.body)))
        outgoing = Outgoing(request.method, target, headers, request.body, request.repeatable)
        return outgoing, endpoint.address

    def _learn(self, reply: Reply, failure: xml.Failure) -> bool:
        """Whether a refusal said something about region or time that was not known."""
        with self._learning:
            region = reply.headers.get("x-amz-bucket-region") or failure.region
            if region and reply.status in _REGION_STATUSES:
                changed = region != self._signer.region
                self._signer.move_to(region)
                self._endpoint = self._find_endpoint(region)
                return changed
            if failure.code == "RequestTimeTooSkewed" or (reply.status == 403 and not failure.code):
                return self._set_clock(reply)
            return False

    def _set_clock(self, reply: Reply) -> bool:
        try:
            now = email.utils.parsedate_to_datetime(reply.headers.get("Date", ""))
        except ValueError:
            return False
        if abs(now - self._signer.now()) < _SKEW:
            return False
        self._signer.set_clock(now)
        return True

    def _find_endpoint(self, region: str) -> Endpoint:
        options = self._options
        return endpoint_of(options.bucket, options.endpoint_url, region, options.path_style)


class _Refused(NamedTuple):
    """An answer that is an error."""

    reply: Reply


async def _reply(answer: Answer) -> Reply:
    return Reply(answer.status, answer.headers, await answer.read(xml.MAX_ANSWER))


async def _refusal(answer: Answer) -> _Refused:
    return _Refused(await _reply(answer))


async def _fill(answer: Answer, watch: Watch, span: ByteRange, sink: Sink, if_match: ETag) -> None:
    """Check that an answer is the range asked for, and read it into the sink."""
    subject = watch.subject
    found = xml.unquoted(answer.headers.get("ETag", ""))
    if found != if_match:
        raise PreconditionFailed(f"{subject}: is version {found or '?'} now, not {if_match}")
    if answer.status == 206:
        ends = _CONTENT_RANGE.fullmatch(answer.headers.get("Content-Range", ""))
        if ends is None or int(ends[1]) != span.start or int(ends[2]) >= span.stop:
            raise Corrupted(f"{subject}: the object store sent another range than {span}")
    elif span.start > 0 or answer.length != span.size:
        raise NotSupported(f"{subject}: the object store does not give ranges of an object")
    size = span.size
    if answer.length is not None and answer.length > size:
        raise Corrupted(f"{subject}: the object store sent {answer.length} bytes, not {size}")
    done = 0
    with sink.buffer[:size] as buffer:
        while done < size:
            if sink.cancelled:
                raise TimedOut(f"{subject}: nobody waits for the rest of the bytes")
            stop = done + FETCHED_PIECE - (span.start + done) % FETCHED_PIECE
            if done < sink.awaited < stop:
                stop = sink.awaited
            with buffer[done:stop] as piece:
                count = await answer.readinto(piece)
            if count == 0:
                raise Corrupted(f"{subject}: {done} bytes came instead of {size}")
            done += count
            sink.advance(done)
    if answer.length is None:
        # What ends a body in chunks has to be read, too, or the connection cannot be kept.
        await answer.read(0)
