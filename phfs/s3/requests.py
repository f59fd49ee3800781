"""Runs the requests of one store, on trio's thread or in worker threads, and counts them.

Owns the counters, the limits of each request and whether the store takes checksums. Called by
``client``, on the trio thread.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Coroutine, Mapping
from typing import Any, TypeVar
from xml.etree.ElementTree import Element

import trio
from botocore.credentials import Credentials

from phfs.errors import InvalidRequest, NotSupported, StoreError
from phfs.s3 import xml
from phfs.s3.answers import Reply
from phfs.s3.exchange import Exchange, Request
from phfs.s3.headers import CHECKSUM, checksum_of
from phfs.s3.options import S3Options
from phfs.s3.store import Body, Sink
from phfs.s3.threads import drive, run_watched
from phfs.s3.watch import Limits, Watch

T = TypeVar("T")

INLINE = 256 * 1024
"""Bytes up to which a request runs on trio's thread: below, handing it to another thread and back
costs more than moving the bytes (a quarter of all CPU for files of 100 KiB)."""


class Requests:
    """The requests to one bucket, ``max_requests`` at once.

    ``counters``: requests by operation (``requests.head``), failed ones by class of error
    (``errors.Throttled``), the bytes of bodies (``bytes.in``, ``bytes.out``).
    """

    def __init__(self, options: S3Options, credentials: Credentials) -> None:
        self.counters: Counter[str] = Counter()
        self.exchange = Exchange(options, credentials)
        self._bucket = options.bucket
        self._limiter = trio.CapacityLimiter(options.max_requests)
        self._limits = Limits(options.timeout, options.deadline)
        # While the store works inside, on a copy or an upload's end, it has nothing to say.
        patience = max(options.timeout, options.deadline)
        self._patient_limits = Limits(patience, patience)
        self._unsummed: set[str] = set()
        """Kinds of request that the store refuses with a checksum."""

    async def send_body(
        self, kind: str, key: str, query: Mapping[str, str], fields: dict[str, str], body: Body
    ) -> Reply:
        """Send a body with its checksum; without, to a store that turns out not to take it."""
        repeatable = "If-None-Match" not in fields
        watch = self.watch(key)

        async def send(inline: bool) -> Reply:  # noqa: FBT001 (what ``run`` calls)
            if kind not in self._unsummed:
                summed = {**fields, CHECKSUM: checksum_of(body)}
                try:
                    return await self.exchange.ask(
                        Request("PUT", key, query, summed, body, repeatable), watch, inline=inline
                    )
                except (NotSupported, InvalidRequest) as error:
                    if "checksum" not in error.why.lower() and not isinstance(error, NotSupported):
                        raise
            request = Request("PUT", key, query, fields, body, repeatable)
            reply = await self.exchange.ask(request, watch, inline=inline)
            self._unsummed.add(kind)
            return reply

        size = sum(map(len, body))
        reply = await self.run(kind, watch, send, size=size)
        self.counters["bytes.out"] += size
        return reply

    async def ask(
        self, kind: str, request: Request, subject: str | None = None, *, patient: bool = False
    ) -> Reply:
        """Send a request and read its answer; ``patient`` if the store has work to do."""
        named = subject or request.key or f"bucket {self._bucket}"
        watch = Watch(named, self._patient_limits if patient else self._limits)
        return await self.run(
            kind, watch, lambda inline: self.exchange.ask(request, watch, inline=inline)
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
            reply = await self.exchange.ask(request, watch, inline=inline)
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
        try:
            self._limiter.acquire_nowait()  # its own way to wait costs a pass of the scheduler
        except trio.WouldBlock:
            await self._limiter.acquire()
        try:
            if size <= INLINE and self.exchange.may_inline:
                return await work(True)  # noqa: FBT003
            return await run_watched(lambda: drive(work(False)), watch)  # noqa: FBT003
        except StoreError as error:
            self.counters[f"errors.{type(error).__name__}"] += 1
            raise
        finally:
            self._limiter.release()
