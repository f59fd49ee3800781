"""Copies of any size, and nothing left behind when one fails."""

from __future__ import annotations

import pytest
import trio
from trio.testing import MockClock

from phfs.core.objects import Attributes, ETag, Stored
from phfs.errors import NoSuchKey, PreconditionFailed, ServerFault
from phfs.s3.copying import ABORT_SECONDS, copy_object
from phfs.s3.faults import FaultyStore
from phfs.s3.memory import MemoryStore
from phfs.s3.store import Store

RICH = Attributes("text/csv", "STANDARD_IA", {"owner": "ada"}, {"Cache-Control": "no-cache"})
BODY = bytes(range(100))


async def copy(store: Store, etag: ETag, *, parallel: int = 4, threshold: int = 50) -> Stored:
    return await copy_object(
        store,
        "a",
        "b",
        size=len(BODY),
        if_match=etag,
        threshold=threshold,
        part_size=8,
        parallel=parallel,
    )


async def test_up_to_the_threshold_it_is_one_request(
    faulty: FaultyStore, memory: MemoryStore
) -> None:
    stored = await memory.put("a", [BODY], RICH)
    copied = await copy(faulty, stored.etag, threshold=len(BODY))
    assert [call.kind for call in faulty.calls] == ["copy"]
    assert memory.objects["b"].etag == copied.etag


@pytest.mark.parametrize("parallel", [1, 4, 40])
async def test_above_it_is_made_of_parts_and_keeps_everything(
    faulty: FaultyStore, memory: MemoryStore, parallel: int
) -> None:
    stored = await memory.put("a", [BODY], RICH)
    memory.set_tags("a", "team=lab")
    copied = await copy(faulty, stored.etag, parallel=parallel)
    assert faulty.count("copy_part") == 13
    target = memory.objects["b"]
    assert (target.data, target.etag, target.attributes, target.tagging) == (
        BODY,
        copied.etag,
        RICH,
        "team=lab",
    )
    assert dict(memory.uploads) == {}


async def test_parts_are_copied_at_the_same_time_up_to_the_number_asked_for(
    faulty: FaultyStore, memory: MemoryStore, autojump_clock: MockClock
) -> None:
    stored = await memory.put("a", [BODY], RICH)
    faulty.latency = 1.0
    await copy(faulty, stored.etag, parallel=4)
    # head, tags, create and complete take a second each, thirteen parts by four at a time another
    # four.
    assert trio.current_time() == pytest.approx(8.0)


async def test_another_version_is_not_copied(faulty: FaultyStore, memory: MemoryStore) -> None:
    await memory.put("a", [BODY], RICH)
    with pytest.raises(PreconditionFailed, match=r"^a: "):
        await copy(faulty, ETag("0" * 32))
    assert list(memory.objects) == ["a"]
    assert faulty.count("create_upload") == 0


async def test_a_version_replaced_midway_is_not_copied(
    faulty: FaultyStore, memory: MemoryStore
) -> None:
    stored = await memory.put("a", [BODY], RICH)
    gate = faulty.hold(kind="copy_part", nth=5)

    async def replace() -> None:
        await gate.reached.wait()
        await memory.put("a", [bytes(100)], RICH)
        gate.release()

    async with trio.open_nursery() as nursery:
        nursery.start_soon(replace)
        with pytest.raises(PreconditionFailed):
            await copy(faulty, stored.etag, parallel=1)
    assert list(memory.objects) == ["a"]
    assert dict(memory.uploads) == {}


async def test_a_missing_source(memory: MemoryStore) -> None:
    with pytest.raises(NoSuchKey):
        await copy(memory, ETag("0" * 32))


CALLS = 17
"""Requests of a multipart copy here: head, tags, create, thirteen parts, complete."""


@pytest.mark.parametrize("after", [False, True])
@pytest.mark.parametrize("nth", range(1, CALLS + 1))
async def test_a_failure_anywhere_leaves_no_upload(
    faulty: FaultyStore, memory: MemoryStore, nth: int, after: bool
) -> None:
    stored = await memory.put("a", [BODY], RICH)
    memory.set_tags("a", "team=lab")
    faulty.fail(ServerFault("broken"), nth=nth, after=after)
    with pytest.raises(ServerFault, match=r"^broken$"):
        await copy(faulty, stored.etag)
    lost_id = after and faulty.calls[-1].kind == "create_upload"
    assert len(memory.uploads) == (1 if lost_id else 0)
    published = after and nth == CALLS
    assert sorted(memory.objects) == (["a", "b"] if published else ["a"])


async def test_every_request_is_failed_above(faulty: FaultyStore, memory: MemoryStore) -> None:
    stored = await memory.put("a", [BODY], RICH)
    memory.set_tags("a", "team=lab")
    await copy(faulty, stored.etag)
    assert faulty.count() == CALLS


async def test_a_cancelled_copy_throws_its_upload_away(
    faulty: FaultyStore, memory: MemoryStore
) -> None:
    stored = await memory.put("a", [BODY], RICH)
    gate = faulty.hold(kind="copy_part", nth=3)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(copy, faulty, stored.etag)
        await gate.reached.wait()
        assert len(memory.uploads) == 1
        nursery.cancel_scope.cancel()
    assert dict(memory.uploads) == {}
    assert list(memory.objects) == ["a"]


@pytest.mark.expects_log
async def test_an_abort_that_fails_is_said_and_does_not_hide_the_reason(
    faulty: FaultyStore, memory: MemoryStore, caplog: pytest.LogCaptureFixture
) -> None:
    stored = await memory.put("a", [BODY], RICH)
    faulty.fail(ServerFault("first"), kind="copy_part", nth=2)
    faulty.fail(ServerFault("second"), kind="abort_upload")
    with pytest.raises(ServerFault, match="first"):
        await copy(faulty, stored.etag)
    assert "an unfinished copy to b stays in the store: second" in caplog.text


@pytest.mark.expects_log
async def test_an_abort_without_an_answer_ends(
    faulty: FaultyStore,
    memory: MemoryStore,
    autojump_clock: MockClock,
    caplog: pytest.LogCaptureFixture,
) -> None:
    stored = await memory.put("a", [BODY], RICH)
    faulty.fail(ServerFault("first"), kind="complete_upload")
    faulty.hold(kind="abort_upload")
    with pytest.raises(ServerFault, match="first"):
        await copy(faulty, stored.etag)
    assert trio.current_time() == pytest.approx(ABORT_SECONDS)
    assert "no answer in time" in caplog.text
