"""One socket: bytes sent and received within the limits of a watch.

Owns how the socket waits. Knows no HTTP. Used by ``connection``.

It waits in one of two ways, as told for each request. *Inline*, on trio's thread, it awaits the
socket: that is cheapest for what is small. In a worker thread it blocks, in the kernel, for at most
``POLL_SECONDS`` at a time (``SO_RCVTIMEO``): one call then fills a large buffer while its bytes
arrive and the other threads run; its coroutines never suspend there, see ``threads.drive``. Under
TLS it always blocks, with a timeout of Python's: ``ssl`` repeats a blocking call without end.
"""

from __future__ import annotations

import contextlib
import select
import socket
import ssl
import struct
from collections.abc import Awaitable, Callable, Iterable

import trio

from phfs.s3.watch import POLL_SECONDS, Watch

CHUNKS_AT_ONCE = 16
"""Chunks handed to the kernel in one call: a part of a large file is a few chunks of 1 MiB, and
each call is a hand-over of the interpreter's lock."""

TLS_PIECE = 64 * 1024
"""Bytes sent at once under TLS, where progress is only seen when all of them have been taken."""

_TIMEVAL = struct.pack("ll", 0, int(POLL_SECONDS * 1_000_000))


class Wire:
    """A connected socket. ``begun`` once a byte has come since ``attach``."""

    def __init__(self, sock: socket.socket) -> None:
        self.begun = False
        self._flags = 0
        self.tls = isinstance(sock, ssl.SSLSocket)
        self._socket = sock
        self._watch: Watch | None = None
        self._poll = select.poll()
        self._poll.register(sock, select.POLLIN)
        if self.tls:
            sock.settimeout(POLL_SECONDS)
        else:
            sock.settimeout(None)
            for option in (socket.SO_RCVTIMEO, socket.SO_SNDTIMEO):
                sock.setsockopt(socket.SOL_SOCKET, option, _TIMEVAL)

    @property
    def quiet(self) -> bool:
        """Nothing has come that was not received: no byte, no end, no error."""
        return not self._poll.poll(0)

    def attach(self, watch: Watch, *, inline: bool) -> None:
        """Obey ``watch`` from now on. ``inline``: on trio's thread, not for TLS."""
        assert not (inline and self.tls)
        watch.attach(self._socket)
        self._watch = watch
        self._flags = socket.MSG_DONTWAIT if inline else 0
        self.begun = False

    def close(self) -> None:
        """Close the socket."""
        with contextlib.suppress(OSError):
            self._socket.close()

    async def receive(self, buffer: memoryview, *, whole: bool = False) -> int:
        """Wait for bytes; return how many came, 0 at the end of the connection.

        ``whole``: where it blocks, rather wait until ``buffer`` is full, but for no longer than
        ``POLL_SECONDS`` once a byte is there. Raises ``TimedOut``, ``OSError``.
        """
        watch = self._watch
        assert watch is not None
        flags = self._flags
        if whole and not flags and not self.tls:
            flags = socket.MSG_WAITALL
        while True:
            try:
                count = self._socket.recv_into(buffer, 0, flags)
            except (BlockingIOError, TimeoutError):
                await self._pause(trio.lowlevel.wait_readable)
            else:
                watch.moved(count)
                self.begun = self.begun or count > 0
                return count

    async def send(self, chunks: Iterable[bytes | bytearray | memoryview]) -> bool:
        """Send all chunks; False if something came before the end, which then is not sent.

        Raises ``TimedOut``, ``OSError``.
        """
        watch = self._watch
        assert watch is not None
        rest = [memoryview(chunk) for chunk in chunks]
        rest.reverse()
        while rest:
            # Under TLS there may be something to read that is no answer (session tickets).
            if not self.tls and not self.quiet:
                return False
            try:
                count = self._send_some(rest)
            except (BlockingIOError, TimeoutError):
                await self._pause(trio.lowlevel.wait_writable)
                continue
            watch.moved(count)
            while rest and count >= len(rest[-1]):
                count -= len(rest.pop())
            if count:
                rest[-1] = rest[-1][count:]
        return True

    def _send_some(self, rest: list[memoryview]) -> int:
        """Send from the end of a list in reverse order; return how many bytes went."""
        if self.tls:
            return self._socket.send(rest[-1][:TLS_PIECE])
        return self._socket.sendmsg(rest[: -CHUNKS_AT_ONCE - 1 : -1], (), self._flags)

    async def _pause(self, ready: Callable[[socket.socket], Awaitable[None]]) -> None:
        """Wait a moment for the socket, then look at the limits. Raises ``TimedOut``."""
        if self._flags:
            with trio.move_on_after(POLL_SECONDS):
                await ready(self._socket)
        assert self._watch is not None
        self._watch.check()
