"""What is tried again, and for how long."""

from __future__ import annotations

import math
from collections.abc import Sequence

import pytest
import trio
from trio.testing import MockClock

from phfs.core.objects import Attributes, ByteRange
from phfs.errors import (
    AccessDenied,
    ConnectionFailed,
    Corrupted,
    PreconditionFailed,
    ServerFault,
    StoreError,
    Throttled,
    TimedOut,
)
from phfs.s3.faults import FaultyStore
from phfs.s3.memory import MemoryStore
from phfs.s3.retry import RetryingStore
from phfs.s3.store import DeleteFailure, Store
from phfs.s3.tries import FIRST_WAIT, LONGEST_WAIT, Tries
from phfs.s3.watch import LEAST_PROGRESS
from tests.support.sinks import BytesSink, read

PLAIN = Attributes()
BODY = b"0123456789"


async def every_call(store: Store) -> None:
    """One call of each method, that all work."""
    stored = await store.put("a", [BODY], PLAIN)
    await store.head("a")
    assert await read(store, "a") == BODY
    await store.list_page("")
    await store.copy("a", "b", if_match=stored.etag)
    await store.tags("b")
    upload = await store.create_upload("c", PLAIN)
    parts = [
        await store.put_part("c", upload, 1, [BODY]),
        await store.copy_part("c", upload, 2, "a", ByteRange(0, 4), if_match=stored.etag),
    ]
    await store.complete_upload("c", upload, parts)
    await store.abort_upload("c", upload)
    await store.delete("b")
    await store.delete_many(["a", "b"])
    assert await read(store, "c") == BODY + BODY[:4]


CALLS = 16
"""Requests that ``every_call`` makes."""


@pytest.mark.parametrize("after", [False, True])
@pytest.mark.parametrize("nth", range(1, CALLS + 1))
async def test_any_call_may_fail_twice_before_or_after_taking_effect(
    store: RetryingStore,
    faulty: FaultyStore,
    memory: MemoryStore,
    nth: int,
    after: bool,
    autojump_clock: MockClock,
) -> None:
    faulty.fail(ServerFault("broken"), nth=nth, times=2, after=after)
    await every_call(store)
    assert sorted(memory.objects) == ["c"]
    assert CALLS <= faulty.count() <= CALLS + 2


async def test_every_call_is_counted(faulty: FaultyStore, autojump_clock: MockClock) -> None:
    await every_call(faulty)
    assert faulty.count() == CALLS


async def test_what_will_not_go_away_is_not_tried_again(
    store: RetryingStore, faulty: FaultyStore, autojump_clock: MockClock
) -> None:
    faulty.fail(AccessDenied("no"), times=math.inf)
    with pytest.raises(AccessDenied, match=r"^no$"):
        await store.head("a")
    assert faulty.count() == 1


async def test_the_last_error_says_how_often_and_how_long(
    store: RetryingStore, faulty: FaultyStore, autojump_clock: MockClock
) -> None:
    faulty.fail(ServerFault("first"), times=3)
    faulty.fail(ConnectionFailed("no connection", "look at the cable"), times=math.inf)
    with pytest.raises(ConnectionFailed, match=r"^no connection \(\d+ tries in \d+ s\)$") as caught:
        await store.head("a")
    assert f"({faulty.count()} tries in {trio.current_time():.0f} s)" in caught.value.why
    assert caught.value.advice == "look at the cable"


async def test_waits_grow_and_the_deadline_is_never_passed(
    faulty: FaultyStore, autojump_clock: MockClock
) -> None:
    begun = trio.current_time()
    faulty.fail(Throttled("slow down"), times=math.inf)
    with pytest.raises(Throttled):
        await RetryingStore(faulty, deadline=30.0).put("a", [BODY], PLAIN)
    assert 20.0 < trio.current_time() - begun < 30.0
    # Waits of 2.5 s on average, after some ten that are shorter.
    assert 7 < faulty.count() < 60


async def test_waits_are_drawn_evenly_from_nothing_to_a_doubling_limit(
    autojump_clock: MockClock,
) -> None:
    for failures in range(1, 12):
        limit = min(FIRST_WAIT * 2 ** (failures - 1), LONGEST_WAIT)
        drawn = []
        for _ in range(500):
            tries = Tries(deadline=1000.0)
            waits = [tries.wait_after(ServerFault("broken")) for _ in range(failures)]
            drawn.append((waits[-1] or 0.0) / limit)
        assert min(drawn) >= 0.0
        assert max(drawn) <= 1.0
        # Each tenth gets a fiftieth of them at least: of five hundred even draws fewer never come.
        assert all(
            sum(tenth <= draw * 10 < tenth + 1 for draw in drawn) > 10 for tenth in range(10)
        )


async def test_without_time_there_is_one_try(
    faulty: FaultyStore, autojump_clock: MockClock
) -> None:
    faulty.fail(Throttled("slow down"), times=math.inf)
    with pytest.raises(Throttled, match=r"\(1 try in 0 s\)"):
        await RetryingStore(faulty, deadline=0.0).put("a", [BODY], PLAIN)
    assert faulty.count() == 1


async def test_a_call_without_an_answer_is_cut_off_at_the_deadline(
    store: RetryingStore, faulty: FaultyStore, autojump_clock: MockClock
) -> None:
    faulty.hold(kind="head")
    begun = trio.current_time()
    with pytest.raises(TimedOut, match=r"\(1 try in 60 s\)"):
        await store.head("a")
    assert trio.current_time() - begun == pytest.approx(60.0)


async def test_of_a_call_cut_off_at_the_deadline_the_failure_before_is_told(
    store: RetryingStore, faulty: FaultyStore, autojump_clock: MockClock
) -> None:
    faulty.fail(Throttled("slow down"), kind="head")
    faulty.hold(kind="head", nth=2)
    with pytest.raises(Throttled, match=r"slow down \(2 tries in 60 s\)"):
        await store.head("a")


async def test_a_slow_put_is_no_failure(
    store: RetryingStore, faulty: FaultyStore, autojump_clock: MockClock
) -> None:
    faulty.byte_seconds = 20.0
    await store.put("a", [BODY], PLAIN)
    assert trio.current_time() == pytest.approx(200.0)


async def test_the_caller_may_cancel_while_it_waits(
    store: RetryingStore, faulty: FaultyStore, autojump_clock: MockClock
) -> None:
    faulty.fail(ServerFault("broken"), times=math.inf)
    with trio.move_on_after(7.0) as scope:
        await store.put("a", [BODY], PLAIN)
    assert scope.cancelled_caught
    assert trio.current_time() == pytest.approx(7.0)


async def test_a_get_goes_on_where_it_broke(
    store: RetryingStore, faulty: FaultyStore, autojump_clock: MockClock
) -> None:
    stored = await store.put("a", [BODY], PLAIN)
    faulty.fail(Corrupted("short"), kind="get", nth=1, filled=4)
    faulty.fail(ConnectionFailed("cut"), kind="get", nth=2, filled=3)
    sink = BytesSink(8)
    await store.get("a", ByteRange(1, 9), sink, if_match=stored.etag)
    assert sink.advances == [4, 7, 8]
    assert sink.filled == BODY[1:9]


async def test_a_get_that_has_everything_is_done(
    store: RetryingStore, faulty: FaultyStore, autojump_clock: MockClock
) -> None:
    stored = await store.put("a", [BODY], PLAIN)
    faulty.fail(ConnectionFailed("cut"), kind="get", after=True)
    sink = BytesSink(10)
    await store.get("a", ByteRange(0, 10), sink, if_match=stored.etag)
    assert (sink.filled, faulty.count("get")) == (BODY, 1)


async def test_progress_of_a_get_moves_its_deadline(
    store: RetryingStore, faulty: FaultyStore, autojump_clock: MockClock
) -> None:
    size = 10 * LEAST_PROGRESS
    stored = await store.put("a", [bytes(size)], PLAIN)
    faulty.byte_seconds = 50.0 / LEAST_PROGRESS
    faulty.fail(ConnectionFailed("cut"), kind="get", times=math.inf, filled=LEAST_PROGRESS)
    sink = BytesSink(size)
    await store.get("a", ByteRange(0, size), sink, if_match=stored.etag)
    assert len(sink.filled) == size
    assert trio.current_time() > 400.0


async def test_a_few_bytes_each_time_are_no_progress(
    store: RetryingStore, faulty: FaultyStore, autojump_clock: MockClock
) -> None:
    stored = await store.put("a", [bytes(LEAST_PROGRESS)], PLAIN)
    faulty.fail(TimedOut("too slow"), kind="get", times=math.inf, filled=1)
    sink = BytesSink(LEAST_PROGRESS)
    with pytest.raises(TimedOut):
        await store.get("a", ByteRange(0, LEAST_PROGRESS), sink, if_match=stored.etag)
    assert trio.current_time() < 60.0
    assert len(sink.filled) == faulty.count("get") < 60


async def test_a_get_without_progress_gives_up(
    store: RetryingStore, faulty: FaultyStore, autojump_clock: MockClock
) -> None:
    stored = await store.put("a", [BODY], PLAIN)
    faulty.fail(ConnectionFailed("cut"), kind="get", nth=1, filled=4)
    faulty.fail(ConnectionFailed("cut"), kind="get", nth=2, times=math.inf)
    sink = BytesSink(10)
    with pytest.raises(ConnectionFailed):
        await store.get("a", ByteRange(0, 10), sink, if_match=stored.etag)
    assert sink.filled == BODY[:4]
    assert trio.current_time() < 60.0


async def test_a_version_that_changes_midway_is_not_mixed(
    store: RetryingStore, faulty: FaultyStore, memory: MemoryStore, autojump_clock: MockClock
) -> None:
    stored = await store.put("a", [BODY], PLAIN)
    faulty.fail(ConnectionFailed("cut"), kind="get", filled=4)
    gate = faulty.hold(kind="get", nth=2)
    sink = BytesSink(10)

    async def replace() -> None:
        await gate.reached.wait()
        await memory.put("a", [b"other bytes"], PLAIN)
        gate.release()

    async with trio.open_nursery() as nursery:
        nursery.start_soon(replace)
        with pytest.raises(PreconditionFailed):
            await store.get("a", ByteRange(0, 10), sink, if_match=stored.etag)
    assert sink.filled == BODY[:4]


async def test_a_sink_nobody_wants_is_not_tried_again(
    store: RetryingStore, faulty: FaultyStore, autojump_clock: MockClock
) -> None:
    stored = await store.put("a", [BODY], PLAIN)
    sink = BytesSink(10)
    sink.cancelled = True
    with pytest.raises(TimedOut):
        await store.get("a", ByteRange(0, 10), sink, if_match=stored.etag)
    assert faulty.count("get") == 1


class Stubborn(MemoryStore):
    """Deletes what it is asked to, but keeps saying of some keys that it could not."""

    def __init__(self, errors: dict[str, list[StoreError]]) -> None:
        super().__init__(lambda: 0.0)
        self.asked: list[list[str]] = []
        self._errors = errors

    async def delete_many(self, keys: Sequence[str]) -> list[DeleteFailure]:
        self.asked.append(list(keys))
        failing = [key for key in keys if self._errors.get(key)]
        return [DeleteFailure(key, self._errors[key].pop(0)) for key in failing]


async def test_only_keys_that_failed_in_passing_are_deleted_again(
    autojump_clock: MockClock,
) -> None:
    denied = AccessDenied("no")
    stubborn = Stubborn({"b": [denied], "c": [ServerFault("x"), Throttled("y")]})
    assert await RetryingStore(stubborn).delete_many(["a", "b", "c"]) == [
        DeleteFailure("b", denied)
    ]
    assert stubborn.asked == [["a", "b", "c"], ["c"], ["c"]]


@pytest.mark.parametrize("kind", [ServerFault, Throttled])
async def test_keys_that_keep_failing_are_returned(
    kind: type[StoreError], autojump_clock: MockClock
) -> None:
    stubborn = Stubborn({"c": [kind(f"{number}") for number in range(1000)]})
    failures = await RetryingStore(stubborn, deadline=5.0).delete_many(["a", "c"])
    assert [(each.key, type(each.error)) for each in failures] == [("c", kind)]
