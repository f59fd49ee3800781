"""Answers and inodes that several share while others change the bucket: as fresh as promised."""

from __future__ import annotations

import pytest
import trio
from trio.testing import MockClock

from phfs.errors import NotFound
from phfs.s3.faults import FaultyStore
from phfs.s3.memory import MemoryStore
from tests.support.volume import ROOT, Volume, open_volume
from tests.vfs.conftest import contents, put_all


@pytest.mark.parametrize("ttl", [0.0, 1.0])
async def test_an_answer_under_way_is_shared_only_while_it_is_fresh(
    autojump_clock: MockClock, memory: MemoryStore, faulty: FaultyStore, ttl: float
) -> None:
    """The first asker's request was answered long ago, only the way back is slow: whoever asks
    later than that answer may be believed asks again."""
    faulty.latency = 0.0
    found: list[int] = []
    async with open_volume(SlowAnswers(memory, ttl + 2), metadata_ttl=ttl) as volume:

        async def ask() -> None:
            try:
                found.append((await volume.stat("f")).size)
            except NotFound:
                found.append(-1)

        async with trio.open_nursery() as nursery:
            nursery.start_soon(ask)
            await trio.sleep(ttl + 1)
            await put_all(memory, {"f": b"content"})
            nursery.start_soon(ask)
            nursery.start_soon(ask)
    assert sorted(found) == [-1, 7, 7]


class SlowAnswers(FaultyStore):
    """Asks at once and answers ``seconds`` later."""

    def __init__(self, store: MemoryStore, seconds: float) -> None:
        super().__init__(store)
        self._seconds = seconds

    async def _pass(self, *arguments: object) -> object:  # type: ignore[override]
        result: object = await super()._pass(*arguments)  # type: ignore[arg-type]
        await trio.sleep(self._seconds)
        return result


async def test_a_file_stored_where_its_directory_had_gone_is_seen_at_once(
    autojump_clock: MockClock, volume: Volume, memory: MemoryStore
) -> None:
    await put_all(memory, {"d/old": b"x"})
    file = await volume.create("d/f")
    await file.write(b"content")
    await memory.delete("d/old")
    await trio.sleep(2)
    with pytest.raises(NotFound):
        await volume.stat("d")
    await file.flush()
    assert await volume.read("d/f") == b"content"
    await file.release()


async def test_a_file_stored_where_its_directory_had_become_a_file_is_seen_at_once(
    autojump_clock: MockClock, volume: Volume, memory: MemoryStore
) -> None:
    await put_all(memory, {"d/e/old": b"x"})
    file = await volume.create("d/e/f")
    await file.write(b"content")
    await memory.delete("d/e/old")
    await put_all(memory, {"d": b"a file now"})
    await trio.sleep(2)
    assert not (await volume.stat("d")).is_dir
    await file.flush()
    assert await volume.read("d/e/f") == b"content"
    await file.release()


async def test_a_version_renamed_before_the_kernel_knew_it_can_be_opened(
    autojump_clock: MockClock, memory: MemoryStore, faulty: FaultyStore
) -> None:
    """The rename finds a newer version than the kernel has looked up, and somebody who lists the
    directory meanwhile lets go of it."""
    async with open_volume(faulty, metadata_ttl=0.0) as volume:
        await put_all(memory, {"f": b"old"})
        known = await volume.fs.lookup(ROOT, "f")
        await put_all(memory, {"f": b"newer"})
        gate = faulty.hold(kind="copy")
        async with trio.open_nursery() as nursery:
            nursery.start_soon(volume.fs.rename, ROOT, "f", ROOT, "g")
            await gate.reached.wait()
            await volume.listdir()
            gate.release()
        volume.fs.forget(known.ino, 1)
        assert contents(memory) == {"g": b"newer"}
        assert await volume.read("g") == b"newer"
        assert set(await volume.listdir()) == {"g"}
        assert volume.in_use()["inodes"] == 0
