"""The slow link: bytes arrive unchanged, never too early, and ends are passed on."""

from __future__ import annotations

import contextlib
import os
import random
import select
import signal
import socket
import struct
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator

import pytest

from bench.link import Link
from tests.bench.connections import PATIENCE, read_exactly

pytestmark = pytest.mark.real  # starts processes

Handler = Callable[[socket.socket], None]


class Far:
    """A server that gives each of its connections to ``handler`` in a thread."""

    def __init__(self, handler: Handler) -> None:
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=256)
        self._threads: list[threading.Thread] = []
        self.address = f"127.0.0.1:{self._listener.getsockname()[1]}"
        self._handler = handler
        self._acceptor = threading.Thread(target=self._accept)
        self._acceptor.start()

    def close(self) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._acceptor.join(PATIENCE)
        self._listener.close()
        for thread in self._threads:
            thread.join(PATIENCE)
            assert not thread.is_alive()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                sock, _ = self._listener.accept()
                self._threads.append(threading.Thread(target=self._serve, args=(sock,)))
                self._threads[-1].start()

    def _serve(self, sock: socket.socket) -> None:
        with sock:
            sock.settimeout(PATIENCE)
            self._handler(sock)


@contextlib.contextmanager
def linked(
    handler: Handler, *, round_trip: float = 0.0, bytes_per_second: float | None = None
) -> Iterator[Link]:
    far = Far(handler)
    try:
        with Link(far.address, round_trip=round_trip, bytes_per_second=bytes_per_second) as link:
            yield link
    finally:
        far.close()


def connect(link: Link) -> socket.socket:
    sock = socket.create_connection(("127.0.0.1", link.port), PATIENCE)
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return sock


def read_all(sock: socket.socket) -> bytes:
    pieces = []
    while piece := sock.recv(1024**2):
        pieces.append(piece)
    return b"".join(pieces)


def reset(sock: socket.socket) -> None:
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    sock.close()


def echo(sock: socket.socket) -> None:
    while piece := sock.recv(64 * 1024):
        sock.sendall(piece)


def swallow_then_reverse(sock: socket.socket) -> None:
    """Answers only when the client's half is closed."""
    sock.sendall(read_all(sock)[::-1])


def send_in_chunks(sock: socket.socket, data: bytes, chance: random.Random) -> None:
    at = 0
    while at < len(data):
        size = chance.choice([1, 100, 4096, 70_000, 1_000_000])
        sock.sendall(data[at : at + size])
        at += size
    sock.shutdown(socket.SHUT_WR)


@pytest.mark.parametrize(
    ("round_trip", "rate"), [(0.0, None), (0.01, None), (0.0, 200e6), (0.005, 200e6)]
)
def test_bytes_arrive_unchanged_both_ways(round_trip: float, rate: float | None) -> None:
    chance = random.Random(1)
    data = chance.randbytes(6_000_001)
    with (
        linked(echo, round_trip=round_trip, bytes_per_second=rate) as link,
        connect(link) as sock,
    ):
        sender = threading.Thread(target=send_in_chunks, args=(sock, data, chance))
        sender.start()
        received = read_all(sock)
        sender.join()
    assert received == data


def test_a_target_that_reads_nothing_gets_all_of_it_later() -> None:
    """What is more than a connection may have on the link waits where it comes from."""
    go = threading.Event()
    data = random.Random(2).randbytes(1024**2) * 40
    view = memoryview(data)

    def wait_then_reverse(sock: socket.socket) -> None:
        go.wait(PATIENCE)
        swallow_then_reverse(sock)

    with linked(wait_then_reverse, round_trip=0.001) as link, connect(link) as sock:
        sock.settimeout(0)
        sent = 0
        while sent < len(data) and select.select([], [sock], [], 0.2)[1]:
            sent += sock.send(view[sent:])
        sock.settimeout(PATIENCE)
        go.set()
        sock.sendall(view[sent:])
        sock.shutdown(socket.SHUT_WR)
        assert read_all(sock) == data[::-1]


def test_many_connections_keep_their_bytes_apart() -> None:
    with linked(swallow_then_reverse, round_trip=0.002, bytes_per_second=100e6) as link:
        socks = [connect(link) for _ in range(200)]
        texts = [f"{number}:".encode() * 500 for number in range(200)]
        for sock, text in zip(socks, texts, strict=True):
            sock.sendall(text)
            sock.shutdown(socket.SHUT_WR)
        for sock, text in zip(socks, texts, strict=True):
            with sock:
                assert read_all(sock) == text[::-1]


def test_one_half_may_end_before_the_other() -> None:
    with linked(swallow_then_reverse, round_trip=0.01) as link, connect(link) as sock:
        sock.sendall(b"abc")
        sock.shutdown(socket.SHUT_WR)
        assert read_all(sock) == b"cba"


def test_the_servers_half_may_end_first() -> None:
    heard: list[bytes] = []
    told = threading.Event()

    def part_then_listen(sock: socket.socket) -> None:
        sock.sendall(b"bye")
        sock.shutdown(socket.SHUT_WR)
        heard.append(read_all(sock))
        told.set()

    with linked(part_then_listen, round_trip=0.01) as link, connect(link) as sock:
        assert read_all(sock) == b"bye"
        sock.sendall(b"still here")
        sock.shutdown(socket.SHUT_WR)
        assert told.wait(PATIENCE)
    assert heard == [b"still here"]


def test_a_servers_reset_reaches_the_client_after_its_answer() -> None:
    def refuse(sock: socket.socket) -> None:
        read_exactly(sock, 10)
        sock.sendall(b"refused")
        reset(sock)

    with linked(refuse) as link, connect(link) as sock:
        sock.sendall(b"0123456789")
        assert read_exactly(sock, 7) == b"refused"
        with pytest.raises(ConnectionResetError):
            sock.recv(1)


def test_a_clients_reset_reaches_the_server() -> None:
    raised: list[BaseException] = []
    told = threading.Event()

    def listen(sock: socket.socket) -> None:
        try:
            sock.sendall(sock.recv(100))
            read_all(sock)
        except ConnectionResetError as error:
            raised.append(error)
        told.set()

    with linked(listen) as link:
        sock = connect(link)
        sock.sendall(b"x")
        assert sock.recv(1) == b"x"
        reset(sock)
        assert told.wait(PATIENCE)
    assert len(raised) == 1


def test_a_server_that_is_not_there_ends_the_connection() -> None:
    with socket.create_server(("127.0.0.1", 0)) as nobody:
        port = nobody.getsockname()[1]
    with Link(f"127.0.0.1:{port}") as link:
        for _ in range(2):
            # The reset may be there before connect() returns.
            with pytest.raises(ConnectionResetError), connect(link) as sock:
                sock.recv(1)


def test_a_question_takes_a_round_trip() -> None:
    with linked(echo, round_trip=0.05) as link, connect(link) as sock:
        sock.sendall(b"warm")
        assert read_exactly(sock, 4) == b"warm"
        for _ in range(3):
            begin = time.monotonic()
            sock.sendall(b"ping")
            assert read_exactly(sock, 4) == b"ping"
            assert time.monotonic() - begin >= 0.05


def test_a_new_connection_takes_two() -> None:
    with linked(echo, round_trip=0.05) as link:
        begin = time.monotonic()
        with connect(link) as sock:
            sock.sendall(b"ping")
            assert read_exactly(sock, 4) == b"ping"
        assert time.monotonic() - begin >= 0.1


@pytest.mark.parametrize("connections", [1, 3])
def test_all_connections_share_the_bandwidth(connections: int) -> None:
    def give(sock: socket.socket) -> None:
        sock.sendall(bytes(int(sock.recv(100))))

    size = 900_000
    with linked(give, bytes_per_second=4e6) as link:
        socks = [connect(link) for _ in range(connections)]
        begin = time.monotonic()
        for sock in socks:
            sock.sendall(str(size // connections).encode())
        assert sum(len(read_all(sock)) for sock in socks) == size
        assert time.monotonic() - begin >= size / 4e6
        for sock in socks:
            sock.close()


def test_an_upload_has_the_same_bandwidth() -> None:
    with linked(swallow_then_reverse, bytes_per_second=4e6) as link, connect(link) as sock:
        begin = time.monotonic()
        sock.sendall(bytes(400_000))
        sock.shutdown(socket.SHUT_WR)
        assert len(read_all(sock)) == 400_000
        # The last turn may be on its way back while others still go there.
        assert time.monotonic() - begin >= 2 * 400_000 / 4e6


def test_an_idle_link_saves_no_bandwidth_up() -> None:
    with linked(echo, bytes_per_second=1e6) as link, connect(link) as sock:
        for _ in range(3):
            begin = time.monotonic()
            sock.sendall(bytes(50_000))
            read_exactly(sock, 50_000)
            assert time.monotonic() - begin >= 0.05


def test_close_ends_the_process() -> None:
    link = Link("127.0.0.1:9")
    assert os.path.exists(f"/proc/{link.pid}")
    link.close()
    assert not os.path.exists(f"/proc/{link.pid}")


def test_the_process_dies_with_its_parent() -> None:
    program = (
        "import sys\n"
        "from bench.link import Link\n"
        "link = Link('127.0.0.1:9')\n"
        "print(link.pid, flush=True)\n"
        "sys.stdin.read()\n"
    )
    parent = subprocess.Popen(
        [sys.executable, "-c", program], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    assert parent.stdout is not None
    child = os.pidfd_open(int(parent.stdout.readline()))
    try:
        parent.send_signal(signal.SIGKILL)
        parent.communicate()
        ended, _, _ = select.select([child], [], [], PATIENCE)
        assert ended
    finally:
        os.close(child)
