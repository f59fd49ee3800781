"""Requests to the object store over connections that are kept.

Owns the pool of idle connections and the TLS settings. Knows nothing of S3, never signs, never asks
again but in one case. Called by ``exchange``, on trio's thread and in worker threads.

An idle connection may be closed by its peer at any moment. One that is seen closed is not used; one
that fails before any byte of the answer has come is replaced by another, in the end a fresh one, if
the request may be sent twice.
"""

from __future__ import annotations

import ssl
import threading
import time
from collections.abc import Awaitable, Callable
from typing import TypeVar

from phfs.s3.connect import Address, explained
from phfs.s3.connection import Answer, Connection, Outgoing, UnansweredError
from phfs.s3.threads import run_watched
from phfs.s3.watch import Watch

T = TypeVar("T")

IDLE_SECONDS = 25.0
"""An idle connection older than this is not used: MinIO closes after 30 s, AWS may sooner."""

MAX_IDLE = 64
"""Idle connections kept: as many as requests run at once (``S3Options.max_requests``)."""


class Pool:
    """Connections, kept between requests. Any thread may use it."""

    def __init__(self, ca_bundle: str | None = None) -> None:
        self._lock = threading.Lock()
        self._idle: list[Connection] = []
        self._closed = False
        self._ca_bundle = ca_bundle
        self._tls: ssl.SSLContext | None = None

    async def request(
        self,
        outgoing: Outgoing,
        address: Address,
        watch: Watch,
        read: Callable[[Answer], Awaitable[T]],
        *,
        inline: bool,
    ) -> T:
        """Send a request and ``read`` its answer; ``inline`` as for ``Wire.attach``.

        Afterwards the connection is kept if the answer was read whole, else closed. Raises
        ``ConnectionFailed``, ``TimedOut``, ``Corrupted``, also for what ``read`` raises.
        """
        connection: Connection | None = None
        answer: Answer | None = None
        try:
            with explained(address, watch):
                connection, answer = await self._begin(outgoing, address, watch, inline=inline)
                return await read(answer)
        finally:
            watch.detach()
            if connection is not None and answer is not None:
                self._give(connection) if answer.reusable else connection.close()

    def close(self) -> None:
        """Close the idle connections, and those in use when they are given back."""
        with self._lock:
            self._closed = True
            idle, self._idle = self._idle, []
        for connection in idle:
            connection.close()

    async def _begin(
        self, outgoing: Outgoing, address: Address, watch: Watch, *, inline: bool
    ) -> tuple[Connection, Answer]:
        while True:
            watch.restart()
            connection = self._take(address) or await self._connect(address, watch, inline=inline)
            try:
                return connection, await connection.exchange(outgoing, watch, inline=inline)
            except UnansweredError:
                watch.detach()
                connection.close()
                if not (connection.reused and outgoing.repeatable):
                    raise
                watch.check()
                self._drop_idle(address)
            except BaseException:
                watch.detach()
                connection.close()
                raise

    async def _connect(self, address: Address, watch: Watch, *, inline: bool) -> Connection:
        def connect() -> Connection:
            return Connection(address, self._context(address), watch)

        # Looking up a name blocks.
        return await run_watched(connect, watch) if inline else connect()

    def _take(self, address: Address) -> Connection | None:
        oldest = time.monotonic() - IDLE_SECONDS
        while True:
            with self._lock:
                connection = next((c for c in reversed(self._idle) if c.address == address), None)
                if connection is not None:
                    self._idle.remove(connection)
            if connection is None:
                return None
            if connection.idle_since > oldest and connection.quiet:
                connection.reused = True
                return connection
            connection.close()

    def _drop_idle(self, address: Address) -> None:
        """A kept connection turned out dead: the others are likely so, too (a server restarted)."""
        with self._lock:
            dropped = [each for each in self._idle if each.address == address]
            self._idle = [each for each in self._idle if each.address != address]
        for connection in dropped:
            connection.close()

    def _give(self, connection: Connection) -> None:
        connection.idle_since = time.monotonic()
        with self._lock:
            kept = not self._closed and len(self._idle) < MAX_IDLE
            if kept:
                self._idle.append(connection)
        if not kept:
            connection.close()

    def _context(self, address: Address) -> ssl.SSLContext | None:
        if not address.tls:
            return None
        with self._lock:
            if self._tls is None:
                self._tls = ssl.create_default_context(cafile=self._ca_bundle)
            return self._tls
