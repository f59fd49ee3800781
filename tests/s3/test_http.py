"""The client against servers that break off, stall, lie, or refuse early."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager

import pytest
import trio
from botocore.credentials import Credentials

from phfs.core.objects import Attributes, ByteRange, ETag, Part, UploadId
from phfs.errors import (
    AccessDenied,
    ConnectionFailed,
    Corrupted,
    InvalidRequest,
    NotSupported,
    PreconditionFailed,
    StoreError,
    Throttled,
    TimedOut,
)
from phfs.s3.client import S3Store
from phfs.s3.options import S3Options
from tests.s3.raw_server import ETAG, Peer, RawServer, Script, always, answer, error, piece
from tests.support.sinks import BytesSink

BODY = bytes(range(100))
HEAD = answer(
    "200 OK",
    ETag=f'"{ETAG}"',
    Last_Modified="Sat, 01 Aug 2026 10:00:00 GMT",
    Server="MinIO",
    x_amz_checksum_crc32c="of this or that",
)


@contextmanager
def opened(server: RawServer, *, timeout: float = 0.4, deadline: float = 60.0) -> Iterator[S3Store]:
    store = S3Store(
        S3Options(bucket="b", endpoint_url=server.url, timeout=timeout, deadline=deadline),
        Credentials("key", "secret"),
    )
    try:
        yield store
    finally:
        store.close()


async def fetch(store: S3Store, size: int = 100, start: int = 0) -> BytesSink:
    sink = BytesSink(size)
    await store.get("a", ByteRange(start, start + size), sink, if_match=ETag(ETAG))
    return sink


async def failed_fetch(
    script: Script, kind: type[StoreError], *, deadline: float = 60.0
) -> BytesSink:
    sink = BytesSink(100)
    with RawServer(script) as server, opened(server, deadline=deadline) as store:
        with pytest.raises(kind, match=r"^a: ") as caught:
            await store.get("a", ByteRange(0, 100), sink, if_match=ETag(ETAG))
        assert type(caught.value) is kind
        assert store.counters[f"errors.{kind.__name__}"] == 1
    return sink


async def test_a_good_range_and_what_is_sent_for_it() -> None:
    with RawServer(always(piece(5, BODY))) as server, opened(server) as store:
        assert (await fetch(store, start=5)).filled == BODY
        await fetch(store, start=5)
        assert server.connections == 1
    seen = server.seen[0]
    assert seen.line == "GET /b/a HTTP/1.1"
    assert seen.headers["range"] == "bytes=5-104"
    assert seen.headers["if-match"] == f'"{ETAG}"'
    assert "if-match;range" in seen.headers["authorization"].replace("host;", "")


async def test_a_short_body_is_corrupted() -> None:
    sink = await failed_fetch(lambda peer: _after_request(peer, piece(0, BODY)[:-10]), Corrupted)
    assert sink.filled == BODY[:-10]


async def test_a_shorter_range_than_asked_is_corrupted() -> None:
    sink = await failed_fetch(always(piece(0, BODY[:50])), Corrupted)
    assert sink.filled == BODY[:50]


@pytest.mark.parametrize("start", [1, 7])
async def test_another_range_is_corrupted(start: int) -> None:
    assert (await failed_fetch(always(piece(start, BODY)), Corrupted)).advances == []


@pytest.mark.parametrize("ends", ["bytes */100", "0-99/100", "bytes 0-100/1000"])
async def test_a_senseless_content_range_is_corrupted(ends: str) -> None:
    reply = answer("206 Partial Content", BODY, ETag=f'"{ETAG}"', Content_Range=ends)
    assert (await failed_fetch(always(reply), Corrupted)).advances == []


async def test_more_bytes_than_the_range_has_are_corrupted() -> None:
    reply = piece(0, BODY + b"!").replace(b"0-100/", b"0-99/")
    assert (await failed_fetch(always(reply), Corrupted)).advances == []


async def test_another_version_is_refused_even_if_the_store_did_not() -> None:
    reply = piece(0, BODY).replace(ETAG.encode(), b"f" * 32)
    assert (await failed_fetch(always(reply), PreconditionFailed)).advances == []


async def test_a_store_without_ranges_gives_a_whole_object_only() -> None:
    whole = answer("200 OK", BODY, ETag=f'"{ETAG}"')
    with RawServer(always(whole)) as server, opened(server) as store:
        assert (await fetch(store)).filled == BODY
        with pytest.raises(NotSupported):
            await fetch(store, size=50, start=50)


async def test_a_range_in_chunks() -> None:
    chunks = b"32\r\n" + BODY[:50] + b"\r\n32\r\n" + BODY[50:] + b"\r\n0\r\n\r\n"
    head = piece(0, BODY)[: -len(BODY)].replace(
        b"Content-Length: 100", b"Transfer-Encoding: chunked"
    )
    with RawServer(always(head + chunks)) as server, opened(server) as store:
        assert (await fetch(store)).filled == BODY
        assert (await fetch(store)).filled == BODY
        assert server.connections == 1


async def test_a_reset_in_the_body() -> None:
    def script(peer: Peer) -> None:
        _after_request(peer, piece(0, BODY)[:-10])
        peer.reset()

    await failed_fetch(script, ConnectionFailed)


async def test_an_answer_that_is_no_http() -> None:
    await failed_fetch(lambda peer: _after_request(peer, b"SSH-2.0-OpenSSH_9.2\r\n"), Corrupted)


async def test_nobody_listens() -> None:
    with RawServer(always(b"")) as server:
        pass
    with opened(server) as store, pytest.raises(ConnectionFailed, match=r"127\.0\.0\.1:\d+ failed"):
        await store.head("a")


async def test_an_unknown_host_is_named() -> None:
    options = S3Options(bucket="b", endpoint_url="http://nowhere.invalid", timeout=5)
    store = S3Store(options, Credentials("key", "secret"))
    with pytest.raises(ConnectionFailed, match=r"nowhere\.invalid") as caught:
        await store.head("a")
    assert "--endpoint-url" in caught.value.advice


async def test_silence_times_out() -> None:
    def script(peer: Peer) -> None:
        _after_request(peer, piece(0, BODY)[:-10])
        peer.read_head()

    started = time.monotonic()
    await failed_fetch(script, TimedOut)
    assert time.monotonic() - started < 10


@pytest.mark.parametrize("data", [piece(0, BODY), b"HTTP/1.1 200 OK\r\nX-Pad: " + b"x" * 1000])
async def test_a_trickle_times_out(data: bytes) -> None:
    def script(peer: Peer) -> None:
        peer.read_request()
        for byte in data:
            peer.send(bytes([byte]))
            threading.Event().wait(0.02)

    started = time.monotonic()
    await failed_fetch(script, TimedOut, deadline=0.5)
    assert time.monotonic() - started < 10


async def test_steady_progress_may_take_longer_than_the_deadline() -> None:
    size = 8 * 128 * 1024

    def script(peer: Peer) -> None:
        peer.read_request()
        data = piece(0, bytes(size))
        for start in range(0, len(data), 128 * 1024):
            peer.send(data[start : start + 128 * 1024])
            threading.Event().wait(0.1)

    with RawServer(script) as server, opened(server, deadline=0.3) as store:
        assert len((await fetch(store, size)).filled) == size


async def test_bytes_are_told_before_the_range_is_complete() -> None:
    half_seen = threading.Event()

    def script(peer: Peer) -> None:
        data = piece(0, BODY)
        _after_request(peer, data[:-50])
        assert half_seen.wait(5)
        peer.send(data[-50:])

    class Telling(BytesSink):
        def advance(self, filled: int) -> None:
            super().advance(filled)
            if filled == 50:
                half_seen.set()

    sink = Telling(100)
    with RawServer(script) as server, opened(server, timeout=5) as store:
        await store.get("a", ByteRange(0, 100), sink, if_match=ETag(ETAG))
    assert sink.filled == BODY


async def test_a_cancelled_task_goes_on_at_once_and_the_buffer_is_left_alone() -> None:
    go_on = threading.Event()

    def script(peer: Peer) -> None:
        data = piece(0, BODY)
        _after_request(peer, data[:-50])
        assert go_on.wait(30)
        peer.send(data[-50:])

    sink = BytesSink(100)
    with RawServer(script) as server, opened(server, timeout=30) as store:
        started = time.monotonic()
        with trio.move_on_after(0.2) as scope:
            await store.get("a", ByteRange(0, 100), sink, if_match=ETag(ETAG))
        assert scope.cancelled_caught
        assert time.monotonic() - started < 10
        go_on.set()
    assert bytes(sink.buffer[50:]) == bytes(50)


async def test_a_sink_nobody_wants_ends_a_stalled_request() -> None:
    def script(peer: Peer) -> None:
        peer.read_request()
        sink.cancelled = True
        peer.read_head()

    sink = BytesSink(100)
    with RawServer(script) as server, opened(server, timeout=30) as store:
        started = time.monotonic()
        with pytest.raises(TimedOut, match="nobody waits"):
            await store.get("a", ByteRange(0, 100), sink, if_match=ETag(ETAG))
        assert time.monotonic() - started < 10


@pytest.mark.parametrize("ending", ["close", "reset", "wait"])
async def test_an_answer_before_the_body_was_sent_is_read(ending: str) -> None:
    refused = answer("403 Forbidden", error("AccessDenied"))
    release = threading.Event()

    def script(peer: Peer) -> None:
        peer.read_head()
        peer.send(refused)
        if ending == "reset":
            peer.reset()
        elif ending == "wait":
            assert release.wait(10)

    body = [bytes(1024 * 1024)] * 32
    with RawServer(script) as server, opened(server, timeout=5) as store:
        with pytest.raises(AccessDenied, match="because"):
            await store.put("a", body, Attributes())
        release.set()


async def test_a_body_that_is_not_taken_times_out() -> None:
    release = threading.Event()

    def script(peer: Peer) -> None:
        peer.read_head()
        assert release.wait(10)

    with RawServer(script) as server, opened(server) as store:
        with pytest.raises(TimedOut, match=r"silent for 0\.4 seconds"):
            await store.put("a", [bytes(1024 * 1024)] * 32, Attributes())
        release.set()


def once_then_cut(peer: Peer) -> None:
    """Answer one request, then close in the face of the next."""
    peer.read_request()
    peer.send(HEAD)
    peer.read_head()
    peer.reset()


async def test_a_kept_connection_that_was_cut_is_replaced() -> None:
    with RawServer(once_then_cut, always(HEAD)) as server, opened(server) as store:
        await store.head("a")
        await store.head("a")
        assert [seen.line for seen in server.seen] == ["HEAD /b/a HTTP/1.1"] * 3
        assert server.connections == 2


ONCE: dict[str, Callable[[S3Store], Awaitable[object]]] = {
    "put of a new name": lambda store: store.put("a", [b"x"], Attributes(), if_none_match=True),
    "create_upload": lambda store: store.create_upload("a", Attributes()),
    "complete_upload": lambda store: store.complete_upload(
        "a", UploadId("u"), [Part(1, ETag(ETAG), 1)]
    ),
}


@pytest.mark.parametrize("call", ONCE.values(), ids=ONCE)
async def test_what_may_not_be_sent_twice_is_not(
    call: Callable[[S3Store], Awaitable[object]],
) -> None:
    with RawServer(once_then_cut, always(HEAD)) as server, opened(server) as store:
        await store.head("a")
        with pytest.raises(ConnectionFailed):
            await call(store)
        assert server.connections == 1


@pytest.mark.parametrize("method", ["head", "delete", "put"])
async def test_what_may_be_sent_twice_is(method: str) -> None:
    calls: dict[str, Callable[[S3Store], Awaitable[object]]] = {
        "head": lambda store: store.head("a"),
        "delete": lambda store: store.delete("a"),
        "put": lambda store: store.put("a", [b"x"], Attributes()),
    }
    with RawServer(once_then_cut, always(HEAD)) as server, opened(server) as store:
        await store.head("a")
        await calls[method](store)
        assert server.connections == 2


async def test_a_fresh_connection_that_is_cut_is_not_replaced() -> None:
    def cut(peer: Peer) -> None:
        peer.read_head()
        peer.reset()

    with RawServer(cut) as server, opened(server) as store:
        with pytest.raises(ConnectionFailed):
            await store.head("a")
        assert server.connections == 1


async def test_a_connection_found_closed_is_not_used() -> None:
    closed = threading.Event()

    def script(peer: Peer) -> None:
        _after_request(peer, HEAD)
        peer.sock.shutdown(socket.SHUT_RDWR)
        closed.set()

    with RawServer(script, always(HEAD)) as server, opened(server) as store:
        await store.head("a")
        assert await trio.to_thread.run_sync(closed.wait, 5)
        stored = await store.put("a", [b"x"], Attributes(), if_none_match=True)
        assert stored.etag == ETAG
        assert server.connections == 2


async def test_requests_at_once_are_bounded() -> None:
    busy = threading.Semaphore(0)
    release = threading.Event()

    def script(peer: Peer) -> None:
        peer.read_request()
        busy.release()
        assert release.wait(5)
        peer.send(HEAD)

    with RawServer(script) as server:
        options = S3Options(bucket="b", endpoint_url=server.url, max_requests=2)
        store = S3Store(options, Credentials("key", "secret"))
        async with trio.open_nursery() as nursery:
            for _ in range(4):
                nursery.start_soon(store.head, "a")
            for _ in range(2):
                assert await trio.to_thread.run_sync(lambda: busy.acquire(timeout=5))
            assert server.connections == 2
            release.set()
        store.close()
        assert server.connections == 4


async def test_a_throttling_proxy_without_xml() -> None:
    reply = answer("503 Service Unavailable", b"<html>busy</html>")
    await failed_fetch(always(reply), Throttled)


async def test_a_header_cannot_smuggle_another() -> None:
    with RawServer(always(HEAD)) as server, opened(server) as store:
        with pytest.raises(InvalidRequest, match="line break"):
            await store.put("a", [b"x"], Attributes(metadata={"note": "x\r\nEvil: 1"}))
        assert server.seen == []


def _after_request(peer: Peer, data: bytes) -> None:
    peer.read_request()
    peer.send(data)
