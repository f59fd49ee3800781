"""One HTTP/1.1 connection: a request sent, its answer read, within the limits of a watch.

Owns the bytes on a socket. Knows nothing of S3 and nothing of other connections. Blocking; used by
``http`` in worker threads.
"""

from __future__ import annotations

import contextlib
import http.client
import io
import select
import socket
import ssl
from collections.abc import Mapping
from typing import TYPE_CHECKING, NamedTuple

from phfs.errors import Corrupted, InvalidRequest
from phfs.s3.connect import Address, connect
from phfs.s3.store import Body
from phfs.s3.watch import Watch

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer as Buffer

PIECE = 256 * 1024
"""Bytes handed to the kernel at once: large enough that the call costs nothing beside the copy."""

TLS_PIECE = 64 * 1024
"""The same under TLS, where progress is only seen when all of the piece has been taken."""

JOINED = 64 * 1024
"""A first chunk up to this size goes out in one segment with the header: copying it costs less
than another system call and another packet."""


class Outgoing(NamedTuple):
    """A request as it goes over the wire. ``target`` is the encoded path with its query."""

    method: str
    target: str
    headers: Mapping[str, str]
    body: Body
    repeatable: bool

    def head(self) -> bytes:
        """Request line and headers. Raises ``InvalidRequest`` for a value with a line break."""
        lines = [f"{self.method} {self.target} HTTP/1.1"]
        lines += [f"{name}: {value}" for name, value in self.headers.items()]
        if any("\r" in line or "\n" in line for line in lines):
            raise InvalidRequest(f"{self.target}: a header would have a line break")
        return "\r\n".join([*lines, "\r\n"]).encode("utf-8", "surrogateescape")


class UnansweredError(ConnectionError):
    """The connection was cut before any byte of the answer came."""


class _Incoming(io.RawIOBase):
    """What comes from a socket, as ``http.client`` reads it: within the request's limits.

    Closing it leaves the socket open. ``begun`` once a byte has come.
    """

    def __init__(self, sock: socket.socket, watch: Watch) -> None:
        self.begun = False
        self._socket = sock
        self._watch = watch

    def makefile(self, _mode: str) -> io.BufferedReader:
        """The file object ``HTTPResponse`` asks its socket for."""
        return io.BufferedReader(self)

    def readable(self) -> bool:
        """Yes."""
        return True

    def readinto(self, buffer: Buffer, /) -> int:
        """Wait for bytes; 0 at the end. Raises ``TimedOut``."""
        while True:
            try:
                count = self._socket.recv_into(buffer)
            except TimeoutError:
                self._watch.check()
            else:
                self._watch.moved(count)
                self.begun = self.begun or count > 0
                return count


class Connection:
    """One connection to ``address``. Used by one request at a time."""

    def __init__(self, address: Address, tls: ssl.SSLContext | None, watch: Watch) -> None:
        self.address = address
        self.idle_since = 0.0
        self.reused = False
        self._socket = connect(address, tls, watch)
        self._poll = select.poll()
        self._poll.register(self._socket, select.POLLIN)

    @property
    def quiet(self) -> bool:
        """Nothing has come since the last answer: no byte, no end, no error."""
        return not self._poll.poll(0)

    def close(self) -> None:
        """Close the socket."""
        with contextlib.suppress(OSError):
            self._socket.close()

    def exchange(self, request: Outgoing, watch: Watch) -> Answer:
        """Send a request and read the head of its answer.

        An answer that comes while the body is still being sent (a refusal, usually) is taken, the
        rest of the body kept.
        """
        watch.attach(self._socket)
        incoming = _Incoming(self._socket, watch)
        broken: OSError | None = None
        try:
            sent = self._send(request, watch)
        except (BrokenPipeError, ConnectionResetError) as error:
            sent, broken = False, error
        response = http.client.HTTPResponse(incoming, method=request.method)  # type: ignore[arg-type]
        try:
            response.begin()
        except OSError as error:
            if incoming.begun:
                raise
            raise UnansweredError(str(broken or error)) from error
        return Answer(response, keeps_alive=sent and not response.will_close)

    def _send(self, request: Outgoing, watch: Watch) -> bool:
        """Send all of the request; False if an answer came before its end."""
        head = request.head()
        chunks = iter(request.body)
        first = next(chunks, b"")
        if len(first) <= JOINED:
            self._send_chunk(head + first, watch)
        else:
            self._send_chunk(head, watch)
            if not self._send_chunk(first, watch):
                return False
        return all(self._send_chunk(chunk, watch) for chunk in chunks)

    def _send_chunk(self, chunk: bytes | bytearray | memoryview, watch: Watch) -> bool:
        step = TLS_PIECE if self.address.tls else PIECE
        with memoryview(chunk) as view:
            done = 0
            while done < len(view):
                # Under TLS there may be something to read that is no answer (session tickets).
                if not self.address.tls and not self.quiet:
                    return False
                with view[done : done + step] as piece:
                    try:
                        done += (count := self._socket.send(piece))
                    except TimeoutError:
                        watch.check()
                    else:
                        watch.moved(count)
        return True


class Answer:
    """The head of an answer, and its body as far as it is read.

    ``headers`` are looked up without regard to case.
    """

    def __init__(self, response: http.client.HTTPResponse, *, keeps_alive: bool) -> None:
        self.status = response.status
        self.headers = response.headers
        self.length = response.length
        """Bytes of the body; None if the server does not say."""
        self._response = response
        self._keeps_alive = keeps_alive

    @property
    def reusable(self) -> bool:
        """The body has been read to its end and the server keeps the connection."""
        return self._keeps_alive and self._response.isclosed()

    def readinto(self, buffer: memoryview) -> int:
        """Read what has come, at least one byte, at most ``buffer``; 0 at the end."""
        response = self._response
        if response.isclosed():
            return 0
        if response.chunked or response.length is None:
            with buffer[:TLS_PIECE] as wanted:
                return response.readinto(wanted)
        # HTTPResponse.readinto returns only when the buffer is full: too late for whoever waits
        # for the first of its bytes.
        with buffer[: response.length] as wanted:
            count = int(response.fp.readinto1(wanted))
        if count == 0:
            raise http.client.IncompleteRead(b"", response.length)
        response.length -= count
        if response.length == 0:
            response.close()
        return count

    def read(self, limit: int) -> bytes:
        """The whole body. Raises ``Corrupted`` if it has more than ``limit`` bytes."""
        data = self._response.read(limit + 1)
        if len(data) > limit:
            raise Corrupted(f"the object store sent an answer of more than {limit} bytes")
        if self._response.length:
            raise http.client.IncompleteRead(data, self._response.length)
        if not self._response.isclosed():
            self._response.read(1)
        return data

    def close(self) -> None:
        """Let go of the body, read or not."""
        self._response.close()
