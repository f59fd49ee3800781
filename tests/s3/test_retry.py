"""What is tried again, for how long, and what is made of a lost answer."""

from __future__ import annotations

import math
from collections.abc import Sequence

import pytest
import trio
from trio.testing import MockClock

from phfs.core.objects import Attributes, ByteRange, ETag, Part, Stored, UploadId
from phfs.errors import (
    AccessDenied,
    ConnectionFailed,
    Corrupted,
    NoSuchUpload,
    PreconditionFailed,
    ServerFault,
    StoreError,
    Throttled,
    TimedOut,
)
from phfs.s3.faults import FaultyStore
from phfs.s3.memory import MemoryStore
from phfs.s3.retry import RetryingStore
from phfs.s3.store import Body, DeleteFailure, Store
from tests.support.sinks import BytesSink, read

PLAIN = Attributes()
BODY = b"0123456789"


@pytest.fixture
def memory() -> MemoryStore:
    return MemoryStore(lambda: 0.0, min_part=1)


@pytest.fixture
def faulty(memory: MemoryStore) -> FaultyStore:
    return FaultyStore(memory)


@pytest.fixture
def store(faulty: FaultyStore) -> RetryingStore:
    return RetryingStore(faulty)


async def begin(store: Store, *bodies: bytes) -> tuple[UploadId, list[Part]]:
    upload = await store.create_upload("up", PLAIN)
    parts = [
        await store.put_part("up", upload, number, [body])
        for number, body in enumerate(bodies, start=1)
    ]
    return upload, parts


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


async def test_without_time_there_is_one_try(
    faulty: FaultyStore, autojump_clock: MockClock
) -> None:
    faulty.fail(ServerFault("broken"), times=math.inf)
    with pytest.raises(ServerFault, match=r"\(1 try in 0 s\)"):
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
    stored = await store.put("a", [BODY], PLAIN)
    faulty.byte_seconds = 50.0
    faulty.fail(ConnectionFailed("cut"), kind="get", times=math.inf, filled=1)
    sink = BytesSink(10)
    await store.get("a", ByteRange(0, 10), sink, if_match=stored.etag)
    assert sink.filled == BODY


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


async def test_an_exclusive_put_recognises_its_own_object(
    store: RetryingStore, faulty: FaultyStore, memory: MemoryStore, autojump_clock: MockClock
) -> None:
    faulty.fail(TimedOut("no answer"), kind="put", after=True)
    stored = await store.put("a", [BODY[:3], BODY[3:]], PLAIN, if_none_match=True)
    assert stored.etag == memory.objects["a"].etag


@pytest.mark.parametrize("other", [b"9876543210", BODY + b"!"])
async def test_an_exclusive_put_does_not_take_another_object_for_its_own(
    store: RetryingStore,
    faulty: FaultyStore,
    memory: MemoryStore,
    other: bytes,
    autojump_clock: MockClock,
) -> None:
    await memory.put("a", [other], PLAIN)
    faulty.fail(TimedOut("no answer"), kind="put")
    with pytest.raises(PreconditionFailed):
        await store.put("a", [BODY], PLAIN, if_none_match=True)
    assert memory.objects["a"].data == other


async def test_equal_objects_are_not_ours_when_no_answer_was_lost(
    store: RetryingStore, faulty: FaultyStore, memory: MemoryStore, autojump_clock: MockClock
) -> None:
    await memory.put("a", [BODY], PLAIN)
    faulty.fail(Throttled("slow down"), kind="put")
    with pytest.raises(PreconditionFailed):
        await store.put("a", [BODY], PLAIN, if_none_match=True)


async def test_an_empty_lock_file_is_never_recognised(
    store: RetryingStore, faulty: FaultyStore, autojump_clock: MockClock
) -> None:
    faulty.fail(TimedOut("no answer"), kind="put", after=True)
    with pytest.raises(PreconditionFailed):
        await store.put("lock", [], PLAIN, if_none_match=True)


@pytest.mark.parametrize("exclusive", [False, True])
async def test_a_completed_upload_is_recognised(
    store: RetryingStore,
    faulty: FaultyStore,
    memory: MemoryStore,
    exclusive: bool,
    autojump_clock: MockClock,
) -> None:
    upload, parts = await begin(store, b"one", b"two")
    faulty.fail(TimedOut("no answer"), kind="complete_upload", after=True)
    stored = await store.complete_upload("up", upload, parts, if_none_match=exclusive)
    assert memory.objects["up"].data == b"onetwo"
    assert stored.etag == memory.objects["up"].etag


async def test_a_vanished_upload_is_no_success(
    store: RetryingStore, faulty: FaultyStore, memory: MemoryStore, autojump_clock: MockClock
) -> None:
    upload, parts = await begin(store, b"one", b"two")
    await memory.put("up", [b"oldold"], PLAIN)
    await memory.abort_upload("up", upload)
    faulty.fail(TimedOut("no answer"), kind="complete_upload")
    with pytest.raises(NoSuchUpload):
        await store.complete_upload("up", upload, parts)


async def test_a_vanished_upload_without_an_object_is_no_success(
    store: RetryingStore, faulty: FaultyStore, memory: MemoryStore, autojump_clock: MockClock
) -> None:
    upload, parts = await begin(store, b"one")
    await memory.abort_upload("up", upload)
    faulty.fail(TimedOut("no answer"), kind="complete_upload")
    with pytest.raises(NoSuchUpload):
        await store.complete_upload("up", upload, parts)


async def test_an_upload_unknown_at_the_first_try_is_not_looked_for(
    store: RetryingStore, faulty: FaultyStore, memory: MemoryStore, autojump_clock: MockClock
) -> None:
    upload, parts = await begin(store, b"one")
    await memory.complete_upload("up", upload, parts)
    with pytest.raises(NoSuchUpload):
        await store.complete_upload("up", upload, parts)
    assert faulty.count("head") == 0


class Encrypting(MemoryStore):
    """Its ETags are no MD5s, as those of objects encrypted with a key of the user's."""

    async def put_part(self, key: str, upload: UploadId, number: int, body: Body) -> Part:
        part = await super().put_part(key, upload, number, body)
        return part._replace(etag=ETag(f"tag-{part.etag}"))

    async def complete_upload(
        self, key: str, upload: UploadId, parts: Sequence[Part], *, if_none_match: bool = False
    ) -> Stored:
        plain = [part._replace(etag=ETag(part.etag.removeprefix("tag-"))) for part in parts]
        return await super().complete_upload(key, upload, plain, if_none_match=if_none_match)


async def test_where_etags_are_no_md5_size_and_number_of_parts_have_to_fit(
    autojump_clock: MockClock,
) -> None:
    memory = Encrypting(lambda: 0.0, min_part=1)
    faulty = FaultyStore(memory)
    store = RetryingStore(faulty)
    upload, parts = await begin(store, b"one", b"two")
    faulty.fail(TimedOut("no answer"), kind="complete_upload", after=True)
    stored = await store.complete_upload("up", upload, parts)
    assert stored.etag == memory.objects["up"].etag
    upload, parts = await begin(store, b"onetwo")
    await memory.abort_upload("up", upload)
    faulty.fail(TimedOut("no answer"), kind="complete_upload")
    with pytest.raises(NoSuchUpload):
        await store.complete_upload("up", upload, parts)
    upload, parts = await begin(store, b"one", b"two")
    faulty.fail(TimedOut("no answer"), kind="complete_upload")
    with pytest.raises(PreconditionFailed):
        await store.complete_upload("up", upload, parts, if_none_match=True)


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


async def test_keys_that_keep_failing_are_returned(autojump_clock: MockClock) -> None:
    stubborn = Stubborn({"c": [ServerFault(f"{number}") for number in range(1000)]})
    failures = await RetryingStore(stubborn, deadline=5.0).delete_many(["a", "c"])
    assert [(each.key, type(each.error)) for each in failures] == [("c", ServerFault)]
