"""One S3 request from its parts to its answer: signed, sent, checked, and its refusal understood.

Owns what is learned about the store on the way: its region and its clock. A refusal that says the
region or the time is wrong, or the keys while there are newer ones, is corrected and the request
sent once more; everything else is raised. Called by ``requests`` and ``client``; ``inline``
everywhere as for ``Wire.attach``.
"""

from __future__ import annotations

import datetime
import email.utils
import threading
from collections.abc import Awaitable, Callable, Mapping
from typing import NamedTuple, TypeVar

from botocore.credentials import Credentials, ReadOnlyCredentials

from phfs.errors import BadCredentials, Corrupted
from phfs.s3 import xml
from phfs.s3.answers import Reply, error_class, error_of, failure_of, refused_head
from phfs.s3.connect import Address
from phfs.s3.connection import Answer, Outgoing
from phfs.s3.endpoint import Endpoint, encode_query, endpoint_of, is_aws
from phfs.s3.http import Pool
from phfs.s3.options import S3Options
from phfs.s3.ranges import Wanted, fill
from phfs.s3.sign import Link, Signer
from phfs.s3.store import Body
from phfs.s3.threads import run_watched
from phfs.s3.watch import Watch

MAX_REFUSAL = 64 * 1024
"""Bytes read of an answer that is an error: those of S3 have a few hundred."""

MOST_CORRECTIONS = 2
"""Times that one request is sent again because of what a refusal said."""

_REGION_STATUSES = frozenset({301, 307, 400})
_SKEW = datetime.timedelta(minutes=5)
"""A HEAD's refusal has no code: a clock further off than this is taken as its reason (S3 refuses
from 15 minutes on)."""

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

    async def fetch(self, request: Request, wanted: Wanted, watch: Watch, *, inline: bool) -> None:
        """Read what is wanted into its sink. Raises as ``Store.get``."""

        async def read(answer: Answer) -> None:
            await fill(answer, watch.subject, wanted)

        await self._send(request, watch, read, inline=inline)

    def link(self, key: str, query: Mapping[str, str], seconds: int) -> Link:
        """A signed address of an object, with what is known of region and clock by now. May block.

        Raises ``BadCredentials``.
        """
        url, parameters = self.url(key), encode_query(query)
        return self._signer.link(f"{url}?{parameters}" if parameters else url, seconds)

    def url(self, key: str) -> str:
        """The address of an object, unsigned."""
        endpoint = self._endpoint
        scheme = "https" if endpoint.address.tls else "http"
        return f"{scheme}://{endpoint.host}{endpoint.path(key)}"

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

        corrections = 0
        while True:
            believed = _Belief(self._signer.region, self._signer.offset)
            outgoing, address, used = self._signed(request)
            taken = await self._pool.request(outgoing, address, watch, take, inline=inline)
            if not isinstance(taken, _Refused):
                return taken
            failure = failure_of(taken.reply)
            learnt = self._learn(taken.reply, failure, believed) or await self._renewed(
                used, taken.reply, failure, watch, inline=inline
            )
            if not learnt or corrections == MOST_CORRECTIONS:
                if request.method == "HEAD" and taken.reply.status == 400:
                    raise refused_head(watch.subject)
                raise error_of(watch.subject, taken.reply.status, failure)
            corrections += 1

    async def _renewed(
        self,
        used: ReadOnlyCredentials,
        reply: Reply,
        failure: xml.Failure,
        watch: Watch,
        *,
        inline: bool,
    ) -> bool:
        """Whether a refusal of the keys comes from their having been replaced meanwhile."""
        unexplained = reply.status in (400, 403) and not failure.code  # a HEAD's
        if not (unexplained or error_class(reply.status, failure.code) is BadCredentials):
            return False
        if inline:
            return await run_watched(lambda: self._signer.renewed(used), watch)
        return self._signer.renewed(used)

    def _signed(self, request: Request) -> tuple[Outgoing, Address, ReadOnlyCredentials]:
        """The request as it goes out, where to, and with whose keys."""
        endpoint = self._endpoint
        path, query = endpoint.path(request.key), encode_query(request.query)
        target = f"{path}?{query}" if query else path
        headers = {"Host": endpoint.host, **request.headers}
        scheme = "https" if endpoint.address.tls else "http"
        url = f"{scheme}://{endpoint.host}{target}"
        used = self._signer.sign(request.method, url, headers)
        if request.body or request.method in ("PUT", "POST"):
            headers["Content-Length"] = str(sum(map(len, request.body)))
        outgoing = Outgoing(request.method, target, headers, request.body, request.repeatable)
        return outgoing, endpoint.address, used

    def _learn(self, reply: Reply, failure: xml.Failure, believed: _Belief) -> bool:
        """Whether a refusal says something about region or time that the request did not know,
        though another that was refused beside it may have learnt it meanwhile."""
        with self._learning:
            region = reply.headers.get("x-amz-bucket-region") or failure.region
            if region and reply.status in _REGION_STATUSES:
                if region != self._signer.region:
                    self._signer.move_to(region)
                    self._endpoint = self._find_endpoint(region)
                return region != believed.region
            if failure.code == "RequestTimeTooSkewed" or (reply.status == 403 and not failure.code):
                return self._set_clock(reply, believed)
            return False

    def _set_clock(self, reply: Reply, believed: _Belief) -> bool:
        try:
            there = email.utils.parsedate_to_datetime(reply.headers.get("Date", ""))
            offset = there - datetime.datetime.now(datetime.UTC)
        except (ValueError, TypeError):  # no date, or one without a time zone
            return False
        if abs(offset - believed.offset) < _SKEW:
            return False
        self._signer.set_clock(offset)
        return True

    def _find_endpoint(self, region: str) -> Endpoint:
        options = self._options
        return endpoint_of(options.bucket, options.endpoint_url, region, options.path_style)


class _Belief(NamedTuple):
    """What a request is signed with: the region, and how far the store's clock is ahead."""

    region: str
    offset: datetime.timedelta


class _Refused(NamedTuple):
    """An answer that is an error."""

    reply: Reply


async def _reply(answer: Answer) -> Reply:
    return Reply(answer.status, answer.headers, await answer.read(xml.MAX_ANSWER))


async def _refusal(answer: Answer) -> _Refused:
    """An error; of one that is longer than any of S3's only the head is believed."""
    try:
        body = await answer.read(MAX_REFUSAL)
    except Corrupted:
        body = b""
    return _Refused(Reply(answer.status, answer.headers, body))
