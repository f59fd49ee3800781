"""Runs the requests of one store, on trio's thread or in worker threads, and counts them.

Owns the counters, the limits of each request and the checksum of a body. Called by ``client`` and
``multipart``, on the trio thread.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Awaitable, Callable, Coroutine, Mapping
from typing import Any, TypeVar
from xml.etree.ElementTree import Element

from botocore.credentials import Credentials

from phfs.core.objects import ETag
from phfs.errors import Corrupted, InvalidRequest, NotSupported, StoreError
from phfs.s3 import xml
from phfs.s3.answers import Reply
from phfs.s3.capabilities import Capabilities
from phfs.s3.etags import body_etag
from phfs.s3.exchange import Exchange, Request
from phfs.s3.headers import CHECKSUM, checksum_of, content_md5
from phfs.s3.lanes import Lane
from phfs.s3.options import S3Options
from phfs.s3.store import Body, Sink
from phfs.s3.threads import drive, run_watched
from phfs.s3.underway import UnderWay
from phfs.s3.watch import Limits, Watch

T = TypeVar("T")

INLINE = 256 * 1024
"""Bytes up to which a request runs on trio's thread: below, handing it to another thread and back
costs more than moving the bytes (a quarter of all CPU for files of 100 KiB)."""


SENDING = ("put", "put_part")
"""Requests that have a body of any size."""


class Requests:
    """The requests to one bucket: at once ``max_requests`` small ones, as many that read and as
    many that write.

    ``counters``: requests by operation (``requests.head``), failed ones by class of error
    (``errors.Throttled``), the bytes of bodies (``bytes.in``, ``bytes.out``). ``under_way``: those
    of this moment, and the slowest.
    """

    def __init__(
        self, options: S3Options, credentials: Credentials, capabilities: Capabilities
    ) -> None:
        self.counters: Counter[str] = Counter()
        self.under_way = UnderWay()
        self.exchange = Exchange(options, credentials)
        self._bucket = options.bucket
        lanes = (Lane(options.max_requests, options.deadline) for _ in range(3))
        self._small, self._reads, self._writes = lanes
        self._limits = Limits(options.timeout, options.deadline)
        # While the store works inside, on a copy or an upload's end, it has nothing to say.
        patience = max(options.timeout, options.deadline)
        self._patient_limits = Limits(patience, patience)
        self._capabilities = capabilities

    async def send_body(
        self, kind: str, key: str, query: Mapping[str, str], fields: dict[str, str], body: Body
    ) -> Reply:
        """Send a body with its CRC32C; with its MD5 to a store that does not verify that.

        Raises ``Corrupted`` if the store says, or shows by the ETag, that it has other bytes.
        """
        repeatable = "If-None-Match" not in fields
        watch = self.watch(key)

        async def put(summed: dict[str, str], *, inline: bool) -> Reply:
            request = Request("PUT", key, query, {**fields, **summed}, body, repeatable)
            return await self._heard(self.exchange.ask(request, watch, inline=inline))

        async def send(inline: bool) -> Reply:  # noqa: FBT001 (what ``run`` calls)
            if self._capabilities.takes_crc(kind):
                try:
                    reply = await put({CHECKSUM: checksum_of(body)}, inline=inline)
                except (NotSupported, InvalidRequest) as error:
                    if "checksum" not in error.why.lower() and not isinstance(error, NotSupported):
                        raise
                else:
                    if CHECKSUM in reply.headers:
                        return reply
                    self._capabilities.no_crc(kind)
                    if self._shows(reply, body_etag(body)) or not repeatable:
                        return reply
            digest = body_etag(body)
            reply = await put({"Content-MD5": content_md5(digest)}, inline=inline)
            self._capabilities.no_crc(kind)
            if not self._shows(reply, digest) and self._capabilities.plain_etags:
                raise Corrupted(f"{key}: the object store has other bytes than were sent to it")
            return reply

        size = sum(map(len, body))
        reply = await self.run(kind, watch, send, size=size)
        self.counters["bytes.out"] += size
        return reply

    @property
    def waiting(self) -> int:
        """Requests that wait for others to end before they are sent."""
        return self._small.waiting + self._reads.waiting + self._writes.waiting

    def _shows(self, reply: Reply, digest: ETag) -> bool:
        """Whether the ETag is the MD5 of what was sent, as it is where nothing is encrypted."""
        if xml.unquoted(reply.headers.get("ETag", "")) != digest:
            return False
        self._capabilities.plain_etags = True
        return True

    async def _heard(self, asking: Awaitable[Reply]) -> Reply:
        """The answer, after ``capabilities`` have seen it."""
        reply = await asking
        self._capabilities.saw(reply.headers)
        return reply

    async def ask(
        self, kind: str, request: Request, subject: str | None = None, *, patient: bool = False
    ) -> Reply:
        """Send a request and read its answer; ``patient`` if the store has work to do."""
        named = subject or request.key or f"bucket {self._bucket}"
        watch = Watch(named, self._patient_limits if patient else self._limits)
        return await self.run(
            kind,
            watch,
            lambda inline: self._heard(self.exchange.ask(request, watch, inline=inline)),
        )

    async def parse(
        self,
        kind: str,
        request: Request,
        subject: str,
        parse: Callable[[Element], T],
        *,
        size: int,
    ) -> T:
        """Send a request and parse its answer of about ``size`` bytes of XML, a long one in the
        thread."""
        watch = self.watch(subject)

        async def work(inline: bool) -> T:  # noqa: FBT001 (what ``run`` calls)
            reply = await self._heard(self.exchange.ask(request, watch, inline=inline))
            return parse(xml.parse(reply.body))

        return await self.run(kind, watch, work, size=size)

    def watch(self, subject: str, sink: Sink | None = None) -> Watch:
        """The limits of one request about ``subject``."""
        return Watch(subject, self._limits, sink)

    async def run(
        self,
        kind: str,
        watch: Watch,
        work: Callable[[bool], Coroutine[Any, Any, T]],
        *,
        size: int = 0,
    ) -> T:
        """Run ``work(inline)`` for one request that moves ``size`` bytes or parses as much; a
        cancellation ends it."""
        self.counters[f"requests.{kind}"] += 1
        small = size <= INLINE
        lane = self._small if small else self._writes if kind in SENDING else self._reads
        await lane.enter(watch)
        number = self.under_way.begin(kind, watch, size)
        failure: str | None = None
        try:
            if small and self.exchange.may_inline:
                return await work(True)  # noqa: FBT003
            return await run_watched(lambda: drive(work(False)), watch)  # noqa: FBT003
        except StoreError as error:
            failure = type(error).__name__
            self.counters[f"errors.{failure}"] += 1
            raise
        finally:
            self.under_way.end(number, failure)
            lane.leave(watch)
