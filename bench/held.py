"""A slow link that costs next to nothing: the kernel holds the client's packets for a round trip.

Owns the network namespace it needs, the rule that says which packets are held, and the process that
lets them go. Started by ``HeldLink``; the packets are ``packet_queue``'s.

The model is that of ``link``: all of the round trip is on the way to the server, a new connection
costs one as well, and answers are not touched. The proxy of ``link`` moves every byte between two
connections, on the same processors as what is measured: 0.25 s for each GiB. Here an answer crosses
loopback as if there were no link. It takes root, and knows no limit of bandwidth. What is sent to
the server crosses by the rules of TCP, with a window that grows as a real one does.
"""

from __future__ import annotations

import argparse
import ctypes
import fcntl
import select
import shutil
import socket
import struct
import subprocess
import sys
from collections import deque
from time import monotonic

from bench.child import Child, announce
from bench.link_loop import Loop
from bench.packet_queue import PacketQueue
from phfs.errors import PhfsError

HOST = "127.0.0.2"
"""The server's other address: what is sent there is held."""

QUEUE = 1

WITH_BYTES = "53:"
"""Lengths of packets that carry something, or begin a connection (60). A mere acknowledgement, 20
bytes of IP and 32 of TCP with timestamps, is not held: nothing limits how fast answers come."""

_CLONE_NEWNET = 0x40000000
_SIOCSIFFLAGS = 0x8914
_IFF_UP = 1


def own_network() -> None:
    """Give this thread, and the processes and threads it starts from now on, a loopback of their
    own, on which rules harm nobody. Raises ``PhfsError`` without the right or the program to."""
    if shutil.which("iptables") is None:
        raise _missing("iptables")
    if ctypes.CDLL(None).unshare(_CLONE_NEWNET):
        raise _missing("root, for a network namespace")
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        fcntl.ioctl(sock, _SIOCSIFFLAGS, struct.pack("16sh14x", b"lo", _IFF_UP))


def _missing(wanted: str) -> PhfsError:
    return PhfsError(
        f"A link on which packets are held needs {wanted}.",
        "Choose another --link: 10ms is the same round trip by a proxy.",
    )


class HeldLink(Child):
    """Packets to ``HOST`` are held for ``round_trip`` seconds, see the module.

    In the namespace of the calling thread, after ``own_network``; one at a time. ``target`` is
    ``host:port`` of a server that listens on all addresses. Raises ``RuntimeError`` if it does not
    start.
    """

    def __init__(self, target: str, *, round_trip: float) -> None:
        super().__init__("bench.held", target, f"--round-trip={round_trip}")

    @property
    def endpoint_url(self) -> str:
        """``http://host:port`` for who is to come by the link."""
        return f"http://{HOST}:{self.port}"


class _Hold:
    """Lets packets go in the order they came, each ``seconds`` after it came."""

    def __init__(self, loop: Loop, queue: PacketQueue, seconds: float) -> None:
        self._loop = loop
        self._queue = queue
        self._seconds = seconds
        self._held: deque[tuple[float, int]] = deque()

    def arrived(self, _events: int) -> None:
        """Packets have come."""
        waiting = bool(self._held)
        due = monotonic() + self._seconds
        self._held.extend((due, number) for number in self._queue.arrived())
        if self._held and not waiting:
            self._loop.at(self._held[0][0], self._release)

    def _release(self) -> None:
        now, last = monotonic(), None
        while self._held and self._held[0][0] <= now:
            _, last = self._held.popleft()
        if last is not None:
            self._queue.release(last)
        if self._held:
            self._loop.at(self._held[0][0], self._release)


def _hold_packets(port: int) -> None:
    """Give the queue what is sent to the server by the link's address."""
    rule = f"-i lo -d {HOST} -p tcp --dport {port} -m length --length {WITH_BYTES}"
    command = ["iptables", "-w", "-t", "mangle", "-A", "INPUT", *rule.split()]
    subprocess.run([*command, "-j", "NFQUEUE", "--queue-num", str(QUEUE)], check=True)


def _serve(port: int, round_trip: float) -> None:
    """Hold packets until standard input ends."""
    loop = Loop()
    queue = PacketQueue(QUEUE)
    hold = _Hold(loop, queue, round_trip)
    loop.watch(queue.fileno(), select.EPOLLIN, hold.arrived)
    loop.watch(sys.stdin.fileno(), select.EPOLLIN, lambda _events: loop.end())
    _hold_packets(port)
    announce(port)
    loop.run()


def main() -> None:
    """Serve one link."""
    parser = argparse.ArgumentParser(prog="python -m bench.held")
    parser.add_argument("target", help="host:port of the server")
    parser.add_argument("--round-trip", type=float, required=True, help="seconds")
    arguments = parser.parse_args()
    _serve(int(arguments.target.rpartition(":")[2]), arguments.round_trip)


if __name__ == "__main__":
    main()
