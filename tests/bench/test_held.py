"""The link on which the kernel holds packets: nothing too early, nothing lost, only one way."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from bench.held import HOST, HeldLink, own_network
from phfs.errors import PhfsError
from tests.architecture.source import ROOT
from tests.bench.connections import PATIENCE, read_exactly

pytestmark = pytest.mark.real  # starts processes

LONG = 1.0
"""Seconds; what does not wait for the link comes before."""


def in_own_network(work: Callable[[], None]) -> None:
    """Run ``work`` in a thread that has a network of its own, which ends with it."""
    failed: list[BaseException] = []

    def run() -> None:
        try:
            own_network()
            work()
        except BaseException as error:
            failed.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    thread.join()
    if failed:
        raise failed[0]


@contextmanager
def server(round_trip: float) -> Iterator[tuple[HeldLink, socket.socket]]:
    """A server on all addresses, and a link before it."""
    with socket.create_server(("0.0.0.0", 0)) as listener:
        listener.settimeout(PATIENCE)
        target = f"127.0.0.1:{listener.getsockname()[1]}"
        with HeldLink(target, round_trip=round_trip) as link:
            yield link, listener


@contextmanager
def connected(
    link: HeldLink, listener: socket.socket, host: str = HOST
) -> Iterator[tuple[socket.socket, socket.socket]]:
    """A connection: the client's socket and the server's."""
    with socket.create_connection((host, link.port), PATIENCE) as near:
        near.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        far, _ = listener.accept()
        with far:
            far.settimeout(PATIENCE)
            yield near, far


def test_what_is_asked_arrives_a_round_trip_later_and_so_does_a_new_connection() -> None:
    def work() -> None:
        with server(0.05) as (link, listener):
            begun = time.monotonic()
            with connected(link, listener) as (near, far):
                assert time.monotonic() - begun >= 0.05
                for _ in range(5):
                    begun = time.monotonic()
                    near.sendall(b"ping")
                    assert read_exactly(far, 4) == b"ping"
                    assert time.monotonic() - begun >= 0.05
                begun = time.monotonic()
                near.shutdown(socket.SHUT_WR)
                assert far.recv(1) == b""

    in_own_network(work)


def test_answers_and_who_does_not_come_by_the_link_do_not_wait() -> None:
    def work() -> None:
        with (
            server(LONG) as (link, listener),
            connected(link, listener) as (near, far),
            connected(link, listener, "127.0.0.1") as (direct, answering),
        ):
            begun = time.monotonic()
            near.sendall(b"held")
            far.sendall(b"answer")
            direct.sendall(b"direct")
            assert read_exactly(near, 6) == b"answer"
            assert read_exactly(answering, 6) == b"direct"
            far.settimeout(0)
            with pytest.raises(BlockingIOError):
                far.recv(1)
            far.settimeout(PATIENCE)
            assert read_exactly(far, 4) == b"held"
            assert time.monotonic() - begun >= LONG

    in_own_network(work)


def test_many_bytes_cross_unchanged_in_both_directions() -> None:
    up, down = os.urandom(20_000_000), os.urandom(20_000_000)

    def work() -> None:
        with server(0.01) as (link, listener), connected(link, listener) as (near, far):
            received: dict[str, bytes] = {}

            def take(name: str, sock: socket.socket, size: int) -> None:
                received[name] = read_exactly(sock, size)

            threads = [
                threading.Thread(target=near.sendall, args=(up,)),
                threading.Thread(target=far.sendall, args=(down,)),
                threading.Thread(target=take, args=("up", far, len(up))),
                threading.Thread(target=take, args=("down", near, len(down))),
            ]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
            assert received == {"up": up, "down": down}

    in_own_network(work)


def test_one_link_at_a_time() -> None:
    def work() -> None:
        with server(0.01) as (link, _), pytest.raises(RuntimeError, match="did not start"):
            HeldLink(f"127.0.0.1:{link.port}", round_trip=0.01)

    in_own_network(work)


def test_what_cannot_be_had_changes_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    networks = []

    def try_it() -> None:
        networks.append(os.readlink("/proc/thread-self/ns/net"))
        with pytest.raises(PhfsError):
            own_network()
        networks.append(os.readlink("/proc/thread-self/ns/net"))

    monkeypatch.setenv("PATH", "/nowhere")
    thread = threading.Thread(target=try_it)
    thread.start()
    thread.join()
    before, after = networks
    assert before == after


@pytest.mark.parametrize(
    ("before", "path", "wanted"),
    [
        (["/usr/bin/setpriv", "--bounding-set=-sys_admin"], "", "root, for a network namespace"),
        ([], "/nowhere", "iptables"),
    ],
)
def test_without_what_it_takes_it_says_what_to_do(
    before: list[str], path: str, wanted: str, tmp_path: Path
) -> None:
    bench = [sys.executable, "-m", "bench", "--link", "10ms-held", "--output", str(tmp_path)]
    ended = subprocess.run(
        [*before, *bench],
        cwd=ROOT,
        env={**os.environ, "PATH": path or os.environ["PATH"]},
        capture_output=True,
        text=True,
    )
    assert ended.returncode == 1
    assert ended.stderr == (
        f"python -m bench: A link on which packets are held needs {wanted}. "
        "Choose another --link: 10ms is the same round trip by a proxy.\n"
    )
