"""Small files read in no order: others of their directory are fetched before they are opened."""

from __future__ import annotations

import random
from collections.abc import AsyncIterator, Iterable
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

import pytest
import trio
from trio.testing import MockClock, wait_all_tasks_blocked

from phfs.core.ahead import MAX_AHEAD
from phfs.core.inodes import Directory, File, number_of
from phfs.core.shuffle import AT_ONCE, LEAST_READ
from phfs.core.succession import MOST_AHEAD
from phfs.s3.faults import FaultyStore
from phfs.s3.memory import MemoryStore
from phfs.vfs.siblings import (
    IDLE_SECONDS,
    LEAST_CHARGED,
    MOST_DIRECTORIES,
    MOST_SEEN,
    Siblings,
)
from tests.support.volume import Volume, open_volume
from tests.vfs.conftest import put_all
from tests.vfs.reading import rig

KIB = 1024
MIB = 1024 * KIB
LIMIT = 32 * MIB
WINDOW = LIMIT // 8
SIZE = 64 * KIB
ROOM = WINDOW // SIZE
"""Files of ``SIZE`` that wait at most, under ``LIMIT``."""

ACCIDENT = 16
"""Files fetched, or not kept, because a few names came in order by accident."""


class Set:
    """Directories ``a``, ``b``, ... of as many files, mounted and listed; their inodes are kept."""

    def __init__(self, volume: Volume, faulty: FaultyStore, names: list[str]) -> None:
        self.volume = volume
        self.names = names
        self._faulty = faulty

    def of(self, directory: str) -> list[str]:
        return [name for name in self.names if name.startswith(f"{directory}/")]

    def shuffled(self, directory: str, count: int | None = None) -> list[str]:
        names = self.of(directory)
        return random.Random(1).sample(names, len(names))[:count]

    async def read(self, names: Iterable[str]) -> int:
        """Returns how many of them were there before."""
        met = 0
        for name in names:
            before = self.gets.count(name)
            assert len(await self.volume.read(name)) > 0
            met += self.gets.count(name) == before
            await trio.sleep(0.01)  # by the virtual clock: all that was asked for has come
        return met

    async def rest(self, seconds: float) -> None:
        """Nobody reads for so long; then the directories are looked at again."""
        await trio.sleep(seconds)
        for directory in {name.partition("/")[0] for name in self.names}:
            await self.volume.listdir(directory)

    @property
    def waiting(self) -> int:
        status: Any = self.volume.fs.status()
        count: int = status["files_fetched_ahead"]
        return count

    @property
    def gets(self) -> list[str]:
        return [
            call.key for call in self._faulty.calls if call.kind == "get" and call.key in self.names
        ]


@asynccontextmanager
async def mounted(
    memory: MemoryStore,
    faulty: FaultyStore,
    directories: str = "d",
    count: int = 3 * ROOM,
    size: int = SIZE,
) -> AsyncIterator[Set]:
    names = [f"{each}/{number:04}" for each in directories for number in range(count)]
    await put_all(memory, dict.fromkeys(names, bytes(size)))
    async with open_volume(faulty, memory_limit=LIMIT, metadata_ttl=30.0) as volume:
        found = Set(volume, faulty, names)
        async with AsyncExitStack() as kept:
            for each in directories:
                await kept.enter_async_context(volume.found(each))
            await found.rest(0)
            yield found


async def test_most_of_an_epoch_does_not_wait(
    autojump_clock: MockClock, memory: MemoryStore, faulty: FaultyStore
) -> None:
    async with mounted(memory, faulty, count=300, size=500) as files:
        faulty.latency = 0.05
        begun = trio.current_time()
        for name in files.shuffled("d"):
            assert await files.volume.read(name) == bytes(500)
        assert trio.current_time() - begun < 300 * 0.05 / 2
        assert sorted(files.gets) == files.names, "each once"
        assert files.waiting == 0


async def test_no_more_are_fetched_than_read(
    autojump_clock: MockClock, memory: MemoryStore, faulty: FaultyStore
) -> None:
    async with mounted(memory, faulty, count=300, size=500) as files:
        for count, name in enumerate(files.shuffled("d", 100), 1):
            await files.read([name])
            assert len(files.gets) <= (count if count < LEAST_READ else 2 * count) + ACCIDENT
        assert files.waiting > 40


async def test_a_directory_of_which_memory_holds_little_is_left_alone(
    autojump_clock: MockClock, memory: MemoryStore, faulty: FaultyStore
) -> None:
    async with mounted(memory, faulty, count=6 * ROOM) as files:
        await files.read(files.shuffled("d", ROOM))
        assert files.waiting <= ACCIDENT


async def test_nobody_who_still_reads_loses_his_place(
    autojump_clock: MockClock, memory: MemoryStore, faulty: FaultyStore
) -> None:
    async with mounted(memory, faulty, "ab") as files:
        await files.read(files.shuffled("a", ROOM + 20))
        assert ROOM - ACCIDENT <= files.waiting <= ROOM
        before = len(files.gets)
        await files.read(files.shuffled("b", ROOM + 20))
        assert len(files.gets) - before <= ROOM + 20 + ACCIDENT, "those that were read"
        await files.rest(IDLE_SECONDS + 1)
        before = len(files.gets)
        await files.read(files.shuffled("b")[ROOM + 20 : ROOM + 60])
        assert len(files.gets) - before > 40, "nobody reads the other ones"


async def test_nobody_who_reads_in_order_loses_his_place_either(
    autojump_clock: MockClock, memory: MemoryStore, faulty: FaultyStore
) -> None:
    async with mounted(memory, faulty, "ab", size=10) as files:
        await put_all(memory, dict.fromkeys(files.of("b"), bytes(SIZE)))
        await files.rest(31)
        in_order = files.of("a")
        await files.read(in_order[:60])
        assert files.waiting == MOST_AHEAD
        await files.read(files.shuffled("b", ROOM + 20))
        assert await files.read(in_order[60 : 60 + MOST_AHEAD]) == MOST_AHEAD


async def test_who_reads_on_slowly_still_reads(
    autojump_clock: MockClock, memory: MemoryStore, faulty: FaultyStore
) -> None:
    async with mounted(memory, faulty, "ab") as files:
        order = files.shuffled("a")
        await files.read(order[: ROOM + 20])
        for step, name in enumerate(files.shuffled("b", ROOM)):
            await files.read([name])
            if step % 2:
                await files.read([order[ROOM + 20 + step // 2]])
            await trio.sleep(IDLE_SECONDS / 3)
        others = [name for name in files.gets if name.startswith("b/")]
        assert len(others) <= ROOM + ACCIDENT, "those that were read"


async def test_a_directory_left_for_another_is_taken_up_again(
    autojump_clock: MockClock, memory: MemoryStore, faulty: FaultyStore
) -> None:
    async with mounted(memory, faulty, "ab", count=2 * ROOM) as files:
        first, second = files.shuffled("a"), files.shuffled("b")
        await files.read(first[:ROOM])
        await files.rest(IDLE_SECONDS + 1)
        await files.read(second[:40])
        await files.rest(IDLE_SECONDS + 1)
        assert await files.read(first[ROOM:]) > ROOM * 2 // 3


async def test_what_is_gone_or_other_by_the_time_it_is_read_does_not_count_as_waiting(
    autojump_clock: MockClock, memory: MemoryStore, faulty: FaultyStore
) -> None:
    async with mounted(memory, faulty, count=2 * ROOM) as files:
        order = files.shuffled("d")
        await files.read(order[:40])
        waiting = [name for name in files.gets if name not in order[:40]]
        assert len(waiting) > 20
        for name in waiting[::2]:
            await files.volume.unlink(name)
        await put_all(memory, dict.fromkeys(waiting[1::2], b"another"))
        await files.rest(31)
        left = [name for name in order[40:] if name not in waiting[::2]]
        for name in left:
            expected = b"another" if name in waiting else bytes(SIZE)
            assert await files.volume.read(name) == expected
            await wait_all_tasks_blocked()
        assert files.waiting <= len(waiting[::2]), "those that nobody will open"


async def test_the_window_is_not_left_for_more_however_many_streams_there_are(
    autojump_clock: MockClock, memory: MemoryStore, faulty: FaultyStore
) -> None:
    """With many streams the window is smaller than the largest file that is fetched whole."""
    large = {f"s/{number}": bytes(2 * MIB) for number in range(40)}
    await put_all(memory, large)
    async with mounted(memory, faulty) as files:
        await put_all(memory, {"d/large": bytes(MIB + 100 * KIB)})
        await files.rest(31)
        streams = [await files.volume.open(name) for name in large]
        for stream in streams:
            await stream.read(1, offset=MIB)
        await files.read([*files.shuffled("d", 40), "d/large"])
        for stream in streams:
            await stream.close()


async def test_streams_take_the_memory_they_want_and_are_left_it(
    autojump_clock: MockClock, memory: MemoryStore, faulty: FaultyStore
) -> None:
    await put_all(memory, {f"s/{number}": bytes(20 * MIB) for number in range(4)})
    async with mounted(memory, faulty) as files:
        order = files.shuffled("d")
        await files.read(order[: ROOM + 20])
        assert files.waiting >= ROOM - ACCIDENT
        await files.rest(2)
        streams = [await files.volume.open(f"s/{number}") for number in range(4)]
        for position in range(0, 8 * MIB, MIB):
            for stream in streams:
                await stream.read(MIB, offset=position)
        assert files.waiting < ROOM // 2, "they took it"
        for stream in streams:
            await stream.close()
        before = len(files.gets)
        await files.read(order[ROOM + 20 : ROOM + 60])
        assert len(files.gets) - before <= 40 + ACCIDENT, "nothing in its place, for a while"
        await files.rest(IDLE_SECONDS + 1)
        before = len(files.gets)
        await files.read(order[ROOM + 60 : ROOM + 80])
        assert len(files.gets) - before > 30, "there is memory again"


async def test_who_reads_in_order_takes_the_place_of_the_oldest(
    autojump_clock: MockClock, memory: MemoryStore, faulty: FaultyStore
) -> None:
    async with mounted(memory, faulty, "ab") as files:
        await files.read(files.shuffled("a", ROOM + 20))
        assert files.waiting >= ROOM - ACCIDENT
        assert await files.read(files.of("b")[:100]) > 90
        assert files.waiting <= ROOM


async def test_files_in_order_are_held_in_the_window_too(
    autojump_clock: MockClock, memory: MemoryStore, faulty: FaultyStore
) -> None:
    async with mounted(memory, faulty, count=20, size=MIB) as files:
        for name in files.names:
            await files.read([name])
            assert files.waiting <= WINDOW // MIB


async def test_who_goes_by_the_number_has_no_others_fetched(
    autojump_clock: MockClock, memory: MemoryStore, faulty: FaultyStore
) -> None:
    async with mounted(memory, faulty, count=300, size=500) as files:
        directory: Any = files.volume.fs._namespace.inodes.root.children["d"]
        by_number = sorted(files.names, key=lambda name: number_of(directory, name[2:]))
        for name in by_number[:200]:
            await files.read([name])
            assert files.waiting <= MOST_AHEAD


async def test_nothing_is_left_out_when_the_means_come_late(
    autojump_clock: MockClock, memory: MemoryStore, faulty: FaultyStore
) -> None:
    async with mounted(memory, faulty, count=300, size=500) as files:
        order = files.shuffled("d")
        await files.read(order[:LEAST_READ])
        faulty.latency = 60.0
        async with trio.open_nursery() as nursery:
            for name in order[LEAST_READ:60]:
                nursery.start_soon(files.volume.read, name)
            await wait_all_tasks_blocked()
            assert len(set(files.gets) - set(order[:60])) <= AT_ONCE + MAX_AHEAD // 2
        faulty.latency = 0.001
        await files.read(order[60:90])
        last = max(set(files.gets) - set(order[:90]))
        assert not [name for name in files.names if name < last and name not in files.gets]


@pytest.mark.parametrize("size", [0, 2 * MIB], ids=["empty", "large"])
async def test_only_what_is_small_and_not_empty_is_fetched(
    autojump_clock: MockClock, memory: MemoryStore, faulty: FaultyStore, size: int
) -> None:
    async with mounted(memory, faulty, count=300, size=500) as files:
        others = [name.replace("d/0", "d/1") for name in files.names]
        await put_all(memory, dict.fromkeys(others, bytes(size)))
        await files.rest(31)
        await files.read(files.shuffled("d"))
        assert not [call for call in faulty.calls if call.key in others and call.kind == "get"]


async def test_what_is_open_is_not_fetched(
    autojump_clock: MockClock, memory: MemoryStore, faulty: FaultyStore
) -> None:
    async with mounted(memory, faulty, count=300, size=500) as files:
        opened = [await files.volume.open(name) for name in files.names[:100]]
        await files.read([name for name in files.shuffled("d") if name >= "d/0100"])
        assert not set(files.gets) & set(files.names[:100])
        for one in opened:
            await one.close()


async def test_tiny_files_take_the_memory_of_their_objects(
    autojump_clock: MockClock, memory: MemoryStore, faulty: FaultyStore
) -> None:
    room = WINDOW // LEAST_CHARGED
    async with mounted(memory, faulty, count=5 * room, size=10) as files:
        await files.read(files.shuffled("d", 3 * room))
        assert room // 2 < files.waiting <= room


async def test_files_larger_than_those_that_were_read_are_held_in_the_window_too(
    autojump_clock: MockClock, memory: MemoryStore, faulty: FaultyStore
) -> None:
    async with mounted(memory, faulty, count=200, size=10) as files:
        await put_all(memory, dict.fromkeys(files.names[:100], bytes(SIZE * 2)))
        await files.rest(31)
        await files.read(name for name in files.shuffled("d") if name >= "d/0100")
        assert 0 < files.waiting <= ROOM // 2
        assert len(files.gets) - files.waiting <= 100 + ACCIDENT, "none in place of another"


async def test_of_many_directories_those_used_last_are_followed(
    autojump_clock: MockClock, memory: MemoryStore, faulty: FaultyStore
) -> None:
    async with mounted(memory, faulty, "d", count=100, size=10) as files:
        many = {f"m{number}/x": b"x" for number in range(MOST_DIRECTORIES)}
        await put_all(memory, many)
        await files.read(files.shuffled("d", 50))
        assert files.waiting > 20
        for name in many:
            await files.volume.read(name)
        assert files.waiting == 0


async def test_of_many_files_those_of_the_directories_used_last_are_remembered() -> None:
    async with rig() as made:
        siblings: Any = Siblings(made.fetcher)
        many = MOST_SEEN // 4
        for number in range(10):
            directory = Directory(number, "", None)
            for name in range(many):
                siblings.reader(File(name, f"{name}", directory, size=10)).close()
        remembered = [ways.shuffle.remembered for ways in siblings._ways.values()]
        assert remembered == [many] * 5, "and the one that is read"
