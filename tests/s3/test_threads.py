"""Where a request runs, and that one in a worker thread ends as one on trio's thread does."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Generator

import pytest
import trio
import trio.testing

from phfs.core.objects import ByteRange, ETag
from phfs.errors import ConnectionFailed, Corrupted, TimedOut
from phfs.s3.requests import INLINE
from phfs.s3.threads import drive
from phfs.vfs.tasks import Turn
from tests.s3.raw_server import ETAG, Peer, RawServer, Script, always, piece
from tests.s3.test_http import opened
from tests.support.sinks import BytesSink

LARGE = INLINE + 100_000
BODY = bytes(range(250)) * (LARGE // 250)
SIZE = len(BODY)


class Witness(BytesSink):
    """Remembers in which threads it was filled."""

    def __init__(self, size: int) -> None:
        super().__init__(size)
        self.threads: set[int] = set()

    def advance(self, filled: int) -> None:
        super().advance(filled)
        self.threads.add(threading.get_ident())


def stopping(at: int, release: threading.Event) -> Script:
    """Send so much of the body, and the rest when it is released."""

    def script(peer: Peer) -> None:
        peer.read_request()
        data = piece(0, BODY)
        peer.send(data[: at - SIZE])
        if release.wait(10):
            peer.send(data[at - SIZE :])

    return script


@pytest.mark.parametrize(("size", "inline"), [(INLINE, True), (INLINE + 1, False)])
async def test_small_requests_run_on_trios_thread(size: int, *, inline: bool) -> None:
    sink = Witness(size)
    with RawServer(always(piece(0, bytes(size)))) as server, opened(server, timeout=5) as store:
        await store.get("a", ByteRange(0, size), sink, if_match=ETag(ETAG))
    assert (sink.threads == {threading.get_ident()}) is inline


async def test_a_small_request_keeps_nobody_waiting() -> None:
    release = threading.Event()

    def script(peer: Peer) -> None:
        peer.read_request()
        assert release.wait(5)
        peer.send(piece(0, BODY[:100]))

    with RawServer(script) as server, opened(server, timeout=5) as store:
        async with trio.open_nursery() as nursery:

            async def get() -> None:
                await store.get("a", ByteRange(0, 100), BytesSink(100), if_match=ETag(ETAG))

            nursery.start_soon(get)
            await trio.sleep(0.05)
            release.set()  # reached although the request is under way on this thread


async def test_a_cancelled_thread_lets_go_of_the_buffer() -> None:
    release = threading.Event()
    sink = BytesSink(SIZE)
    with RawServer(stopping(1000, release)) as server, opened(server, timeout=30) as store:
        started = time.monotonic()
        with trio.move_on_after(0.2) as scope:
            await store.get("a", ByteRange(0, SIZE), sink, if_match=ETag(ETAG))
        assert scope.cancelled_caught
        assert time.monotonic() - started < 10
        release.set()
    assert bytes(sink.buffer[1000:]) == bytes(SIZE - 1000)


async def test_a_thread_tells_what_has_come_before_a_large_piece_is_full() -> None:
    release = threading.Event()

    class Telling(BytesSink):
        def advance(self, filled: int) -> None:
            super().advance(filled)
            release.set()

    sink = Telling(SIZE)
    with RawServer(stopping(1000, release)) as server, opened(server, timeout=5) as store:
        await store.get("a", ByteRange(0, SIZE), sink, if_match=ETag(ETAG))
    assert sink.advances[0] == 1000
    assert sink.filled == BODY


async def test_what_is_awaited_is_told_exactly() -> None:
    sink = BytesSink(SIZE)
    sink.awaited = 4096
    with RawServer(always(piece(0, BODY))) as server, opened(server, timeout=5) as store:
        await store.get("a", ByteRange(0, SIZE), sink, if_match=ETag(ETAG))
    assert 4096 in sink.advances
    assert sink.filled == BODY


async def test_a_sink_nobody_wants_ends_a_stalled_thread() -> None:
    release = threading.Event()
    sink = BytesSink(SIZE)
    with RawServer(stopping(1000, release)) as server, opened(server, timeout=30) as store:
        started = time.monotonic()
        async with trio.open_nursery() as nursery:

            async def get() -> None:
                with pytest.raises(TimedOut, match="nobody waits"):
                    await store.get("a", ByteRange(0, SIZE), sink, if_match=ETag(ETAG))

            nursery.start_soon(get)
            await trio.sleep(0.1)
            sink.cancelled = True
        assert time.monotonic() - started < 10
        release.set()


@pytest.mark.parametrize(("ending", "kind"), [("reset", ConnectionFailed), ("close", Corrupted)])
async def test_a_thread_whose_connection_is_cut(ending: str, kind: type[Exception]) -> None:
    def script(peer: Peer) -> None:
        peer.read_request()
        peer.send(piece(0, BODY)[:-10])
        if ending == "reset":
            peer.reset()
        else:
            peer.sock.shutdown(socket.SHUT_RDWR)

    with (
        RawServer(script) as server,
        opened(server, timeout=5) as store,
        pytest.raises(kind, match=r"^a: "),
    ):
        await store.get("a", ByteRange(0, SIZE), BytesSink(SIZE), if_match=ETag(ETAG))


async def test_a_silent_thread_times_out() -> None:
    release = threading.Event()
    with RawServer(stopping(1000, release)) as server, opened(server, timeout=0.4) as store:
        started = time.monotonic()
        with pytest.raises(TimedOut, match="silent"):
            await store.get("a", ByteRange(0, SIZE), BytesSink(SIZE), if_match=ETag(ETAG))
        assert time.monotonic() - started < 10
        release.set()


def test_a_coroutine_that_never_waits_is_driven_to_its_end() -> None:
    async def answer() -> int:
        return 42

    async def fail() -> None:
        raise KeyError("a")

    async def wait() -> None:
        await _Forever()

    assert drive(answer()) == 42
    with pytest.raises(KeyError):
        drive(fail())
    with pytest.raises(RuntimeError, match="waits"):
        drive(wait())


class _Forever:
    def __await__(self) -> Generator[None, None, None]:
        yield


async def test_a_free_turn_is_no_checkpoint_and_a_taken_one_is_had_in_order() -> None:
    turn = Turn()
    order: list[int] = []
    with trio.CancelScope() as scope:
        scope.cancel()
        async with turn:
            order.append(0)

    async def take(number: int) -> None:
        async with turn:
            order.append(number)

    async with trio.open_nursery() as nursery, turn:
        for number in (1, 2, 3):
            nursery.start_soon(take, number)
            await trio.testing.wait_all_tasks_blocked()
    assert order == [0, 1, 2, 3]
