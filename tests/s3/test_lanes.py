"""Whose turn it is: nobody waits behind another kind of request, nor for a store that hangs."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import trio
from botocore.credentials import Credentials
from trio.testing import MockClock, wait_all_tasks_blocked

from phfs.core.objects import Attributes, ByteRange, ETag
from phfs.errors import TimedOut
from phfs.s3.client import S3Store
from phfs.s3.lanes import Lane
from phfs.s3.options import S3Options
from phfs.s3.watch import LEAST_PROGRESS, Limits, Watch
from tests.s3.raw_server import ETAG, Peer, RawServer, answer
from tests.support.sinks import BytesSink

PATIENCE = 60.0


def watch(name: str) -> Watch:
    return Watch(name, Limits(20, PATIENCE))


class Queue:
    """Requests that enter a lane in tasks of their own, and how that went."""

    def __init__(self, lane: Lane, nursery: trio.Nursery) -> None:
        self.lane = lane
        self.nursery = nursery
        self.entered: list[str] = []
        self.failed: dict[str, str] = {}
        self.scopes: dict[str, trio.CancelScope] = {}

    async def enter(self, name: str) -> Watch:
        request = watch(name)
        self.scopes[name] = trio.CancelScope()
        self.nursery.start_soon(self._enter, request)
        await wait_all_tasks_blocked()
        return request

    async def _enter(self, request: Watch) -> None:
        with self.scopes[request.subject]:
            try:
                await self.lane.enter(request)
            except TimedOut as error:
                self.failed[request.subject] = error.why
            else:
                self.entered.append(request.subject)


async def test_who_waits_longest_is_next(nursery: trio.Nursery) -> None:
    queue = Queue(Lane(2, PATIENCE), nursery)
    requests = [await queue.enter(name) for name in "abcde"]
    assert queue.entered == ["a", "b"]
    queue.scopes["c"].cancel()
    queue.lane.leave(requests[1])
    await wait_all_tasks_blocked()
    assert (queue.entered, queue.lane.waiting) == (["a", "b", "d"], 1)
    for request in (requests[0], requests[3]):
        queue.lane.leave(request)
    await wait_all_tasks_blocked()
    assert queue.entered == ["a", "b", "d", "e"]
    await queue.enter("f")
    assert queue.entered == ["a", "b", "d", "e", "f"]


async def test_a_place_given_to_somebody_who_was_cancelled_is_passed_on(
    nursery: trio.Nursery,
) -> None:
    queue = Queue(Lane(1, PATIENCE), nursery)
    first = await queue.enter("a")
    for name in "bc":
        await queue.enter(name)
    queue.scopes["b"].cancel()
    queue.lane.leave(first)
    await wait_all_tasks_blocked()
    assert queue.entered == ["a", "c"]
    assert queue.lane.waiting == 0


async def test_nobody_waits_longer_for_a_store_that_hangs(
    nursery: trio.Nursery, autojump_clock: MockClock
) -> None:
    queue = Queue(Lane(1, PATIENCE), nursery)
    await queue.enter("a")
    await queue.enter("b")
    await trio.sleep(PATIENCE + 1)
    assert "1 requests before it have had no answer for 60 seconds" in queue.failed["b"]
    assert queue.lane.waiting == 0


async def test_a_slow_link_is_waited_for_in_turn(
    nursery: trio.Nursery, autojump_clock: MockClock
) -> None:
    queue = Queue(Lane(1, PATIENCE), nursery)
    first = await queue.enter("a")
    await queue.enter("b")
    for _ in range(5):
        first.moved(LEAST_PROGRESS)
        await trio.sleep(PATIENCE * 0.9)
    await queue.enter("c")
    assert queue.failed == {}
    queue.lane.leave(first)
    await wait_all_tasks_blocked()
    assert queue.entered == ["a", "b"]


# -- the client ----------------------------------------------------------------------------------

SIZE = 1024 * 1024


@contextmanager
def opened(server: RawServer) -> Iterator[S3Store]:
    options = S3Options(bucket="b", endpoint_url=server.url, timeout=30, max_requests=4)
    store = S3Store(options, Credentials("key", "secret"))
    try:
        yield store
    finally:
        store.close()


async def test_small_requests_and_writes_pass_large_reads_that_hang() -> None:
    def script(peer: Peer) -> None:
        while True:
            request = peer.read_request()
            if "range" not in request.headers:
                peer.send(answer("200 OK", ETag=f'"{ETAG}"', x_amz_checksum_crc32c="echo"))

    async def read(store: S3Store) -> None:
        await store.get("large", ByteRange(0, SIZE), BytesSink(SIZE), if_match=ETag(ETAG))

    with RawServer(script) as server, opened(server) as store:
        async with trio.open_nursery() as nursery:
            for _ in range(20):
                nursery.start_soon(read, store)
            with trio.fail_after(20):
                while len(server.seen) < 4:
                    await trio.sleep(0.01)
                await store.head("small")
                await store.put("small", [b"x"], Attributes())
                await store.put("large", [bytes(SIZE)], Attributes())
            nursery.cancel_scope.cancel()
        assert sum("range" in seen.headers for seen in server.seen) == 4
