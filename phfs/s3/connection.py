"""One HTTP/1.1 connection: a request sent, its answer's head and body read.

Owns the framing: where a head and a body end, and whether the connection can be used again. Knows
nothing of S3 and nothing of other connections. Used by ``http``.
"""

from __future__ import annotations

import re
import ssl
from collections.abc import Mapping
from itertools import chain
from typing import NamedTuple

from phfs.errors import Corrupted, InvalidRequest
from phfs.s3 import head
from phfs.s3.connect import Address, CutShortError, connect
from phfs.s3.head import Head, NotHttpError
from phfs.s3.store import Body
from phfs.s3.watch import Watch
from phfs.s3.wire import Wire

JOINED = 64 * 1024
"""A first chunk up to this size goes out in one segment with the header: copying it costs less
than another system call and another packet."""

RECEIVED = 16 * 1024
"""Bytes received at once where a head is expected: what of a body comes with it is copied."""

MOST_INTERIM = 16
"""Interim answers (1xx) before the final one; servers send one, if any."""

LONGEST_LINE = 1024
"""Bytes of the line that begins a chunk of a body, extensions included."""

MOST_TRAILERS = 64
"""Lines behind the last chunk of a body; S3 sends a checksum."""

_CHUNK_SIZE = re.compile(rb"[0-9A-Fa-f]{1,15}[ \t]*")


class Outgoing(NamedTuple):
    """A request as it goes over the wire. ``target`` is the encoded path with its query."""

    method: str
    target: str
    headers: Mapping[str, str]
    body: Body
    repeatable: bool

    def head(self) -> bytes:
        """Request line and headers. Raises ``InvalidRequest`` for a value with a line break, or
        that is no text; the error does not show it, it may be a key."""
        lines = [f"{self.method} {self.target} HTTP/1.1"]
        lines += [f"{name}: {value}" for name, value in self.headers.items()]
        text = "\n".join(lines)
        if text.count("\n") != len(lines) - 1 or "\r" in text:
            raise InvalidRequest(f"{self.target}: a header would have a line break")
        try:
            return text.replace("\n", "\r\n").encode("utf-8", "surrogateescape") + head.END
        except UnicodeEncodeError:
            raise InvalidRequest(f"{self.target}: a header would have what is no text") from None


class UnansweredError(ConnectionError):
    """The connection was cut before any byte of the answer came."""


class Connection:
    """One connection to ``address``. Used by one request at a time."""

    def __init__(self, address: Address, tls: ssl.SSLContext | None, watch: Watch) -> None:
        self.address = address
        self.idle_since = 0.0
        self.reused = False
        self._wire = Wire(connect(address, tls, watch))

    @property
    def quiet(self) -> bool:
        """Nothing has come since the last answer: no byte, no end, no error."""
        return self._wire.quiet

    def close(self) -> None:
        """Close the socket."""
        self._wire.close()

    async def exchange(self, request: Outgoing, watch: Watch, *, inline: bool) -> Answer:
        """Send a request and read the head of its answer; ``inline`` as for ``Wire.attach``.

        An answer that comes while the body is still being sent (a refusal, usually) is taken, the
        rest of the body kept.
        """
        wire = self._wire
        wire.attach(watch, inline=inline)
        broken: OSError | None = None
        try:
            sent = await self._send(request)
        except (BrokenPipeError, ConnectionResetError) as error:
            sent, broken = False, error
        incoming = _Incoming(wire)
        try:
            found = await incoming.head()
        except (OSError, CutShortError) as error:
            if wire.begun:
                raise
            raise UnansweredError(str(broken or error)) from error
        return Answer(found, incoming, bodiless=request.method == "HEAD", sent=sent)

    async def _send(self, request: Outgoing) -> bool:
        """Send all of the request; False if an answer came before its end."""
        chunks = iter(request.body)
        first = next(chunks, b"")
        start = [request.head(), first] if len(first) > JOINED else [request.head() + first]
        return await self._wire.send(chain(start, chunks))


class _Incoming:
    """What comes from a wire, and what has come and is not used yet."""

    def __init__(self, wire: Wire) -> None:
        self._wire = wire
        self._rest = memoryview(b"")

    @property
    def spent(self) -> bool:
        """Nothing has come that is not used."""
        return not self._rest

    async def head(self) -> Head:
        """Read the head of the final answer; interim ones (1xx) are passed over."""
        for _ in range(MOST_INTERIM + 1):
            found = head.parse(await self._until(head.END, head.MAX_HEAD))
            if found.status >= 200:
                return found
        raise NotHttpError(f"it has more than {MOST_INTERIM} beginnings")

    async def line(self) -> bytes:
        """Read to the end of the line."""
        return await self._until(b"\r\n", LONGEST_LINE)

    async def into(self, buffer: memoryview, *, whole: bool) -> int:
        """Fill ``buffer`` with what has come, at least a byte; as ``Wire.receive``."""
        rest = self._rest
        if not rest:
            return await self._wire.receive(buffer, whole=whole)
        count = min(len(rest), len(buffer))
        buffer[:count] = rest[:count]
        self._rest = rest[count:]
        return count

    async def _until(self, end: bytes, limit: int) -> bytes:
        """All bytes up to ``end``, which is dropped. Raises ``NotHttpError`` beyond ``limit``."""
        data = bytes(self._rest)
        while (cut := data.find(end)) < 0:
            if len(data) > limit:
                raise NotHttpError(f"{limit} bytes came and no end")
            received = memoryview(bytearray(RECEIVED))
            count = await self._wire.receive(received)
            if not count:
                raise CutShortError
            data += received[:count]
        self._rest = memoryview(data)[cut + len(end) :]
        return data[:cut]


class Answer:
    """The head of an answer, and its body as far as it is read.

    ``headers`` are looked up without regard to case.
    """

    def __init__(self, found: Head, incoming: _Incoming, *, bodiless: bool, sent: bool) -> None:
        self.status = found.status
        self.headers = found.headers
        self._incoming = incoming
        self._chunked = "chunked" in found.headers.get("Transfer-Encoding", "").lower()
        self.length: int | None = None
        """Bytes of the body; None if the server does not say."""
        if bodiless or found.status in (204, 304):
            self.length, self._chunked = 0, False
        elif not self._chunked and "Content-Length" in found.headers:
            self.length = _length(found.headers["Content-Length"])
        self._left = self.length
        """Bytes of the body, or of the chunk of it being read, that have not been read."""
        if self._chunked:
            self._left = 0
        self._ended = self.length == 0
        self._keeps_alive = found.keeps_alive and sent and self._left is not None

    @property
    def reusable(self) -> bool:
        """The body has been read to its end and the server keeps the connection."""
        return self._keeps_alive and self._ended and self._incoming.spent

    async def readinto(self, buffer: memoryview) -> int:
        """Read what has come, at least one byte, at most ``buffer``; 0 at the end.

        What takes no more than a moment to come is waited for, see ``Wire.receive``.
        """
        if self._chunked and not self._left and not self._ended:
            await self._begin_chunk()
        if self._ended:
            return 0
        with buffer[: self._left] as wanted:
            count = await self._incoming.into(wanted, whole=self._left is not None)
        if self._left is None:
            self._ended = count == 0
            return count
        if count == 0:
            raise CutShortError
        self._left -= count
        if self._left == 0:
            if self._chunked:
                await self._end_line()
            else:
                self._ended = True
        return count

    async def read(self, limit: int) -> bytes:
        """The whole body. Raises ``Corrupted`` if it has more than ``limit`` bytes."""
        size = limit + 1 if self.length is None else min(self.length, limit + 1)
        data = bytearray(min(size, RECEIVED) if self.length is None else size)
        done = 0
        while True:
            if done == len(data):
                if self._ended:
                    break
                data += bytes(max(len(data), RECEIVED))
            with memoryview(data) as view, view[done:] as free:
                count = await self.readinto(free)
            if count == 0:
                break
            done += count
            if done > limit:
                raise Corrupted(f"the object store sent an answer of more than {limit} bytes")
        return bytes(data[:done])

    async def _begin_chunk(self) -> None:
        digits, *_ = (await self._incoming.line()).split(b";")
        if not _CHUNK_SIZE.fullmatch(digits):
            raise NotHttpError(f"it has a chunk of length {bytes(digits[:40])!r}")
        self._left = int(digits, 16)
        if self._left == 0:
            for _ in range(MOST_TRAILERS):
                if not await self._incoming.line():
                    self._ended = True
                    return
            raise NotHttpError(f"it has more than {MOST_TRAILERS} lines after its end")

    async def _end_line(self) -> None:
        if await self._incoming.line():
            raise NotHttpError("a chunk is longer than it said")


def _length(text: str) -> int:
    if not text.isdecimal():
        raise NotHttpError(f"it has the length {text[:40]!r}")
    return int(text)
