"""Programs at work on one mount at the same time, and what holds whatever they do.

Owns the programs, the order of events and the check afterwards. The order comes from one seed:
each request and each answer takes its own time, and trio takes tasks that could run in the seed's
order. Time is virtual: a deadlock ends the test at once. Called by ``test_races`` and
``test_two_mounts``.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from random import Random
from typing import TypeVar

import trio
import trio.testing
from trio._core import _run as scheduler

from phfs.core.objects import Attributes
from phfs.errors import FileError
from phfs.s3.faults import Call
from phfs.s3.memory import MemoryStore
from phfs.s3.store import Body
from phfs.vfs.values import OpenFlags
from tests.model.commands import content
from tests.model.history import RecordingStore
from tests.support.volume import EXCLUSIVE, NOTHING_IN_USE, WRITE, OpenFile, Volume, open_volume

T = TypeVar("T")

DELAYS = (0.0, 0.001, 0.002, 0.01, 0.05)
PATIENCE = 1000.0
"""Virtual seconds in which everything must be over."""


class UnevenStore(RecordingStore):
    """Every request and every answer takes its own time."""

    def __init__(self, store: MemoryStore, random: Random) -> None:
        super().__init__(store)
        self._random = random

    async def _pass(self, call: Call, method: Callable[[], Awaitable[T]], body: Body = ()) -> T:
        await trio.sleep(self._random.choice(DELAYS))
        result = await super()._pass(call, method, body)
        await trio.sleep(self._random.choice(DELAYS))
        return result


class Locks:
    """As the kernel does, changes of one directory come one after the other."""

    def __init__(self) -> None:
        self._locks: dict[str, trio.Lock] = {}

    @asynccontextmanager
    async def held(self, *directories: str) -> AsyncIterator[None]:
        """Hold the locks of the directories."""
        async with AsyncExitStack() as stack:
            for directory in sorted(set(directories)):
                await stack.enter_async_context(self._locks.setdefault(directory, trio.Lock()))
            yield


def above(path: str) -> str:
    """The directory a path is in."""
    return path.rpartition("/")[0]


class Crowd:
    """Programs on one mount, and what they were told."""

    def __init__(self, volume: Volume, random: Random, numbers: list[int] | None = None) -> None:
        """``numbers`` is shared by crowds whose contents have to differ."""
        self.volume = volume
        self.written: set[bytes] = {b""}
        """Every content anybody tried to write, whole."""
        self.closed: list[bytes] = []
        """Contents whose close returned without an error."""
        self.read: list[bytes] = []
        self._random = random
        self._locks = Locks()
        self._numbers = numbers if numbers is not None else [0]

    async def pause(self) -> None:
        """Let others go first, perhaps."""
        await trio.sleep(self._random.choice(DELAYS))

    def new_content(self, *sizes: int) -> bytes:
        """Bytes nobody else writes."""
        self._numbers[0] += 1
        return content(self._numbers[0], self._random.choice(sizes or (10, 999, 2500)))

    async def _open_to_write(self, path: str, flags: OpenFlags) -> OpenFile | None:
        try:
            async with self._locks.held(above(path)):
                return await self.volume.create(path, flags)
        except FileError:
            await self.pause()
            return None

    async def writer(self, path: str, rounds: int, flags: OpenFlags = WRITE) -> None:
        """Write a new content each time, in pieces, and close."""
        for _ in range(rounds):
            data = self.new_content()
            self.written.add(data)
            file = await self._open_to_write(path, flags)
            if file is None:
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

    async def creator(self, path: str) -> None:
        """Make a file that must not be there yet."""
        await self.writer(path, 1, EXCLUSIVE)

    async def emptier(self, path: str, rounds: int) -> None:
        """Begin to write, think again, empty it, and write something else."""
        for _ in range(rounds):
            data = self.new_content()
            self.written.add(data)
            file = await self._open_to_write(path, WRITE)
            if file is None:
                continue
            with suppress(FileError):
                await file.write(b"not this" * 200)
                await self.pause()
                await file.truncate(0)
                await self.pause()
                await file.write(data, 0)
                await file.flush()
                self.closed.append(data)
            await self.pause()
            await file.release()

    async def reader(self, path: str, rounds: int) -> None:
        """Read a whole file in pieces."""
        for _ in range(rounds):
            await self.pause()
            with suppress(FileError):
                file = await self.volume.open(path)
                try:
                    size = (await self.volume.fs.getattr(file.ino, file.handle)).size
                    pieces = []
                    for start in range(0, size, 700):
                        pieces.append(await file.read(min(700, size - start), start))
                        await self.pause()
                    self.read.append(b"".join(pieces))
                finally:
                    await file.close()

    async def mapper(self, path: str, rounds: int) -> None:
        """Read pieces here and there through one handle, as page faults of a mapping come."""
        for _ in range(rounds):
            await self.pause()
            with suppress(FileError):
                file = await self.volume.open(path)
                try:
                    size = (await self.volume.fs.getattr(file.ino, file.handle)).size
                    pieces: dict[int, bytes] = {}

                    async def cursor(
                        start: int, stop: int, file: OpenFile = file, got: dict[int, bytes] = pieces
                    ) -> None:
                        with suppress(FileError):
                            for at in range(start, stop, 700):
                                got[at] = await file.read(min(700, stop - at), at)
                                await self.pause()

                    async with trio.open_nursery() as nursery:
                        for part in range(4):
                            nursery.start_soon(cursor, size * part // 4, size * (part + 1) // 4)
                    if sum(map(len, pieces.values())) == size:
                        self.read.append(b"".join(pieces[at] for at in sorted(pieces)))
                finally:
                    await file.close()

    async def repeat(
        self, operation: Callable[[], Awaitable[object]], rounds: int, *locked: str
    ) -> None:
        """An operation on names again and again; ``locked`` are the directories it changes."""
        for _ in range(rounds):
            await self.pause()
            with suppress(FileError):
                async with self._locks.held(*(locked or ("",))):
                    await operation()

    async def lister(self, rounds: int, path: str = "") -> None:
        """List a directory; no name comes twice."""
        for _ in range(rounds):
            await self.pause()
            with suppress(FileError):
                await self.volume.listdir(path)


async def files_of(volume: Volume, path: str = "") -> dict[str, bytes]:
    """Every file beneath a directory, as the mount shows it."""
    found: dict[str, bytes] = {}
    for name, stat in (await volume.listdir(path)).items():
        inside = f"{path}/{name}" if path else name
        if stat.is_dir:
            found |= await files_of(volume, inside)
        else:
            found[inside] = await volume.read(inside)
    return found


async def check_afterwards(store: RecordingStore, *crowds: Crowd) -> None:
    """What holds whatever happened."""
    written = {data for crowd in crowds for data in crowd.written}
    for key, contents in store.history.items():
        assert contents <= written, f"half a file was at {key}"
    await trio.sleep(2)
    await trio.testing.wait_all_tasks_blocked()
    assert not store.memory.uploads
    there = {key: data for key, data in store.contents().items() if not key.endswith("/")}
    for crowd in crowds:
        assert set(crowd.read) <= written, "a reader saw half a file, or two"
        assert crowd.volume.in_use() == NOTHING_IN_USE
        assert await files_of(crowd.volume) == there


Start = Callable[[trio.Nursery, Crowd], None]


async def _at_once(seed: int, start: Start, objects: dict[str, bytes]) -> tuple[Crowd, UnevenStore]:
    random = Random(seed)
    store = await uneven_store(random, objects)
    problems: list[BaseException] = []
    async with open_volume(store) as volume:
        crowd = Crowd(volume, random)
        crowd.written |= set(objects.values())
        try:
            with trio.fail_after(PATIENCE):
                async with trio.open_nursery() as nursery:
                    start(nursery, crowd)
                await check_afterwards(store, crowd)
        except Exception as error:
            problems.append(error)
    for problem in problems:
        raise problem
    return crowd, store


async def uneven_store(random: Random, objects: dict[str, bytes]) -> UnevenStore:
    """A store with these objects, and trio's scheduler in the same random's hands."""
    scheduler._r.seed(random.random())
    memory = MemoryStore(now=trio.current_time, min_part=1)
    for key, data in objects.items():
        await memory.put(key, [data], Attributes())
    return UnevenStore(memory, random)


def run(
    seed: int, start: Start, objects: dict[str, bytes] | None = None
) -> tuple[Crowd, UnevenStore]:
    """Everything that ``start`` starts, in the order of ``seed``; what it left and was told."""
    clock = trio.testing.MockClock(autojump_threshold=0)
    return trio.run(_at_once, seed, start, objects or {}, clock=clock)
