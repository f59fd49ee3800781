"""How long a request may take, and how it is given up from outside.

Owns the rule of progress and the way a request under way is stopped. Never touches bytes. Made by
``client`` for each request, used by ``http`` in the worker thread.

A request fails with ``TimedOut`` when no byte has moved, in either direction, for ``timeout``
seconds, or when in a stretch of ``deadline`` seconds fewer than ``LEAST_PROGRESS`` bytes have
moved. A large transfer over a slow link may so take as long as it needs, a peer that sends one byte
now and then may not.
"""

from __future__ import annotations

import contextlib
import socket
import threading
import time
from typing import NamedTuple

from phfs.errors import TimedOut
from phfs.s3.store import Sink

LEAST_PROGRESS = 64 * 1024
"""Bytes that must move in each ``deadline``: 1 KiB/s at 60 s, slower than any link in use."""

POLL_SECONDS = 0.25
"""How long one wait for the network lasts before the request's limits are looked at again."""


class Limits(NamedTuple):
    """Seconds without any progress, and seconds with too little of it, that end a request."""

    timeout: float
    deadline: float


class Watch:
    """One request under way: whether it is still wanted, and how it gets on.

    ``cancel`` is called from the trio thread, everything else from the worker thread. ``sink`` is
    asked whether anybody still wants the bytes.
    """

    def __init__(self, subject: str, limits: Limits, sink: Sink | None = None) -> None:
        self.subject = subject
        self.limits = limits
        self._sink = sink
        self._lock = threading.Lock()
        self._socket: socket.socket | None = None
        self._cancelled = False
        self.transferred = 0
        """Bytes that have come or gone so far, of all tries."""
        self._moved = 0
        self._last = time.monotonic()
        self._window_end = self._last + limits.deadline

    def cancel(self) -> None:
        """End the request now: whatever waits for its socket goes on, with an error."""
        with self._lock:
            self._cancelled = True
            if self._socket is not None:
                shut_down(self._socket)

    def attach(self, sock: socket.socket) -> None:
        """The request uses ``sock`` from now on. Raises ``TimedOut`` if it was given up."""
        with self._lock:
            self._socket = sock
        self.check()

    def detach(self) -> None:
        """The request has no socket: it may be closed, or used by another request."""
        with self._lock:
            self._socket = None

    def restart(self) -> None:
        """Count from now on: the request begins, perhaps for the second time."""
        self._moved = 0
        self._last = time.monotonic()
        self._window_end = self._last + self.limits.deadline

    def moved(self, count: int) -> None:
        """``count`` bytes have come or gone. Raises ``TimedOut`` if that is too little."""
        self._moved += count
        self.transferred += count
        self._last = time.monotonic()
        if self._last >= self._window_end:
            self._check_window()

    def check(self) -> None:
        """Raise ``TimedOut`` if nobody wants the answer or it has been awaited too long."""
        if self._cancelled or (self._sink is not None and self._sink.cancelled):
            raise TimedOut(f"{self.subject}: nobody waits for the answer any more")
        now = time.monotonic()
        if now - self._last >= self.limits.timeout:
            seconds = f"{self.limits.timeout:g}"
            raise TimedOut(f"{self.subject}: the object store was silent for {seconds} seconds")
        if now >= self._window_end:
            self._check_window()

    def _check_window(self) -> None:
        if self._moved < LEAST_PROGRESS:
            raise TimedOut(
                f"{self.subject}: the object store moved only {self._moved} bytes in "
                f"{self.limits.deadline:g} seconds"
            )
        self._moved = 0
        self._window_end = time.monotonic() + self.limits.deadline


def shut_down(sock: socket.socket) -> None:
    """End both directions of a socket that another thread may be using.

    The plain socket's method even for TLS: that of ``SSLSocket`` drops the TLS state which the
    other thread works with.
    """
    with contextlib.suppress(OSError):
        socket.socket.shutdown(sock, socket.SHUT_RDWR)
