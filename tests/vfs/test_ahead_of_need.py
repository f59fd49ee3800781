"""What the mount does before anybody asks: listing directories in use, fetching files next in line.

Nothing becomes older or other than it would be without.
"""

from __future__ import annotations

import math
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
import trio
from trio.testing import MockClock, wait_all_tasks_blocked

from phfs.core.demand import LEAST_ASKED
from phfs.core.succession import LEAST_RUN
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
