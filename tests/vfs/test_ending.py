"""The end of a mount: what is refused, what is waited for, what is saved, what is named."""

from __future__ import annotations

import math
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import pytest
import trio
from trio.testing import MockClock, wait_all_tasks_blocked

from phfs.errors import ConnectionFailed, ReadOnly
from phfs.s3.faults import FaultyStore
from phfs.s3.memory import MemoryStore
from phfs.vfs.ending import LAST_SECONDS
from tests.support.volume import EXCLUSIVE, READ, UPDATE, WRITE, Volume, open_volume
from tests.vfs.conftest import contents, put_all

MIB = 1024**2

SECONDS = 25.0


@asynccontextmanager
async def ending(volume: Volume) -> AsyncIterator[trio.Event]:
    """The mount is asked to end; the event comes when it has nothing to wait for any more."""
    settled = trio.Event()

    async def settle() -> None:
        await volume.fs.ending.settle()
        settled.set()

    async with trio.open_nursery() as nursery:
        nursery.start_soon(settle)
        await wait_all_tasks_blocked()
        yield settled
        nursery.cancel_scope.cancel()


async def test_where_nobody_writes_there_is_nothing_to_wait_for(
    autojump_clock: MockClock, volume: Volume, memory: MemoryStore
) -> None:
    await put_all(memory, {"a": b"text"})
    reader = await volume.open("a", READ)
    update = await volume.open("a", UPDATE)
    begun = trio.current_time()
    await volume.fs.ending.settle()
    assert trio.current_time() == begun
    assert await reader.read() == b"text"
    await update.close()
    await reader.close()


CHANGES: dict[str, Callable[[Volume], Awaitable[object]]] = {
    "open": lambda it: it.open("a", WRITE),
    "update": lambda it: it.open("a", UPDATE),
    "create": lambda it: it.create("new"),
    "mkdir": lambda it: it.mkdir("new"),
    "rmdir": lambda it: it.rmdir("d"),
    "unlink": lambda it: it.unlink("a"),
    "rename": lambda it: it.rename("a", "b"),
    "truncate": lambda it: it.truncate("a", 0),
}


@pytest.mark.parametrize("name", CHANGES)
async def test_no_change_is_begun_any_more(
    autojump_clock: MockClock, volume: Volume, memory: MemoryStore, name: str
) -> None:
    await put_all(memory, {"a": b"text", "d/": b""})
    async with ending(volume):
        with pytest.raises(ReadOnly, match="is being ended") as refused:
            await CHANGES[name](volume)
        assert "mounted again" in refused.value.advice
        reader = await volume.open("a", READ)
        assert await reader.read() == b"text"
        await reader.close()
    assert contents(memory) == {"a": b"text", "d/": b""}


async def test_who_is_writing_may_finish(
    autojump_clock: MockClock, volume: Volume, memory: MemoryStore
) -> None:
    file = await volume.create("f")
    await file.write(b"one ")
    async with ending(volume) as settled:
        await file.write(b"two ")
        await file.truncate(0)
        await file.write(b"x", 0)
        assert not settled.is_set()
        await file.close()
        with trio.fail_after(1):
            await settled.wait()
    assert contents(memory) == {"f": b"x"}


async def test_a_close_under_way_is_waited_for(
    autojump_clock: MockClock, volume: Volume, faulty: FaultyStore, memory: MemoryStore
) -> None:
    file = await volume.create("f")
    await file.write(b"text")
    faulty.latency = 10.0
    async with trio.open_nursery() as nursery:
        nursery.start_soon(file.close)
        await wait_all_tasks_blocked()
        await volume.fs.ending.settle()
        assert contents(memory) == {"f": b"text"}


async def test_a_truncation_is_put_and_not_waited_for(
    autojump_clock: MockClock, faulty: FaultyStore, memory: MemoryStore
) -> None:
    await put_all(memory, {"cut": b"old"})
    async with open_volume(faulty) as volume:
        await volume.open("cut", WRITE)
        await volume.create("new")
        begun = trio.current_time()
        await volume.fs.ending.settle()
        assert trio.current_time() == begun
    assert contents(memory) == {"cut": b"", "new": b""}
    assert volume.fs.ending.unsaved == set()


async def test_what_nobody_closes_is_named_and_its_upload_aborted(
    autojump_clock: MockClock, faulty: FaultyStore, memory: MemoryStore
) -> None:
    await put_all(memory, {"small": b"old"})
    async with open_volume(faulty, drain_seconds=SECONDS) as volume:
        small, large = await volume.open("small", WRITE), await volume.create("large")
        saved, unlinked = await volume.create("saved"), await volume.create("unlinked")
        await small.write(b"new")
        await large.write(bytes(20 * MIB))
        await saved.write(b"text")
        await saved.fsync()
        await unlinked.write(b"text")
        await volume.unlink("unlinked")
        await wait_all_tasks_blocked()
        assert memory.uploads
        asked = await trio.to_thread.run_sync(volume.fs.ending.outstanding)
        assert asked == {"/small", "/large"}, "what is lost if the end is forced now"
        with trio.move_on_after(SECONDS):
            await volume.fs.ending.settle()
    assert volume.fs.ending.unsaved == {"/small", "/large"}
    assert contents(memory) == {"small": b"old", "saved": b"text"}
    assert not memory.uploads


async def test_what_the_store_refuses_at_the_end_is_named(
    autojump_clock: MockClock, faulty: FaultyStore, memory: MemoryStore
) -> None:
    await put_all(memory, {"cut": b"old"})
    async with open_volume(faulty) as volume:
        await volume.open("cut", WRITE)
        await volume.create("new", EXCLUSIVE)
        faulty.fail(ConnectionFailed("broken"), kind="put", times=math.inf)
    assert volume.fs.ending.unsaved == {"/cut", "/new"}
    assert volume.fs.ending.outstanding() == {"/cut", "/new"}
    assert contents(memory) == {"cut": b"old"}


@pytest.mark.expects_log
@pytest.mark.parametrize("asked", [True, False], ids=["signal", "unmounted"])
async def test_a_store_that_hangs_holds_nobody_up(
    autojump_clock: MockClock, faulty: FaultyStore, memory: MemoryStore, *, asked: bool
) -> None:
    await put_all(memory, {"cut": b"old"})
    begun = trio.current_time()
    async with open_volume(faulty, drain_seconds=SECONDS) as volume:
        await volume.open("cut", WRITE)
        large, other = await volume.create("large"), await volume.create("other")
        await large.write(bytes(20 * MIB))
        faulty.latency = 3_600.0
        await other.write(bytes(9 * MIB))  # begins an upload, whose beginning is not answered
        await wait_all_tasks_blocked()
        if asked:
            with trio.move_on_after(SECONDS):
                await volume.fs.ending.settle()
    assert trio.current_time() - begun <= SECONDS + LAST_SECONDS + 1
    assert volume.fs.ending.unsaved == {"/cut", "/large", "/other"}


async def test_what_is_not_saved_is_told_with_how_far_it_is(
    autojump_clock: MockClock, faulty: FaultyStore, memory: MemoryStore
) -> None:
    await put_all(memory, {"read": b"text"})
    async with open_volume(faulty) as volume:
        reader = await volume.open("read", READ)
        large = await volume.create("large")
        await large.write(bytes(9 * MIB))
        await trio.sleep(3)
        small = await volume.create("small")
        await small.write(b"text")
        first, second = volume.fs.ending.under_way()
        assert (first.path, first.stored, first.known) == ("/large", 9 * MIB, 9 * MIB)
        assert (second.path, second.stored, second.known) == ("/small", 0, 4)
        assert first.seconds - second.seconds == pytest.approx(3, abs=0.1)
        assert not first.closing
        faulty.latency = 10.0
        async with trio.open_nursery() as nursery:
            nursery.start_soon(small.close)
            await wait_all_tasks_blocked()
            assert volume.fs.ending.under_way()[1].closing
        assert [one.path for one in volume.fs.ending.under_way()] == ["/large"]
        await large.close()
        assert volume.fs.ending.under_way() == []
        await reader.close()
