"""Programs at work on the same paths at the same time, under many orders of events.

Each example draws the delay of every request and of every answer; with them the order in which
things happen varies. Time is virtual: a deadlock ends the test at once.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from random import Random
from typing import TypeVar

import trio
import trio.testing
from hypothesis import given, settings
from hypothesis import strategies as st

from phfs.errors import FileError
from phfs.s3.faults import Call, FaultyStore
from phfs.s3.memory import MemoryStore
from phfs.s3.store import Body
from tests.model.commands import content
from tests.support.volume import NOTHING_IN_USE, Volume, open_volume

T = TypeVar("T")

DELAYS = (0.0, 0.001, 0.002, 0.01, 0.05)
PATIENCE = 1000.0
"""Virtual seconds in which everything must be over."""


class UnevenStore(FaultyStore):
    """Every request and every answer takes its own time; remembers all contents there ever were."""

    def __init__(self, store: MemoryStore, random: Random) -> None:
        super().__init__(store)
        self.memory = store
        self.history: dict[str, set[bytes]] = {}
        self._random = random

    async def _pass(self, call: Call, method: Callable[[], Awaitable[T]], body: Body = ()) -> T:
        await trio.sleep(self._random.choice(DELAYS))
        result = await super()._pass(call, method, body)
        for key, kept in self.memory.objects.items():
            self.history.setdefault(key, set()).add(kept.data)
        await trio.sleep(self._random.choice(DELAYS))
        return result


class Crowd:
    """Programs on one mount, and what they were told."""

    def __init__(self, volume: Volume, random: Random) -> None:
        self.volume = volume
        self.written: set[bytes] = {b""}
        """Every content anybody tried to write, whole."""
        self.closed: list[bytes] = []
        """Contents whose close returned without an error."""
        self.read: list[bytes] = []
        self._random = random
        self._tree = trio.Lock()  # the kernel changes one directory at a time
        self._serial = 0

    async def pause(self) -> None:
        await trio.sleep(self._random.choice(DELAYS))

    async def writer(self, path: str, rounds: int) -> None:
        for _ in range(rounds):
            self._serial += 1
            data = content(self._serial, self._random.choice([10, 999, 2500]))
            self.written.add(data)
            try:
                async with self._tree:
                    file = await self.volume.create(path)
            except FileError:
                await self.pause()
                continue
            try:
                for start in range(0, len(data), 800):
                    await file.write(data[start : start + 800])
                    await self.pause()
                await file.flush()
                self.closed.append(data)
            except FileError:
                await self.pause()
            finally:
                await file.release()

    async def reader(self, path: str, rounds: int) -> None:
        for _ in range(rounds):
            await self.pause()
            try:
                file = await self.volume.open(path)
            except FileError:
                continue
            try:
                size = (await self.volume.fs.getattr(file.ino, file.handle)).size
                pieces = []
                for start in range(0, size, 700):
                    pieces.append(await file.read(min(700, size - start), start))
                    await self.pause()
                self.read.append(b"".join(pieces))
            except FileError:
                continue
            finally:
                await file.close()

    async def repeat(self, operation: Callable[[], Awaitable[object]], rounds: int) -> None:
        for _ in range(rounds):
            await self.pause()
            try:
                async with self._tree:
                    await operation()
            except FileError:
                continue

    async def lister(self, rounds: int) -> None:
        for _ in range(rounds):
            await self.pause()
            await self.volume.listdir()


async def check_afterwards(crowd: Crowd, store: UnevenStore) -> None:
    """What holds whatever happened."""
    for key, contents in store.history.items():
        assert contents <= crowd.written, f"half a file was at {key}"
    assert set(crowd.read) <= crowd.written, "a reader saw half a file, or two"
    await trio.sleep(2)
    await trio.testing.wait_all_tasks_blocked()
    assert crowd.volume.in_use() == NOTHING_IN_USE
    assert not store.memory.uploads
    found = await crowd.volume.listdir()
    assert set(found) == {key.rstrip("/") for key in store.memory.objects}
    for name in found:
        assert await crowd.volume.read(name) == store.memory.objects[name].data


Start = Callable[[trio.Nursery, Crowd], None]


async def at_once(seed: int, start: Start) -> tuple[Crowd, UnevenStore]:
    random = Random(seed)
    store = UnevenStore(MemoryStore(now=trio.current_time, min_part=1), random)
    problems: list[BaseException] = []
    async with open_volume(store) as volume:
        crowd = Crowd(volume, random)
        try:
            with trio.fail_after(PATIENCE):
                async with trio.open_nursery() as nursery:
                    start(nursery, crowd)
                await check_afterwards(crowd, store)
        except Exception as error:
            problems.append(error)
    for problem in problems:
        raise problem
    return crowd, store


def run(seed: int, start: Start) -> tuple[Crowd, UnevenStore]:
    return trio.run(at_once, seed, start, clock=trio.testing.MockClock(autojump_threshold=0))


many = settings(max_examples=25, deadline=None)
seeds = st.integers(0, 2**32)


@many
@given(seeds)
def test_writers_and_readers(seed: int) -> None:
    def start(nursery: trio.Nursery, crowd: Crowd) -> None:
        for _ in range(2):
            nursery.start_soon(crowd.writer, "f", 4)
            nursery.start_soon(crowd.reader, "f", 6)

    crowd, store = run(seed, start)
    assert set(crowd.closed) <= store.history.get("f", set()), "an acknowledged write was lost"
    if crowd.closed:
        assert store.memory.objects["f"].data in (*crowd.closed, b"")


@many
@given(seeds)
def test_everybody_on_one_path(seed: int) -> None:
    def start(nursery: trio.Nursery, crowd: Crowd) -> None:
        volume = crowd.volume
        for _ in range(2):
            nursery.start_soon(crowd.writer, "f", 4)
            nursery.start_soon(crowd.reader, "f", 5)
        nursery.start_soon(crowd.writer, "g", 2)
        nursery.start_soon(crowd.reader, "g", 5)
        nursery.start_soon(crowd.lister, 4)
        nursery.start_soon(crowd.repeat, lambda: volume.unlink("f"), 2)
        nursery.start_soon(crowd.repeat, lambda: volume.rename("f", "g"), 3)
        nursery.start_soon(crowd.repeat, lambda: volume.rename("g", "f"), 2)
        nursery.start_soon(crowd.repeat, lambda: volume.truncate("f", 0), 2)

    run(seed, start)


@many
@given(seeds)
def test_renaming_loses_nothing(seed: int) -> None:
    def start(nursery: trio.Nursery, crowd: Crowd) -> None:
        volume = crowd.volume
        nursery.start_soon(crowd.writer, "f", 3)
        nursery.start_soon(crowd.reader, "f", 5)
        nursery.start_soon(crowd.reader, "g", 5)
        for _ in range(3):
            nursery.start_soon(crowd.repeat, lambda: volume.rename("f", "g", replace=False), 2)
            nursery.start_soon(crowd.repeat, lambda: volume.rename("g", "f", replace=False), 2)

    crowd, store = run(seed, start)
    if crowd.closed:
        kept = {kept.data for kept in store.memory.objects.values()}
        assert crowd.closed[-1] in kept, "the last acknowledged write is nowhere"
