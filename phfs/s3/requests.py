"""Runs the requests of one store in worker threads, and counts them.

Owns the counters, the limits of each request and whether the store takes checksums. Called by
``client``, on the trio thread.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from typing import TypeVar

import trio
from botocore.credentials import Credentials

from phfs.errors import InvalidRequest, NotSupported, StoreError
from phfs.s3.answers import Reply
from phfs.s3.exchange import Exchange, Request
from phfs.s3.headers import CHECKSUM, checksum_of
from phfs.s3.options import S3Options
from phfs.s3.store import Body, Sink
from phfs.s3.threads import run_watched
from phfs.s3.watch import Limits, Watch

T = TypeVar("T")


class Requests:
    """The requests to one bucket, each in a thread of its own, ``max_requests`` at once.

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

        def send() -> Reply:
            if kind not in self._unsummed:
                summed = {**fields, CHECKSUM: checksum_of(body)}
                try:
                    return self.exchange.ask(
                        Request("PUT", key, query, summed, body, repeatable), watch
                    )
                except (NotSupported, InvalidRequest) as error:
                    if "checksum" not in error.why.lower() and not isinstance(error, NotSupported):
                        raise
            request = Request("PUT", key, query, fields, body, repeatable)
            reply = self.exchange.ask(request, watch)
            self._unsummed.add(kind)
            return reply

        reply = await self.run(kind, watch, send)
        self.counters["bytes.out"] += sum(map(len, body))
        return reply

    async def ask(
        self, kind: str, request: Request, subject: str | None = None, *, patient: bool = False
    ) -> Reply:
        """Send a request and read its answer; ``patient`` if the store has work to do."""
        named = subject or request.key or f"bucket {self._bucket}"
        watch = Watch(named, self._patient_limits if patient else self._limits)
        return await self.run(kind, watch, lambda: self.exchange.ask(request, watch))

    def watch(self, subject: str, sink: Sink | None = None) -> Watch:
        """The limits of one request about ``subject``."""
        return Watch(subject, self._limits, sink)

    async def run(self, kind: str, watch: Watch, work: Callable[[], T]) -> T:
        """Run blocking work for one request; a cancellation ends it."""
        self.counters[f"requests.{kind}"] += 1
        try:
            return await run_watched(work, watch, self._limiter)
        except StoreError as error:
            self.counters[f"errors.{type(error).__name__}"] += 1
            raise
