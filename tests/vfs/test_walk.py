"""Trees that are gone through: directories listed before they are entered, files fetched from the
first on. Nothing becomes older or other than it would be without.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

import pytest
import trio
from trio.testing import MockClock, wait_all_tasks_blocked

from phfs.core.objects import Page
from phfs.core.walk import LEAST_WALK
from phfs.errors import ConnectionFailed
from phfs.s3.faults import FaultyStore
from phfs.s3.memory import MemoryStore
from phfs.s3.store import DeleteFailure
from tests.support.volume import ROOT, Volume
from tests.vfs.conftest import put_all

DIRECTORIES = [f"{number:02}" for number in range(40)]


@asynccontextmanager
async def in_tree(volume: Volume, memory: MemoryStore, files: int = 5) -> AsyncIterator[None]:
    """``tree`` has forty directories of a few files; it was listed, and the kernel knows them."""
    names = [f"tree/{name}/{number}" for name in DIRECTORIES for number in range(files)]
    await put_all(memory, {name: name.encode() for name in names})
    async with volume.found("tree"):
        await volume.listdir("tree")
        async with AsyncExitStack() as stack:
            for name in DIRECTORIES:
                await stack.enter_async_context(volume.found(f"tree/{name}"))
            yield


@asynccontextmanager
async def walk_begun(volume: Volume, faulty: FaultyStore, *, latency: float) -> AsyncIterator[None]:
    """The directory by which a walk is recognised is being listed, and the next ones are ahead."""
    for name in DIRECTORIES[: LEAST_WALK - 1]:
        await volume.listdir(f"tree/{name}")
    faulty.latency = latency
    async with trio.open_nursery() as nursery:
        nursery.start_soon(volume.listdir, f"tree/{DIRECTORIES[LEAST_WALK - 1]}")
        await wait_all_tasks_blocked()
        yield


async def test_directories_in_order_are_listed_before_they_are_entered(
    autojump_clock: MockClock, volume: Volume, memory: MemoryStore, faulty: FaultyStore
) -> None:
    async with in_tree(volume, memory):
        before = faulty.count()
        faulty.latency = 0.05
        begun = trio.current_time()
        for name in DIRECTORIES:
            assert len(await volume.listdir(f"tree/{name}")) == 5
        assert trio.current_time() - begun < 40 * 0.05 / 4
        listed = [call.key for call in faulty.calls[before:] if call.kind == "list_page"]
        assert sorted(listed) == sorted(set(listed)), "each once"


async def test_a_directory_listed_for_a_walk_is_no_older_than_the_ttl(
    autojump_clock: MockClock, volume: Volume, memory: MemoryStore
) -> None:
    async with in_tree(volume, memory):
        for name in DIRECTORIES[:8]:
            await volume.listdir(f"tree/{name}")
        await wait_all_tasks_blocked()
        following = f"tree/{DIRECTORIES[9]}"
        await put_all(memory, {f"{following}/new": b"new"})
        await trio.sleep(1.1)
        assert "new" in await volume.listdir(following)


async def test_a_walk_that_fails_ahead_is_nobodys_failure(
    autojump_clock: MockClock, volume: Volume, memory: MemoryStore, faulty: FaultyStore
) -> None:
    async with in_tree(volume, memory):
        async with walk_begun(volume, faulty, latency=0.05):
            faulty.fail(ConnectionFailed("cut"), kind="list_page", times=4)
        faulty.heal()
        for name in DIRECTORIES:
            assert len(await volume.listdir(f"tree/{name}")) == 5


async def test_what_a_walk_enters_while_it_is_listed_is_not_listed_twice(
    autojump_clock: MockClock, volume: Volume, memory: MemoryStore, faulty: FaultyStore
) -> None:
    async with in_tree(volume, memory):
        for name in DIRECTORIES[:LEAST_WALK]:
            await volume.listdir(f"tree/{name}")
        before = faulty.count()
        await volume.listdir(f"tree/{DIRECTORIES[LEAST_WALK]}")
        keys = [call.key for call in faulty.calls[before:]]
        assert f"tree/{DIRECTORIES[LEAST_WALK]}/" not in keys


async def test_a_directory_of_several_pages_is_left_to_who_enters_it(
    autojump_clock: MockClock, volume: Volume, memory: MemoryStore, faulty: FaultyStore
) -> None:
    large = f"tree/{DIRECTORIES[10]}"
    await put_all(memory, {f"{large}/{number:04}": b"" for number in range(1500)})
    async with in_tree(volume, memory):
        for name in DIRECTORIES[:10]:
            await volume.listdir(f"tree/{name}")
        assert len(await volume.listdir(large)) == 1505
        assert [call.key for call in faulty.calls].count(f"{large}/") == 3


async def test_files_of_the_next_directory_are_fetched_from_the_first_on(
    autojump_clock: MockClock, volume: Volume, memory: MemoryStore, faulty: FaultyStore
) -> None:
    async with in_tree(volume, memory):
        before = faulty.count()
        faulty.latency = 0.05
        waited = []
        for name in DIRECTORIES[:20]:
            begun = trio.current_time()
            for file in sorted(await volume.listdir(f"tree/{name}")):
                path = f"tree/{name}/{file}"
                assert await volume.read(path) == path.encode()
            waited.append(trio.current_time() - begun)
        assert waited[0] >= 5 * 0.05
        assert max(waited[8:]) <= 3 * 0.05
        gets = [call.key for call in faulty.calls[before:] if call.kind == "get"]
        assert sorted(gets) == sorted(set(gets)), "each once"


async def test_a_rename_in_a_directory_read_by_number_fails_no_read(
    autojump_clock: MockClock, volume: Volume, memory: MemoryStore
) -> None:
    names = [f"d/{number:03}" for number in range(60)]
    await put_all(memory, {name: name.encode() for name in names})
    async with volume.found("d"):
        await volume.listdir("d")
        numbers = {name: (await volume.stat(name)).ino for name in names}
        order = sorted(names, key=lambda name: numbers[name])
        for name in order[:8]:
            await volume.read(name)
        await volume.rename(order[44], "d/zzz")
        for name in order[8:]:
            if name != order[44]:
                assert await volume.read(name) == name.encode()


async def test_a_listing_ahead_does_not_bring_back_what_is_being_renamed(
    autojump_clock: MockClock,
    volume: Volume,
    memory: MemoryStore,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    delete_many = memory.delete_many

    async def slow(keys: Sequence[str]) -> list[DeleteFailure]:
        await trio.sleep(0.1)
        return await delete_many(keys)

    monkeypatch.setattr(memory, "delete_many", slow)
    parent = f"tree/{DIRECTORIES[LEAST_WALK]}"
    async with in_tree(volume, memory):
        await put_all(memory, {f"{parent}/{name}/x": b"" for name in "abc"})
        async with trio.open_nursery() as nursery:
            nursery.start_soon(volume.rename, f"{parent}/a", f"{parent}/z")
            await trio.sleep(0.05)
            for name in DIRECTORIES[:LEAST_WALK]:
                await volume.listdir(f"tree/{name}")
        names = await volume.listdir(parent)
        assert "z" in names
        assert "a" not in names


async def test_a_directory_renamed_while_it_is_listed_shows_what_it_has(
    autojump_clock: MockClock,
    volume: Volume,
    memory: MemoryStore,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    list_page = memory.list_page

    async def slow(prefix: str, **options: Any) -> Page:
        if prefix == "tree/00/" and options.get("delimiter"):
            await trio.sleep(0.2)
        return await list_page(prefix, **options)

    monkeypatch.setattr(memory, "list_page", slow)
    async with in_tree(volume, memory):
        async with trio.open_nursery() as nursery:
            nursery.start_soon(volume.listdir, "tree/00")
            await trio.sleep(0.01)
            await volume.rename("tree/00", "tree/moved")
        assert sorted(await volume.listdir("tree/moved")) == list("01234")


async def test_nobody_waits_for_a_listing_that_cannot_be_believed_when_it_comes(
    autojump_clock: MockClock, volume: Volume, memory: MemoryStore, faulty: FaultyStore
) -> None:
    async with in_tree(volume, memory), walk_begun(volume, faulty, latency=2.0):
        begun = trio.current_time()
        await volume.listdir(f"tree/{DIRECTORIES[LEAST_WALK]}")
        assert trio.current_time() - begun <= 2.0 + 1.0


async def test_who_opens_directories_and_lists_none_has_none_listed(
    autojump_clock: MockClock, volume: Volume, memory: MemoryStore, faulty: FaultyStore
) -> None:
    async with in_tree(volume, memory):
        before = faulty.count()
        tree = await volume.fs.lookup(ROOT, "tree")
        for name in DIRECTORIES:
            inode = await volume.fs.lookup(tree.ino, name)
            await volume.fs.releasedir(await volume.fs.opendir(inode.ino))
            volume.fs.forget(inode.ino, 1)
        volume.fs.forget(tree.ino, 1)
        await wait_all_tasks_blocked()
        listed = [call.key for call in faulty.calls[before:] if call.kind == "list_page"]
        assert not any(key.startswith("tree/0") for key in listed), listed
