"""What a call did whose answer was lost: seen in the store, never guessed."""

from __future__ import annotations

import math
from collections.abc import Awaitable, Callable, Sequence

import pytest
import trio
from trio.testing import MockClock

from phfs.core.objects import Attributes, ByteRange, ETag, Part, Stored, UploadId
from phfs.errors import (
    AccessDenied,
    ConnectionFailed,
    NoSuchUpload,
    PartsLost,
    PreconditionFailed,
    Throttled,
    TimedOut,
)
from phfs.s3.faults import FaultyStore
from phfs.s3.memory import MemoryStore
from phfs.s3.retry import LOOK_SECONDS, RetryingStore
from phfs.s3.store import Body, Described
from tests.s3.uploading import begin

PLAIN = Attributes()
BODY = b"0123456789"
LOST = ConnectionFailed("the answer was lost")


# -- put -----------------------------------------------------------------------------------------


async def test_a_put_none_of_whose_answers_comes_is_seen(
    store: RetryingStore, faulty: FaultyStore, memory: MemoryStore, autojump_clock: MockClock
) -> None:
    faulty.fail(LOST, kind="put", times=math.inf, after=True)
    stored = await store.put("a", [BODY[:3], BODY[3:]], PLAIN)
    assert stored.etag == memory.objects["a"].etag


async def test_a_put_that_never_arrives_is_an_error(
    store: RetryingStore, faulty: FaultyStore, memory: MemoryStore, autojump_clock: MockClock
) -> None:
    await memory.put("a", [b"older text"], PLAIN)
    faulty.fail(LOST, kind="put", times=math.inf)
    with pytest.raises(ConnectionFailed):
        await store.put("a", [BODY], PLAIN)
    assert memory.objects["a"].data == b"older text"


async def test_a_put_that_was_done_before_the_keys_were_revoked_is_seen(
    store: RetryingStore, faulty: FaultyStore, memory: MemoryStore, autojump_clock: MockClock
) -> None:
    faulty.fail(LOST, kind="put", after=True)
    faulty.fail(AccessDenied("no"), kind="put", nth=2, times=math.inf)
    assert (await store.put("a", [BODY], PLAIN)).etag == memory.objects["a"].etag


async def test_a_refusal_without_a_lost_answer_is_not_looked_into(
    store: RetryingStore, faulty: FaultyStore, memory: MemoryStore, autojump_clock: MockClock
) -> None:
    await memory.put("a", [BODY], PLAIN)
    faulty.fail(AccessDenied("no"), kind="put")
    with pytest.raises(AccessDenied):
        await store.put("a", [BODY], PLAIN)
    assert faulty.count("head") == 0


async def test_looking_has_an_end_and_its_failure_is_not_what_is_told(
    store: RetryingStore, faulty: FaultyStore, autojump_clock: MockClock
) -> None:
    faulty.fail(LOST, kind="put", times=math.inf)
    faulty.hold(kind="head", times=math.inf)
    with pytest.raises(ConnectionFailed, match="answer was lost"):
        await store.put("a", [BODY], PLAIN)
    assert trio.current_time() <= 60.0 + LOOK_SECONDS


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


async def test_that_a_name_is_taken_is_not_said_of_what_cannot_be_seen(
    store: RetryingStore, faulty: FaultyStore, autojump_clock: MockClock
) -> None:
    faulty.fail(LOST, kind="put", after=True)
    faulty.fail(TimedOut("no answer"), kind="head", times=math.inf)
    with pytest.raises(TimedOut):
        await store.put("a", [BODY], PLAIN, if_none_match=True)


# -- complete ------------------------------------------------------------------------------------


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


async def test_an_upload_published_by_a_store_that_was_killed_is_seen(
    store: RetryingStore, faulty: FaultyStore, memory: MemoryStore, autojump_clock: MockClock
) -> None:
    upload, parts = await begin(store, b"one", b"two")
    faulty.fail(LOST, kind="complete_upload", after=True)
    faulty.fail(PartsLost("InvalidPart"), kind="complete_upload", nth=2, times=math.inf)
    stored = await store.complete_upload("up", upload, parts)
    assert stored.etag == memory.objects["up"].etag


async def test_an_upload_spoilt_by_a_store_that_was_killed_is_an_error(
    store: RetryingStore, faulty: FaultyStore, memory: MemoryStore, autojump_clock: MockClock
) -> None:
    await memory.put("up", [b"oldold"], PLAIN)
    upload, parts = await begin(store, b"one", b"two")
    faulty.fail(LOST, kind="complete_upload")
    faulty.fail(PartsLost("InvalidPart"), kind="complete_upload", nth=2, times=math.inf)
    with pytest.raises(PartsLost):
        await store.complete_upload("up", upload, parts)
    assert memory.objects["up"].data == b"oldold"


@pytest.mark.parametrize("kind", ["complete_upload", "copy", "copy_part"])
async def test_work_inside_the_store_is_cut_off_at_the_deadline(
    store: RetryingStore,
    faulty: FaultyStore,
    memory: MemoryStore,
    kind: str,
    autojump_clock: MockClock,
) -> None:
    stored = await memory.put("a", [BODY], PLAIN)
    upload, parts = await begin(memory, b"one")
    calls: dict[str, Callable[[], Awaitable[object]]] = {
        "complete_upload": lambda: store.complete_upload("up", upload, parts),
        "copy": lambda: store.copy("a", "b", if_match=stored.etag),
        "copy_part": lambda: store.copy_part(
            "up", upload, 2, "a", ByteRange(0, 4), if_match=stored.etag
        ),
    }
    faulty.fail(LOST, kind=kind)
    faulty.hold(kind=kind, nth=2)
    with pytest.raises(ConnectionFailed, match="answer was lost"):
        await calls[kind]()
    assert trio.current_time() == pytest.approx(60.0)


async def test_a_completion_cut_off_at_the_deadline_is_looked_for(
    store: RetryingStore, faulty: FaultyStore, memory: MemoryStore, autojump_clock: MockClock
) -> None:
    upload, parts = await begin(store, b"one", b"two")
    faulty.fail(Throttled("slow down"), kind="complete_upload")
    gate = faulty.hold(kind="complete_upload", nth=2)

    async def publish() -> None:
        await gate.reached.wait()
        await memory.complete_upload("up", upload, parts)

    async with trio.open_nursery() as nursery:
        nursery.start_soon(publish)
        stored = await store.complete_upload("up", upload, parts)
    assert stored.etag == memory.objects["up"].etag


# -- copy and delete -----------------------------------------------------------------------------


async def test_a_copy_none_of_whose_answers_comes_is_seen(
    store: RetryingStore, faulty: FaultyStore, memory: MemoryStore, autojump_clock: MockClock
) -> None:
    stored = await memory.put("a", [BODY], PLAIN)
    faulty.fail(LOST, kind="copy", times=math.inf, after=True)
    assert (await store.copy("a", "b", if_match=stored.etag)).etag == stored.etag
    assert memory.objects["b"].data == BODY


async def test_what_is_under_the_new_name_may_not_be_the_copy(
    store: RetryingStore, faulty: FaultyStore, memory: MemoryStore, autojump_clock: MockClock
) -> None:
    stored = await memory.put("a", [BODY], PLAIN)
    await memory.put("b", [b"9876543210"], PLAIN)
    faulty.fail(LOST, kind="copy", times=math.inf)
    with pytest.raises(ConnectionFailed):
        await store.copy("a", "b", if_match=stored.etag)


class Scoped(MemoryStore):
    """Says 403 of what does not exist, as to keys that may not list the whole bucket."""

    async def head(self, key: str) -> Described:
        if key not in self.objects:
            raise AccessDenied("no")
        return await super().head(key)


@pytest.mark.parametrize("kind", [MemoryStore, Scoped])
async def test_a_deletion_none_of_whose_answers_comes_is_seen(
    kind: type[MemoryStore], autojump_clock: MockClock
) -> None:
    memory = kind(lambda: 0.0)
    await memory.put("a", [BODY], PLAIN)
    faulty = FaultyStore(memory)
    faulty.fail(LOST, kind="delete", times=math.inf, after=True)
    await RetryingStore(faulty).delete("a")
    assert "a" not in memory.objects


async def test_a_deletion_that_never_arrives_is_an_error(
    store: RetryingStore, faulty: FaultyStore, memory: MemoryStore, autojump_clock: MockClock
) -> None:
    await memory.put("a", [BODY], PLAIN)
    faulty.fail(LOST, kind="delete", times=math.inf)
    with pytest.raises(ConnectionFailed):
        await store.delete("a")


async def test_of_many_deletions_without_an_answer_those_that_are_there_have_failed(
    store: RetryingStore, faulty: FaultyStore, memory: MemoryStore, autojump_clock: MockClock
) -> None:
    keys = [f"d/{number:04}" for number in range(2500)]
    for key in [*keys, "d/0007/other", "e"]:
        await memory.put(key, (), PLAIN)
    faulty.fail(LOST, kind="delete_many", times=math.inf, after=True)
    assert await store.delete_many(keys) == []
    assert sorted(memory.objects) == ["d/0007/other", "e"]
    for key in keys[:5]:
        await memory.put(key, (), PLAIN)
    faulty.heal()
    faulty.fail(LOST, kind="delete_many", times=math.inf)
    failures = await store.delete_many(keys)
    assert [failure.key for failure in failures] == keys[:5]
    assert all(isinstance(failure.error, ConnectionFailed) for failure in failures)


async def test_deletions_among_too_many_other_keys_are_not_looked_for_without_end(
    store: RetryingStore, faulty: FaultyStore, memory: MemoryStore, autojump_clock: MockClock
) -> None:
    for number in range(12_000):
        await memory.put(f"d/{number:05}", (), PLAIN)
    faulty.fail(LOST, kind="delete_many", times=math.inf, after=True)
    with pytest.raises(ConnectionFailed):
        await store.delete_many(["d/00000", "d/11999"])
    assert faulty.count("list_page") < 15
