"""What crosses the slow link: connections, their two flows, and the lane a flow goes along.

Owns the sockets, and the rules of the model that ``link`` describes: when bytes enter
a lane and when they leave it. No byte is copied into this process: a flow splices its source into
a pipe at once and the pipe into its target when it is due. Called by ``link``; runs in ``Loop``.
"""

from __future__ import annotations

import contextlib
import select
import socket
import struct
from collections import deque
from functools import partial
from time import monotonic

from bench.link_loop import Loop
from bench.link_pipe import Pipes, Queue

MIB = 1024**2

PIECE = MIB
"""Most bytes taken from a connection before the next one has its turn."""

WINDOW = 16 * MIB
"""About how many bytes a connection may have on a lane with a delay, as a TCP window would have it:
1.6 GB/s at 10 ms. Without a delay they are here only if the target does not take them."""

TURN_SECONDS = 0.001
"""How long a connection has a limited lane to itself before the next one has its turn."""

SEGMENT = 1500
"""Least bytes of a turn."""

_RESET_ON_CLOSE = struct.pack("ii", 1, 0)

BULK = 32 * 1024
STREAM = MIB
"""A connection that gave this much in pieces of at least ``BULK`` is a stream ..."""

REST_SECONDS = 0.00015
"""... and is let alone for as long after each piece, times the streams that rest already: each then
has about as much to give as one alone. Without a rest every segment would wake this process and
then the target's, at three times the cost; answers to small requests never wait."""


class Lane:
    """One direction of the link, shared by all connections.

    Bytes leave it ``delay`` seconds after they entered. With a ``rate`` (bytes per second) one
    connection after the other is let in, and the lane is free again when its bytes are through.
    """

    def __init__(self, loop: Loop, pipes: Pipes, delay: float, rate: float | None) -> None:
        self.pipes = pipes
        self.window = WINDOW if delay else PIECE
        self._loop = loop
        self._delay = delay
        self._rate = rate
        self._turn = PIECE if rate is None else int(min(max(SEGMENT, rate * TURN_SECONDS), PIECE))
        self._line: deque[Flow] = deque()
        self._free_at = 0.0
        self._resting = 0

    def enter(self, flow: Flow) -> None:
        """Something came for ``flow``: let it in, now or when it is its turn."""
        if self._rate is None:
            count = flow.fill(self._turn)
            if count:
                self.carry(count, monotonic(), flow)
                if not self._delay and flow.streams(count):
                    self._resting += 1
                    flow.line_up(waiting=True)
                    self._loop.at(
                        monotonic() + REST_SECONDS * self._resting, partial(self._wake, flow)
                    )
            return
        flow.line_up(waiting=True)
        if not self._line:
            self._free_at = max(self._free_at, monotonic())
            self._loop.at(self._free_at, self._serve)
        self._line.append(flow)

    def _wake(self, flow: Flow) -> None:
        self._resting -= 1
        flow.line_up(waiting=False)

    def carry(self, count: int, entered: float, flow: Flow) -> None:
        """Let bytes arrive when they have crossed; 0 is the end of the flow."""
        if self._delay or self._rate is not None:
            self._loop.at(entered + self._delay, partial(flow.arrive, count))
        else:
            flow.arrive(count)

    def _serve(self) -> None:
        """Let in who is first in line, and everybody whom a late timer kept waiting.

        A flow stays in line until there is nothing of it, so that a busy lane never counts as free
        and time lost by being late is made up for.
        """
        assert self._rate is not None
        while self._line and self._free_at <= monotonic():
            flow = self._line.popleft()
            count = flow.fill(self._turn)
            if count:
                self._free_at += count / self._rate
                self.carry(count, self._free_at, flow)
                self._line.append(flow)
            else:
                flow.line_up(waiting=False)
        if self._line:
            self._loop.at(self._free_at, self._serve)


class End:
    """The proxy's socket towards one side. It is watched only for what somebody wants."""

    def __init__(self, loop: Loop, sock: socket.socket) -> None:
        self.sock = sock
        self.number = sock.fileno()
        self.incoming: Flow
        """What comes from this side."""
        self.outgoing: Flow
        """What goes to it."""
        self._loop = loop
        self._wanted = 0
        self._closed = False
        sock.settimeout(0)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        # BBR, if the machine has it, spreads what is sent by timers: the model has no such delay.
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_CONGESTION, b"reno")

    def want(self, event: int, wanted: bool) -> None:  # noqa: FBT001
        """Watch for ``event``, or no longer."""
        now = self._wanted | event if wanted else self._wanted & ~event
        if now != self._wanted and not self._closed:
            self._wanted = now
            self._loop.watch(self.number, now, self._ready)

    def close(self, *, broken: bool) -> None:
        """Let go of the socket; ``broken``: with a reset."""
        self._closed = True
        self._loop.watch(self.number, 0, self._ready)
        if broken:
            self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET_ON_CLOSE)
        self.sock.close()

    def _ready(self, events: int) -> None:
        # Errors and hang-ups come beside what was asked for; the call that meets them tells which.
        if events & ~select.EPOLLIN and self._wanted & select.EPOLLOUT:
            self.outgoing.drain()
        if events & ~select.EPOLLOUT and self._wanted & select.EPOLLIN:
            self.incoming.enter()


class Flow:
    """One direction of one connection. It begins with the first ``line_up``."""

    def __init__(self, source: End, target: End, lane: Lane) -> None:
        self.connection: Connection
        self.done = False
        """The end of the source was passed on."""
        self._source = source
        self._target = target
        self._lane = lane
        self._queue = Queue(lane.pipes)
        self._due = 0
        """How many bytes of the queue have crossed the lane."""
        self._streak = 0
        """Bytes that came in pieces of at least ``BULK``, one after the other."""
        self._in_line = False
        self._full = False
        self._ended = False
        self._closing = False

    def enter(self) -> None:
        """The source has something for the lane."""
        self._lane.enter(self)

    def line_up(self, *, waiting: bool) -> None:
        """While it waits for its turn, a flow need not hear that there is something."""
        self._in_line = waiting
        self._listen()

    def streams(self, count: int) -> bool:
        """Whether so many bytes more make this a stream."""
        self._streak = self._streak + count if count >= BULK else 0
        return self._streak >= STREAM

    def fill(self, limit: int) -> int:
        """Take at most ``limit`` bytes from the source; how many, 0 if none."""
        if self.connection.closed or self._ended or self._full:
            return 0
        try:
            count = self._queue.fill(self._source.number, limit)
        except BlockingIOError:
            return 0
        except OSError:
            self.connection.abort()
            return 0
        self._ended = count == 0
        self._full = self._queue.held >= self._lane.window
        if self._ended or self._full:
            self._listen()
        if self._ended:
            self._lane.carry(0, monotonic(), self)
        return count

    def arrive(self, count: int) -> None:
        """So many bytes have crossed the lane; 0: the end has."""
        self._due += count
        self._closing = self._closing or count == 0
        if not self.connection.closed:
            self.drain()

    def drain(self) -> None:
        """Give the target what is due, as far as it takes it."""
        try:
            self._due -= self._queue.drain(self._target.number, self._due)
            if self._closing and not self._queue.held:
                self._target.sock.shutdown(socket.SHUT_WR)
                self.done = True
        except OSError:
            self.connection.abort()
            return
        self._target.want(select.EPOLLOUT, wanted=self._due > 0)
        if self._full and self._queue.held < self._lane.window:
            self._full = False
            self._listen()
        if self.done:
            self.connection.finish()

    def flush(self) -> None:
        """Give the target all that came before the source broke, as far as it takes it now."""
        with contextlib.suppress(OSError):
            self._queue.fill(self._source.number, PIECE)
        with contextlib.suppress(OSError):
            self._queue.drain(self._target.number, self._queue.held)

    def close(self) -> None:
        """Throw away what did not arrive."""
        self._queue.clear()

    def _listen(self) -> None:
        busy = self._in_line or self._full or self._ended
        self._source.want(select.EPOLLIN, wanted=not busy)


class Connection:
    """A client's socket and the server's, joined by a flow each way.

    The client's bytes enter the lane ``up`` from ``begins`` on, when a real handshake would end.
    """

    def __init__(
        self,
        loop: Loop,
        client: socket.socket,
        server: socket.socket,
        lanes: tuple[Lane, Lane],
        begins: float,
    ) -> None:
        self.closed = False
        up, down = lanes
        self._ends = End(loop, client), End(loop, server)
        near, far = self._ends
        self._up = Flow(near, far, up)
        self._down = Flow(far, near, down)
        near.incoming = far.outgoing = self._up
        far.incoming = near.outgoing = self._down
        for flow in (self._up, self._down):
            flow.connection = self
        self._down.line_up(waiting=False)
        loop.at(begins, partial(self._up.line_up, waiting=False))

    def finish(self) -> None:
        """Close, once both sides have said all they had to say."""
        if self._up.done and self._down.done and not self.closed:
            self._close()

    def abort(self) -> None:
        """One side broke the connection: break the other, too.

        A server that refuses a request may break it while the request is still being sent; its
        answer is passed on first.
        """
        if not self.closed:
            self._down.flush()
            self._close(broken=True)

    def _close(self, *, broken: bool = False) -> None:
        self.closed = True
        for end in self._ends:
            end.close(broken=broken)
        for flow in (self._up, self._down):
            flow.close()
