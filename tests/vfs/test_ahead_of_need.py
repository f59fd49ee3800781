"""What the mount does before anybody asks: listing directories in use, fetching files next in line.

Nothing becomes older or other than it would be without.
"""

from __future__ import annotations

import math
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

import pytest
import trio
from trio.testing import MockClock, wait_all_tasks_blocked

from phfs.core.demand import LEAST_ASKED
from phfs.core.succession import LEAST_RUN
from phfs.core.walk import LEAST_WALK
from phfs.errors import ConnectionFailed, NotFound
from phfs.s3.faults import FaultyStore
from phfs.s3.memory import MemoryStore
from tests.support.volume import ROOT, Volume, open_volume
from tests.vfs.conftest import put_all

NAMES = [f"d/{number:03}" for number in range(300)]


async def put_names(memory: MemoryStore) -> None:
    await put_all(memory, {name: name.encode() * 100 for name in NAMES})


@asynccontextmanager
async def in_use(volume: Volume) -> AsyncIterator[None]:
    """The directory was listed, and the kernel keeps its inode."""
    async with volume.found("d"):
        await volume.listdir("d")
        yield


def calls_since(faulty: FaultyStore, before: int) -> list[str]:
    return [call.kind for call in faulty.calls[before:] if call.key.startswith("d/")]


async def test_a_directory_in_use_stays_listed(
    autojump_clock: MockClock, volume: Volume, memory: MemoryStore, faulty: FaultyStore
) -> None:
    await put_names(memory)
    async with in_use(volume):
        before = faulty.count()
        for number in range(500):
            await volume.stat(NAMES[number * 7 % 300])
            await trio.sleep(0.01)
        assert set(calls_since(faulty, before)) == {"list_page"}
        assert len(calls_since(faulty, before)) <= 8, "about one a second"


async def test_names_that_do_not_exist_need_no_request_either(
    autojump_clock: MockClock, volume: Volume, faulty: FaultyStore
) -> None:
    await volume.mkdir("d")
    before = faulty.count()
    async with volume.found("d"):
        for number in range(300):
            await volume.write(f"d/{number}", b"x")
            await trio.sleep(0.01)
    calls = calls_since(faulty, before)
    assert calls.count("put") == 300
    assert len(calls) <= 300 + 30, "the first few names, and one listing a second"


async def test_it_is_never_older_than_the_ttl(
    autojump_clock: MockClock, volume: Volume, memory: MemoryStore
) -> None:
    await put_names(memory)
    async with in_use(volume):
        for round_number in range(20):
            for number in range(30):
                await volume.stat(NAMES[number])
                await trio.sleep(0.005)
            data = b"x" * (round_number + 1)
            await put_all(memory, {"d/005": data, f"d/new-{round_number}": b"new"})
            await memory.delete(NAMES[100 + round_number])
            await trio.sleep(1.0)
            assert (await volume.stat("d/005")).size == len(data)
            assert (await volume.stat(f"d/new-{round_number}")).size == 3
            with pytest.raises(NotFound):
                await volume.stat(NAMES[100 + round_number])


async def test_a_directory_nobody_uses_is_not_listed(
    autojump_clock: MockClock, volume: Volume, memory: MemoryStore, faulty: FaultyStore
) -> None:
    await put_names(memory)
    async with in_use(volume):
        for number in range(LEAST_ASKED * 2):
            await volume.stat(NAMES[number])
        await wait_all_tasks_blocked()
        before = faulty.count()
        await trio.sleep(100)
        assert faulty.count() == before


async def test_without_a_ttl_nothing_is_listed_ahead(
    autojump_clock: MockClock, memory: MemoryStore, faulty: FaultyStore
) -> None:
    await put_names(memory)
    async with open_volume(faulty, metadata_ttl=0.0) as volume:
        async with volume.found("d"):
            directory = (await volume.fs.lookup(ROOT, "d")).ino
            before = faulty.count()
            for name in NAMES[::-6]:
                volume.fs.forget((await volume.fs.lookup(directory, name[2:])).ino, 1)
            volume.fs.forget(directory, 1)
        asked = [call.key for call in faulty.calls[before:] if call.kind == "list_page"]
        assert "d/" not in asked, asked


async def test_a_listing_ahead_that_fails_is_nobodys_failure(
    autojump_clock: MockClock, volume: Volume, memory: MemoryStore, faulty: FaultyStore
) -> None:
    await put_names(memory)
    async with in_use(volume):
        await trio.sleep(0.8)
        faulty.fail(ConnectionFailed("cut"), kind="list_page")
        for number in range(LEAST_ASKED):
            await volume.stat(NAMES[number])
        await trio.sleep(0.5)
        assert (await volume.stat(NAMES[50])).size == 500


async def test_files_in_order_are_there_before_they_are_opened(
    autojump_clock: MockClock, volume: Volume, memory: MemoryStore, faulty: FaultyStore
) -> None:
    await put_names(memory)
    async with in_use(volume):
        faulty.latency = 0.05
        begun = trio.current_time()
        for name in NAMES[:200]:
            assert await volume.read(name) == name.encode() * 100
        assert trio.current_time() - begun < 200 * 0.05 / 4
        gets = [call.key for call in faulty.calls if call.kind == "get"]
        assert sorted(gets) == sorted(set(gets)), "each once"


async def test_a_file_replaced_since_it_was_fetched_is_read_anew(
    autojump_clock: MockClock, volume: Volume, memory: MemoryStore
) -> None:
    await put_names(memory)
    async with in_use(volume):
        for name in NAMES[: LEAST_RUN + 1]:
            await volume.read(name)
        await wait_all_tasks_blocked()
        status: Any = volume.fs.status()
        assert status["files_fetched_ahead"] > 4
        following = NAMES[LEAST_RUN + 2]
        await put_all(memory, {following: b"another"})
        await trio.sleep(1.1)
        assert await volume.read(following) == b"another"
        await volume.write(NAMES[LEAST_RUN + 3], b"mine")
        assert await volume.read(NAMES[LEAST_RUN + 3]) == b"mine"


async def test_files_fetched_ahead_give_way_to_those_who_need_the_memory(
    autojump_clock: MockClock, memory: MemoryStore, faulty: FaultyStore
) -> None:
    names = [f"d/{number:03}" for number in range(100)]
    data = bytes(1024 * 1024)
    await put_all(memory, dict.fromkeys(names, data))
    async with open_volume(faulty, memory_limit=16 * 1024 * 1024) as volume:
        await volume.listdir("d")
        for name in names[:50]:
            assert await volume.read(name) == data
        await wait_all_tasks_blocked()
        used: Any = volume.fs.status()
        assert used["memory"]["used_bytes"] <= 16 * 1024 * 1024
        await volume.write("large", *[data] * 12)
        assert await volume.read("large") == data * 12


async def test_a_failed_fetch_ahead_is_asked_for_again_when_it_is_read(
    autojump_clock: MockClock, volume: Volume, memory: MemoryStore, faulty: FaultyStore
) -> None:
    await put_names(memory)
    async with in_use(volume):
        for name in NAMES[: LEAST_RUN - 1]:
            await volume.read(name)
        faulty.fail(ConnectionFailed("cut"), kind="get", times=math.inf)
        with pytest.raises(ConnectionFailed):
            await volume.read(NAMES[LEAST_RUN - 1])
        await wait_all_tasks_blocked()
        assert faulty.count("get") > LEAST_RUN
        faulty.heal()
        for name in NAMES[LEAST_RUN - 1 : 20]:
            assert await volume.read(name) == name.encode() * 100


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
        for name in DIRECTORIES[: LEAST_WALK - 1]:
            await volume.listdir(f"tree/{name}")
        faulty.latency = 0.05
        async with trio.open_nursery() as nursery:
            nursery.start_soon(volume.listdir, f"tree/{DIRECTORIES[LEAST_WALK - 1]}")
            await wait_all_tasks_blocked()
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
