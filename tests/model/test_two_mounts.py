"""Two mounts and somebody else on one prefix: nothing mixed, nothing lost, nothing too old.

Every answer is held against the bucket's past: it has to be what was true at some moment between
the age that ``metadata_ttl`` allows before the call and its end. What a mount did itself it may
believe for as long from when it was told that it is done.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from contextlib import suppress
from functools import partial
from random import Random
from typing import NamedTuple

import pytest
import trio
import trio.testing
from hypothesis import given, settings
from hypothesis import strategies as st

from phfs.core.objects import Attributes
from phfs.errors import Busy, FileError, NotFound, Stale
from phfs.s3.memory import MemoryStore
from tests.model.commands import content
from tests.model.crowd import PATIENCE, Locks, UnevenStore, uneven_store
from tests.model.timeline import Timeline
from tests.support.effort import Effort
from tests.support.volume import NOTHING_IN_USE, OpenFile, Volume, open_volume

PATHS = ("f", "g", "d/f")


class TimedStore(UnevenStore):
    """One mount's way to the bucket, which keeps the bucket's past."""

    def __init__(self, memory: MemoryStore, random: Random, timeline: Timeline) -> None:
        super().__init__(memory, random)
        self._timeline = timeline

    def note(self) -> None:
        super().note()
        self._timeline.note()


class Done(NamedTuple):
    """A change that a mount made, and when it was told so; not ``sure`` if the file may have been
    removed before, so that what was written went nowhere."""

    begun: float
    ended: float
    sure: bool = True


class World:
    """What is shared by everybody."""

    def __init__(self, random: Random, memory: MemoryStore, ttl: float) -> None:
        self.random = random
        self.memory = memory
        self.ttl = ttl
        self.timeline = Timeline(memory)
        self.acknowledged = 0
        self.answers = 0
        self._serial = 0

    def new_content(self) -> bytes:
        """Bytes nobody else writes."""
        self._serial += 1
        return content(self._serial, self.random.choice((10, 999, 2500)))

    async def pause(self) -> None:
        await trio.sleep(self.random.choice((0.0, 0.003, 0.02, 0.1, 0.7)))

    async def outsider(self, rounds: int) -> None:
        """Puts and deletes objects by itself."""
        for _ in range(rounds):
            await self.pause()
            path = self.random.choice(PATHS)
            if self.random.random() < 0.7:
                await self.memory.put(path, [self.new_content()], Attributes())
            else:
                await self.memory.delete(path)
            self.timeline.note()


class Mount:
    """Programs on one of the mounts."""

    def __init__(self, world: World, volume: Volume) -> None:
        self.world = world
        self.volume = volume
        self._done: dict[str, Done] = {}
        self._locks = Locks()
        self._changing = self._changed = 0
        self._writing: list[OpenFile] = []
        self._written: dict[str, float] = {}
        """Until when a file that was written here had this path."""

    def _oldest(self, path: str, begun: float) -> float:
        """The moment that an answer of a call begun then may tell of."""
        oldest = begun - self.world.ttl
        done = self._done.get(path)
        if done is None or done.ended < oldest:
            return oldest
        # One that ended while the call was under way need not be in its answer.
        known = done.sure and done.ended < begun
        return done.begun if known else min(done.begun, oldest)

    def _true(self, path: str, begun: float, answer: bytes | int | None) -> bool:
        """Whether a content, a size, or that there is nothing, was true."""
        self.world.answers += 1
        past = self.world.timeline.contents(path, self._oldest(path, begun), trio.current_time())
        if isinstance(answer, int):
            return answer in [len(it) for it in past if it is not None]
        return answer in past

    async def change(self, operation: Callable[[], Awaitable[object]], *paths: str) -> None:
        """A change of names; when it succeeds this mount knows."""
        begun = trio.current_time()
        self._changing += 1
        with suppress(FileError):
            async with self._locks.held("", "d"):
                await operation()
            for path in paths:
                self._done[path] = Done(begun, trio.current_time())
        self._changing -= 1
        self._changed += 1

    async def writer(self, path: str, rounds: int) -> None:
        for _ in range(rounds):
            await self.world.pause()
            data = self.world.new_content()
            try:
                async with self._locks.held("", "d"):
                    file = await self.volume.create(path)
            except FileError:
                continue
            self._writing.append(file)
            changed = self._changed
            self._written[path] = trio.current_time()
            try:
                for start in range(0, len(data), 800):
                    await file.write(data[start : start + 800])
                    await self.world.pause()
                begun = trio.current_time()
                await file.flush()
                now, at = trio.current_time(), self.volume.fs.path_of(file.ino)[1:]
                stored = self.world.timeline.contents(at, begun, now)
                sure = changed == self._changed and not self._changing
                if sure:
                    assert data in stored, f"/{at} was closed and the bucket never had it"
                    self.world.acknowledged += 1
                self._done[at] = Done(begun, now, sure)
            except FileError:
                continue
            finally:
                for at in (path, self.volume.fs.path_of(file.ino)[1:]):
                    self._written[at] = trio.current_time()
                await file.release()
                self._writing.remove(file)

    async def reader(self, path: str, rounds: int) -> None:
        for _ in range(rounds):
            await self.world.pause()
            begun, skip = trio.current_time(), self._written_here(path)
            try:
                file = await self.volume.open(path)
            except NotFound:
                assert skip or self._true(path, begun, None), f"{path} was there"
                continue
            except (Busy, Stale):
                continue
            try:
                size = (await self.volume.fs.getattr(file.ino, file.handle)).size
                pieces = [await file.read(min(700, size - at), at) for at in range(0, size, 700)]
            except (Busy, Stale):
                continue
            finally:
                await file.close()
            if not skip and not self._written_here(path, begun):
                data = b"".join(pieces)
                assert self._true(path, begun, data), f"{path} has no such content: {data[:9]!r}"

    async def looker(self, path: str, rounds: int) -> None:
        for _ in range(rounds):
            await self.world.pause()
            begun, skip = trio.current_time(), self._written_here(path)
            answer = None
            with suppress(NotFound):
                async with self.volume.found(path) as stat:
                    answer = stat.size
            if not skip and not self._written_here(path, begun):
                assert self._true(path, begun, answer), f"{path} has no size {answer}"

    async def lister(self, directory: str, rounds: int) -> None:
        for _ in range(rounds):
            await self.world.pause()
            paths = {path for path in PATHS if path.rpartition("/")[0] == directory}
            begun = trio.current_time()
            skip = {path for path in paths if self._written_here(path)}
            try:
                found = await self.volume.listdir(directory)
            except NotFound:
                found = {}
            for path in paths - skip - {one for one in paths if self._written_here(one, begun)}:
                stat = found.get(path.rpartition("/")[2])
                answer = None if stat is None else stat.size
                assert self._true(path, begun, answer), f"{path} has no size {answer} in a listing"

    def _written_here(self, path: str, since: float = float("inf")) -> bool:
        """Of a file that is being written here, or was since a moment, the length is the writer's,
        also if it could not be stored."""
        if self._written.get(path, float("-inf")) >= since:
            return True
        return any(self.volume.fs.path_of(file.ino) == f"/{path}" for file in self._writing)


async def live(seed: int, ttl: float, counts: list[int]) -> None:
    random = Random(seed)
    memory = (await uneven_store(random, {"f": b"at first"})).memory
    world = World(random, memory, ttl)
    world.timeline.note()
    problems: list[BaseException] = []
    stores = [TimedStore(memory, random, world.timeline) for _ in range(2)]
    async with (
        open_volume(stores[0], metadata_ttl=ttl) as here,
        open_volume(stores[1], metadata_ttl=ttl) as there,
    ):
        mounts = [Mount(world, here), Mount(world, there)]
        try:
            with trio.fail_after(PATIENCE):
                async with trio.open_nursery() as nursery:
                    nursery.start_soon(world.outsider, 6)
                    for mount in mounts:
                        start(nursery, mount)
                await trio.sleep(2 * ttl + 1)
                await agree(memory, mounts)
        except Exception as error:
            problems.append(error)
    for problem in problems:
        raise problem
    assert not memory.uploads
    counts[0] += world.answers
    counts[1] += world.acknowledged


def start(nursery: trio.Nursery, mount: Mount) -> None:
    volume = mount.volume
    for path in PATHS:
        nursery.start_soon(mount.writer, path, 2)
        nursery.start_soon(mount.reader, path, 6)
        nursery.start_soon(mount.looker, path, 6)
    nursery.start_soon(mount.lister, "", 6)
    nursery.start_soon(mount.lister, "d", 6)

    async def rearrange() -> None:
        for _ in range(3):
            await mount.world.pause()
            old, new = mount.world.random.sample(PATHS, 2)
            await mount.change(partial(volume.rename, old, new), old, new)
            await mount.world.pause()
            path = mount.world.random.choice(PATHS)
            await mount.change(partial(volume.unlink, path), path)

    nursery.start_soon(rearrange)


async def agree(memory: MemoryStore, mounts: list[Mount]) -> None:
    """In the end both show what is in the bucket, and hold nothing."""
    await trio.testing.wait_all_tasks_blocked()
    for mount in mounts:
        assert mount.volume.in_use() == NOTHING_IN_USE
        for path in PATHS:
            kept = memory.objects.get(path)
            if kept is not None:
                assert await mount.volume.read(path) == kept.data
            else:
                with pytest.raises(NotFound):
                    await mount.volume.stat(path)


@pytest.mark.torture
@pytest.mark.parametrize("ttl", [0.0, 1.0])
def test_two_mounts_and_an_outsider(ttl: float, effort: Effort) -> None:
    counts = [0, 0]

    @settings(max_examples=effort.of(quick=40, long=1000), deadline=None)
    @given(st.integers(0, 2**32))
    def orders(seed: int) -> None:
        trio.run(live, seed, ttl, counts, clock=trio.testing.MockClock(autojump_threshold=0))

    orders()
    assert min(counts) > 0
    effort.record(f"two mounts and an outsider ttl {ttl:g} s", answers=counts[0], closes=counts[1])
