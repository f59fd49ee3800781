"""The proxy itself: a listener, a thread for each connection, and the rules that break requests.

Owns the threads and which request meets which fault; what a fault does is its own affair.
"""

from __future__ import annotations

import contextlib
import select
import socket
import struct
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from types import TracebackType
from urllib.parse import urlsplit

from tests.support.fault_proxy.messages import Answer, Request, ask, read_request
from tests.support.minio import reserved_port

POLL_SECONDS = 0.05
"""How often what waits looks whether it still has to."""


HEAL_SECONDS = 120.0
"""How long the server may take for the requests it has."""


class Exchange:
    """One request that meets a fault, and the means to answer it."""

    def __init__(self, proxy: FaultProxy, sock: socket.socket, request: Request) -> None:
        self.proxy = proxy
        self.request = request
        self.over = False
        """Whether the connection is to be closed."""
        self._socket = sock
        self.ended = proxy.healing
        """Set when the faults of its time are over."""

    def harmless(self) -> None:
        """The fault has changed nothing: what goes through is what would have gone without it."""
        self.proxy.count_harmless()

    def forward(self) -> Answer:
        """Let the server do it; its answer."""
        return self.proxy.ask(self.request)

    def send(self, data: bytes) -> None:
        """Send bytes to the client."""
        self._socket.sendall(data)

    def reply(self, answer: Answer) -> None:
        """Send an answer whole."""
        self.send(answer.head() + answer.body)

    def reset(self) -> None:
        """Break the connection with a RST."""
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.end()

    def end(self) -> None:
        """Close the connection."""
        self.over = True

    def wait(self, seconds: float = float("inf")) -> bool:
        """Wait; False as soon as the client has gone or the proxy is healed."""
        until = time.monotonic() + seconds
        while (left := until - time.monotonic()) > 0:
            if self.ended.wait(min(left, POLL_SECONDS)) or self._gone():
                return False
        return True

    def _gone(self) -> bool:
        readable, _, _ = select.select([self._socket], [], [], 0)
        return bool(readable)


Fault = Callable[[Exchange], None]
"""Answers a request, or does not. The connection is kept for the next one unless it was closed."""


@dataclass
class _Rule:
    """A fault for the requests ``nth`` to ``nth + times - 1`` of a kind, counted from now."""

    fault: Fault
    kind: str | None
    key: str
    nth: int
    times: float
    seen: int = 0

    def hits(self, request: Request) -> bool:
        if self.kind not in (None, request.kind) or self.key not in request.key:
            return False
        self.seen += 1
        return self.nth <= self.seen < self.nth + self.times


class FaultProxy:
    """In front of the server at ``upstream`` (a URL); ``url`` is its own. ``seen`` lists the kinds
    of the requests that came, ``hit`` counts those that met a fault, ``harmless`` those of them in
    which it found nothing to spoil."""

    def __init__(self, upstream: str) -> None:
        parts = urlsplit(upstream)
        assert parts.hostname is not None
        assert parts.port is not None
        self.seen: list[str] = []
        self.hit = 0
        self.harmless = 0
        self.healing = threading.Event()
        self._upstream = (parts.hostname, parts.port)
        self._rules: list[_Rule] = []
        self._lock = threading.Lock()
        self._closed = False
        self._listening = threading.Event()
        self._sockets: set[socket.socket] = set()
        self._under_way: set[Exchange] = set()
        self._port = reserved_port()
        self._listener = socket.socket()
        self._listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        # By its number: a port chosen by the kernel is lost when listening ends.
        self._listener.bind(self._port.getsockname())
        self.url = f"http://127.0.0.1:{self._port.getsockname()[1]}"
        self._listen()
        self._threads = [threading.Thread(target=self._accept, daemon=True)]
        self._threads[0].start()

    def __enter__(self) -> FaultProxy:
        return self

    def __exit__(
        self, _: type[BaseException] | None, __: BaseException | None, ___: TracebackType | None
    ) -> None:
        self.close()

    def fault(
        self,
        fault: Fault,
        *,
        kind: str | None = None,
        key: str = "",
        nth: int = 1,
        times: float = 1,
    ) -> None:
        """Let ``times`` requests meet ``fault``, from the ``nth`` from now on: those of a ``kind``
        (a method's name in the store's port) whose key has ``key`` in it."""
        with self._lock:
            self._rules.append(_Rule(fault, kind, key, nth, times))

    def heal(self) -> None:
        """Forget every fault, end what stalls, and listen again. When this returns the server has
        answered all requests that came before it: nothing takes effect behind the test's back."""
        with self._lock:
            self._rules.clear()
            self.healing.set()
            self.healing = threading.Event()
            if not self._listening.is_set():
                self._listen()
            before = set(self._under_way)
        give_up = time.monotonic() + HEAL_SECONDS
        while before & self._under_way:
            assert time.monotonic() < give_up, "a request has no end"
            time.sleep(POLL_SECONDS / 10)

    def refuse(self, until: threading.Event) -> None:
        """Stop listening, and break every connection, until healed; not at all if that is what
        ``until`` says already. The port stays ours."""
        with self._lock:
            if until.is_set():
                return
            if self._listening.is_set():
                self._listening.clear()
                self._listener.shutdown(socket.SHUT_RDWR)
            for sock in self._sockets:
                _shut(sock)

    def count_harmless(self) -> None:
        """A fault has changed nothing."""
        with self._lock:
            self.harmless += 1

    def ask(self, request: Request) -> Answer:
        """Pass a request on. Raises ``OSError``."""
        return ask(self._upstream, request)

    def close(self) -> None:
        """End everything."""
        self._closed = True
        self.heal()
        self._listener.shutdown(socket.SHUT_RDWR)
        with self._lock:
            sockets = list(self._sockets)
        for sock in sockets:
            _shut(sock)
        for thread in self._threads:
            thread.join(20)
            assert not thread.is_alive()
        self._listener.close()
        self._port.close()

    def _listen(self) -> None:
        self._listener.listen(128)
        self._listening.set()

    def _accept(self) -> None:
        while not self._closed:
            self._listening.wait(POLL_SECONDS)
            try:
                sock, _ = self._listener.accept()
            except OSError:  # it was told to refuse, or closed
                time.sleep(POLL_SECONDS)
                continue
            thread = threading.Thread(target=self._serve, args=(sock,), daemon=True)
            self._threads = [*(each for each in self._threads if each.is_alive()), thread]
            with self._lock:
                self._sockets.add(sock)
            thread.start()

    def _serve(self, sock: socket.socket) -> None:
        # A peer that breaks off, on either side, ends the connection here as it would without us.
        with contextlib.suppress(OSError, ValueError), sock, sock.makefile("rb") as incoming:
            while (request := read_request(incoming)) is not None:
                if not self._meet(Exchange(self, sock, request)):
                    break
        with self._lock:
            self._sockets.discard(sock)

    def _meet(self, exchange: Exchange) -> bool:
        """Answer a request, in a fault's way if it meets one; whether the connection is kept."""
        request = exchange.request
        with self._lock:
            self._under_way.add(exchange)
            exchange.ended = self.healing
            self.seen.append(request.kind)
            found = [rule.fault for rule in self._rules if rule.hits(request)]
            self.hit += bool(found)
        try:
            (found[0] if found else _pass_on)(exchange)
        finally:
            with self._lock:
                self._under_way.discard(exchange)
        return not exchange.over


def _pass_on(exchange: Exchange) -> None:
    exchange.reply(exchange.forward())


def _shut(sock: socket.socket) -> None:
    with contextlib.suppress(OSError):
        sock.shutdown(socket.SHUT_RDWR)
