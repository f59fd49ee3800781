"""Renaming when answers are lost and rights are missing: what is left is known or named."""

from __future__ import annotations

import pytest
import trio
from trio.testing import MockClock

from phfs.errors import AccessDenied, Busy, ConnectionFailed, OperationFailed, StoreError
from phfs.s3.faults import FaultyStore
from phfs.s3.memory import MemoryStore
from tests.support.volume import Volume
from tests.vfs.conftest import contents, put_all

TREE = {"d/": b"", "d/a": b"in a", "d/e/b": b"in b"}
LOST = ConnectionFailed("the answer was lost")


async def test_a_copy_whose_answer_was_lost_is_seen(
    autojump_clock: MockClock, volume: Volume, memory: MemoryStore, faulty: FaultyStore
) -> None:
    await put_all(memory, {"f": b"content"})
    reader = await volume.open("f")
    faulty.fail(LOST, kind="copy", after=True)
    await volume.rename("f", "g")
    assert contents(memory) == {"g": b"content"}
    assert await reader.read() == b"content"
    await reader.close()


async def test_a_copy_over_a_file_whose_answer_was_lost_is_seen(
    autojump_clock: MockClock, volume: Volume, memory: MemoryStore, faulty: FaultyStore
) -> None:
    await put_all(memory, {"f": b"content", "g": b"replaced"})
    faulty.fail(LOST, kind="copy", after=True)
    await volume.rename("f", "g")
    assert contents(memory) == {"g": b"content"}


@pytest.mark.parametrize("there", [{}, {"g": b"other"}, {"g": b"content"}])
async def test_a_copy_that_was_not_made_changes_nothing(
    autojump_clock: MockClock,
    volume: Volume,
    memory: MemoryStore,
    faulty: FaultyStore,
    there: dict[str, bytes],
) -> None:
    """Not even when the same bytes were there before: they may have other tags."""
    await put_all(memory, {"f": b"content", **there})
    faulty.fail(LOST, kind="copy")
    with pytest.raises(ConnectionFailed):
        await volume.rename("f", "g")
    assert contents(memory) == {"f": b"content", **there}
    assert set(await volume.listdir()) == {"f", *there}
    await volume.rename("f", "g")
    assert contents(memory) == {"g": b"content"}


async def test_a_copy_that_cannot_be_told_is_named(
    autojump_clock: MockClock, volume: Volume, memory: MemoryStore, faulty: FaultyStore
) -> None:
    await put_all(memory, {"f": b"content"})
    await volume.stat("f")
    faulty.fail(LOST, kind="copy", after=True)
    faulty.fail(AccessDenied("no"), kind="head", nth=2)  # the first looks whether /g is there
    with pytest.raises(OperationFailed, match="/f could not be renamed, and /g may") as failed:
        await volume.rename("f", "g")
    assert "/f is whole" in failed.value.advice
    assert set(await volume.listdir()) == {"f", "g"}


async def test_a_copy_of_many_parts_cannot_be_told_by_its_etag(
    autojump_clock: MockClock, volume: Volume, memory: MemoryStore, faulty: FaultyStore
) -> None:
    await volume.write("f", b"one" * 500, b"two" * 500)
    faulty.fail(LOST, kind="copy", after=True)
    with pytest.raises(OperationFailed, match="/g may hold a copy"):
        await volume.rename("f", "g")
    assert contents(memory)["f"] == b"one" * 500 + b"two" * 500
    await volume.rename("f", "g")
    assert set(contents(memory)) == {"g"}


@pytest.mark.expects_log
async def test_without_the_right_to_delete_the_copy_is_named(
    autojump_clock: MockClock, volume: Volume, memory: MemoryStore, faulty: FaultyStore
) -> None:
    await put_all(memory, {"f": b"content"})
    faulty.fail(AccessDenied("no"), kind="delete")
    faulty.fail(AccessDenied("no"), kind="delete_many")
    with pytest.raises(
        AccessDenied, match="/f was copied to /g but could not be removed"
    ) as failed:
        await volume.rename("f", "g")
    assert "/g is whole" in failed.value.advice
    assert contents(memory) == {"f": b"content", "g": b"content"}
    assert set(await volume.listdir()) == {"f", "g"}


async def test_the_right_to_delete_is_missed_after_a_file_was_replaced(
    autojump_clock: MockClock, volume: Volume, memory: MemoryStore, faulty: FaultyStore
) -> None:
    """What was replaced is gone: the copy stays, and nobody is told to remove it."""
    await put_all(memory, {"f": b"content", "g": b"replaced"})
    faulty.fail(AccessDenied("no"), kind="delete")
    with pytest.raises(AccessDenied, match="/f was copied to /g"):
        await volume.rename("f", "g")
    assert contents(memory) == {"f": b"content", "g": b"content"}


@pytest.mark.expects_log
@pytest.mark.parametrize("error", [AccessDenied("no"), LOST], ids=["refused", "lost"])
async def test_copies_of_a_directory_that_stay_are_named(
    autojump_clock: MockClock,
    volume: Volume,
    memory: MemoryStore,
    faulty: FaultyStore,
    error: StoreError,
) -> None:
    await put_all(memory, TREE)
    faulty.fail(AccessDenied("not copied"), kind="copy", nth=3)
    faulty.fail(error, kind="delete_many")
    with pytest.raises(AccessDenied, match=r"copies may be left, /x/, /x/a") as failed:
        await volume.rename("d", "x")
    assert "/d/ is whole" in failed.value.advice
    assert TREE.items() <= contents(memory).items()
    assert set(await volume.listdir()) == {"d", "x"}
    assert set(await volume.listdir("d")) == {"a", "e"}


async def test_a_marker_whose_answer_was_lost_is_taken_back(
    autojump_clock: MockClock, memory: MemoryStore, faulty: FaultyStore, volume: Volume
) -> None:
    await put_all(memory, {"d/a": b""})
    await volume.unlink("d/a")
    faulty.fail(LOST, kind="put", after=True)
    with pytest.raises(ConnectionFailed):
        await volume.rename("d", "x")
    assert contents(memory) == {}
    assert set(await volume.listdir()) == {"d"}


async def test_old_names_whose_deletion_was_not_answered_are_gone(
    autojump_clock: MockClock, volume: Volume, memory: MemoryStore, faulty: FaultyStore
) -> None:
    await put_all(memory, TREE)
    faulty.fail(LOST, kind="delete_many", after=True)
    await volume.rename("d", "x")
    assert contents(memory) == {"x/": b"", "x/a": b"in a", "x/e/b": b"in b"}


async def test_copies_under_way_end_before_they_are_taken_back(
    autojump_clock: MockClock, volume: Volume, memory: MemoryStore, faulty: FaultyStore
) -> None:
    await put_all(memory, TREE)
    gate = faulty.hold(kind="copy", nth=2)
    faulty.fail(AccessDenied("no"), kind="copy", nth=1)

    async def let_it_go() -> None:
        await gate.reached.wait()
        await trio.testing.wait_all_tasks_blocked()
        assert faulty.count("delete_many") == 0
        gate.release()

    async with trio.open_nursery() as nursery:
        nursery.start_soon(let_it_go)
        with pytest.raises(AccessDenied):
            await volume.rename("d", "x")
    assert contents(memory) == TREE


# -- a release that is still to come ---------------------------------------------------------------


async def empty_and_close(volume: Volume, path: str, nursery: trio.Nursery) -> None:
    """``: > path``: close has returned, and its release comes a moment later."""
    file = await volume.create(path)
    await file.flush()

    async def release() -> None:
        await trio.sleep(0.01)
        await file.release()

    nursery.start_soon(release)


async def test_a_file_just_emptied_can_be_renamed(
    autojump_clock: MockClock, volume: Volume, memory: MemoryStore
) -> None:
    await put_all(memory, {"f": b"content", "g": b"other"})
    async with trio.open_nursery() as nursery:
        await empty_and_close(volume, "f", nursery)
        await volume.rename("f", "h")
        assert contents(memory) == {"h": b"", "g": b"other"}
        await empty_and_close(volume, "g", nursery)
        await volume.rename("h", "g")
        assert contents(memory) == {"g": b""}


async def test_a_release_that_has_begun_is_waited_for_however_slow_the_store_is(
    autojump_clock: MockClock, volume: Volume, memory: MemoryStore, faulty: FaultyStore
) -> None:
    await put_all(memory, {"f": b"content"})
    async with trio.open_nursery() as nursery:
        await empty_and_close(volume, "f", nursery)
        faulty.latency = 30.0
        await volume.rename("f", "h")
    assert contents(memory) == {"h": b""}


async def test_a_directory_with_a_file_just_emptied_can_be_renamed(
    autojump_clock: MockClock, volume: Volume, memory: MemoryStore
) -> None:
    await put_all(memory, {"d/f": b"content", "d/g": b"other"})
    async with trio.open_nursery() as nursery:
        await empty_and_close(volume, "d/f", nursery)
        await empty_and_close(volume, "d/g", nursery)
        await volume.rename("d", "x")
    assert contents(memory) == {"x/f": b"", "x/g": b""}


async def test_a_file_just_emptied_can_be_opened_emptied_and_removed(
    autojump_clock: MockClock, volume: Volume, memory: MemoryStore
) -> None:
    await put_all(memory, {"f": b"content"})
    async with trio.open_nursery() as nursery:
        await empty_and_close(volume, "f", nursery)
        assert await volume.read("f") == b""
        await put_all(memory, {"f": b"content"})
        await trio.sleep(2)
        await empty_and_close(volume, "f", nursery)
        await volume.truncate("f", 0)
        await volume.unlink("f")
    assert contents(memory) == {}


async def test_a_file_that_stays_open_is_not_waited_for_long(
    autojump_clock: MockClock, volume: Volume, memory: MemoryStore
) -> None:
    await put_all(memory, {"f": b"content", "d/f": b"content"})
    files = [await volume.create("f"), await volume.create("d/f")]
    for file in files:
        await file.flush()
    begun = trio.current_time()
    for old, new in (("f", "g"), ("d", "x")):
        with pytest.raises(Busy):
            await volume.rename(old, new)
    assert trio.current_time() - begun < 3
    for file in files:
        await file.release()
