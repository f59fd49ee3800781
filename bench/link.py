"""A slow link on loopback: a proxy that gives a server on this machine latency and bandwidth.

Owns the model, the proxy's process and its listening socket. Never looks into what it passes on,
and never loses or delays more than the model says. Started by ``Link``; the bytes are moved by
``link_flow`` in the event loop of ``link_loop``. For kernels without netem, and for users without
a network namespace.

The model:

- All of ``round_trip`` is spent on the way to the server, none on the way back. A client that asks
  and waits cannot tell this from half of it each way: whatever it sees, it sees a round trip after
  what caused it. This holds for uploads as well (the last byte of a body is answered a round trip
  after it was sent), and spares the answers, which are most of the bytes, every timer.
- A new connection costs one more round trip, that of the TCP handshake. The kernel makes it at once
  on loopback, so the client's first bytes are kept back until a handshake would have ended; and
  a server that is not there is a reset, not a refusal.
- ``bytes_per_second`` holds for each direction by itself and for all its connections together,
  which have turns of a millisecond. Bytes arrive when the last one of their turn has crossed.
- Ends and resets of a connection are passed on; a reset at once, as it would overtake data anyway.
- There is no loss, no congestion window and no slow start: a connection carries ``WINDOW`` bytes at
  once from its first byte on, as a warm one does.
"""

from __future__ import annotations

import argparse
import resource
import select
import socket
import sys
from functools import partial
from time import monotonic

from bench.child import Child, announce
from bench.link_flow import Connection, Lane
from bench.link_loop import Loop
from bench.link_pipe import Pipes

BACKLOG = 4096


class Link(Child):
    """A proxy in front of ``target`` (``host:port``), see the module.

    ``round_trip`` in seconds, ``bytes_per_second`` per direction (1 Gbit/s: 125e6), None: as fast
    as it goes. Clients connect to ``endpoint_url``. Raises ``RuntimeError`` if it does not start.
    """

    def __init__(
        self, target: str, *, round_trip: float = 0.0, bytes_per_second: float | None = None
    ) -> None:
        arguments = [target, f"--round-trip={round_trip}"]
        if bytes_per_second is not None:
            arguments.append(f"--bytes-per-second={bytes_per_second}")
        super().__init__("bench.link", *arguments)


def _accept(
    listener: socket.socket,
    target: tuple[str, int],
    loop: Loop,
    lanes: tuple[Lane, Lane],
    round_trip: float,
    _events: int,
) -> None:
    client, _ = listener.accept()
    server = socket.socket()
    server.settimeout(0)
    # What goes wrong, now or later, is found by the flow that waits for the server's bytes.
    server.connect_ex(target)
    Connection(loop, client, server, lanes, monotonic() + round_trip)


def _serve(target: tuple[str, int], round_trip: float, rate: float | None) -> None:
    """Pass connections on until standard input ends."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    loop = Loop()
    pipes = Pipes()
    lanes = Lane(loop, pipes, round_trip, rate), Lane(loop, pipes, 0.0, rate)
    with socket.create_server(("127.0.0.1", 0), backlog=BACKLOG) as listener:
        accept = partial(_accept, listener, target, loop, lanes, round_trip)
        loop.watch(listener.fileno(), select.EPOLLIN, accept)
        loop.watch(sys.stdin.fileno(), select.EPOLLIN, lambda _events: loop.end())
        announce(listener.getsockname()[1])
        loop.run()


def main() -> None:
    """Serve one link."""
    parser = argparse.ArgumentParser(prog="python -m bench.link")
    parser.add_argument("target", help="host:port of the server")
    parser.add_argument("--round-trip", type=float, default=0.0, help="seconds")
    parser.add_argument("--bytes-per-second", type=float, default=None, help="in each direction")
    arguments = parser.parse_args()
    host, _, port = arguments.target.rpartition(":")
    _serve((host, int(port)), arguments.round_trip, arguments.bytes_per_second)


if __name__ == "__main__":
    main()
