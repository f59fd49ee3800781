"""Names and freshness: a version is an inode, and nothing older than the TTL is believed."""

from __future__ import annotations

import pytest
import trio
from trio.testing import MockClock

from phfs.errors import AccessDenied, NameTooLong, NotDirectory, NotFound, Stale
from phfs.s3.faults import FaultyStore
from phfs.s3.memory import MemoryStore
from tests.support.volume import NOTHING_IN_USE, ROOT, Volume
from tests.vfs.conftest import put_all


async def test_a_version_is_an_inode(
    autojump_clock: MockClock, volume: Volume, memory: MemoryStore
) -> None:
    await put_all(memory, {"f": b"one"})
    async with volume.found("f") as first:
        await put_all(memory, {"f": b"three"})
        await trio.sleep(1.1)
        async with volume.found("f") as second:
            assert second.ino != first.ino
            assert (first.size, second.size) == (3, 5)
        with pytest.raises(Stale):
            await volume.fs.getattr(first.ino)
    assert volume.in_use() == NOTHING_IN_USE


async def test_a_commit_through_the_mount_keeps_the_inode(
    autojump_clock: MockClock, volume: Volume
) -> None:
    await volume.write("f", b"one")
    async with volume.found("f") as first:
        await volume.write("f", b"three")
        async with volume.found("f") as second:
            assert second.ino == first.ino
            assert second.size == 5


async def test_an_answer_is_believed_until_it_is_a_second_old(
    autojump_clock: MockClock, volume: Volume, memory: MemoryStore, faulty: FaultyStore
) -> None:
    await put_all(memory, {"f": b"one"})
    async with volume.found("f"):
        asked = faulty.count()
        await memory.delete("f")
        await trio.sleep(0.9)
        assert (await volume.stat("f")).size == 3
        assert faulty.count() == asked
        await trio.sleep(0.2)
        with pytest.raises(NotFound):
            await volume.stat("f")


async def test_what_is_absent_is_remembered_as_long(
    autojump_clock: MockClock, volume: Volume, memory: MemoryStore, faulty: FaultyStore
) -> None:
    with pytest.raises(NotFound):
        await volume.stat("f")
    asked = faulty.count()
    await put_all(memory, {"f": b"one"})
    with pytest.raises(NotFound):
        await volume.stat("f")
    assert faulty.count() == asked
    await trio.sleep(1.1)
    assert (await volume.stat("f")).size == 3


async def test_a_listing_answers_for_every_name(
    autojump_clock: MockClock, volume: Volume, memory: MemoryStore, faulty: FaultyStore
) -> None:
    await put_all(memory, {f"d/{number}": b"x" for number in range(50)})
    async with volume.found("d"):
        await volume.listdir("d")
        before = faulty.count()
        for number in range(60):
            try:
                await volume.stat(f"d/{number}")
            except NotFound:
                assert number >= 50
        assert faulty.count() == before
        await trio.sleep(1.1)
        for number in range(50):
            await volume.stat(f"d/{number}")
        # The directory's own name, then its names as a whole.
        assert [call.kind for call in faulty.calls[before:]].count("head") <= 1
        assert faulty.count() <= before + 3


@pytest.mark.parametrize("latency", [0.0, 3.0])
async def test_askers_of_one_name_share_the_answer_however_long_it_takes(
    autojump_clock: MockClock,
    volume: Volume,
    memory: MemoryStore,
    faulty: FaultyStore,
    latency: float,
) -> None:
    await put_all(memory, {"d/f": b"one"})
    await volume.listdir("d")
    await volume.stat("d")
    await trio.sleep(2)
    faulty.latency = latency
    sizes: list[int] = []

    async def ask(delay: float) -> None:
        await trio.sleep(delay)
        sizes.append((await volume.stat("d/f")).size)

    async with trio.open_nursery() as nursery:
        for delay in (0.0, 0.5, 1.5, 2.5):
            nursery.start_soon(ask, delay)
    assert sizes == [3] * 4


async def test_a_forbidden_head_is_settled_by_a_listing(
    autojump_clock: MockClock, volume: Volume, memory: MemoryStore, faulty: FaultyStore
) -> None:
    faulty.fail(AccessDenied("no"), kind="head", times=2)
    with pytest.raises(NotFound):
        await volume.stat("f")
    await put_all(memory, {"g": b"secret"})
    with pytest.raises(AccessDenied):
        await volume.stat("g")


@pytest.mark.parametrize("path", ["x" * 256, "/".join(["d" * 200] * 6)])
async def test_names_that_are_too_long(
    autojump_clock: MockClock, volume: Volume, path: str
) -> None:
    if "/" in path:
        await volume.mkdir("d" * 200)
    with pytest.raises((NameTooLong, NotFound)):
        await volume.stat(path)
    with pytest.raises(NameTooLong):
        await volume.mkdir("x" * 256)


async def test_a_file_is_no_directory(autojump_clock: MockClock, volume: Volume) -> None:
    await volume.write("f", b"x")
    for operation in (volume.stat, volume.create, volume.mkdir):
        with pytest.raises(NotDirectory):
            await operation("f/g")


async def test_nothing_is_made_in_a_directory_that_was_removed_elsewhere(
    autojump_clock: MockClock, volume: Volume, memory: MemoryStore
) -> None:
    await put_all(memory, {"d/e/f": b"x"})
    async with volume.found("d/e") as directory:
        await memory.delete("d/e/f")
        await trio.sleep(2)
        with pytest.raises(Stale):
            await volume.fs.getattr(directory.ino)
        with pytest.raises(Stale):
            await volume.fs.mkdir(directory.ino, "m")
    assert not memory.objects
    assert volume.in_use() == NOTHING_IN_USE


async def test_the_mtime_of_a_version_does_not_move(
    autojump_clock: MockClock, volume: Volume, memory: MemoryStore
) -> None:
    await trio.sleep(100)
    await volume.write("f", b"x")
    written = (await volume.stat("f")).mtime
    assert written == 100
    await trio.sleep(50)
    await put_all(memory, {"f": b"x"})  # the same bytes: the same version
    await trio.sleep(2)
    assert (await volume.stat("f")).mtime == written
    assert (await volume.listdir())["f"].mtime == written


async def test_writing_the_same_bytes_again_is_a_new_time(
    autojump_clock: MockClock, volume: Volume
) -> None:
    await volume.write("f", b"x")
    await trio.sleep(100)
    await volume.write("f", b"x")
    assert (await volume.stat("f")).mtime == 100
    await trio.sleep(2)
    assert (await volume.listdir())["f"].mtime == 100


async def test_how_long_attributes_may_be_believed(
    autojump_clock: MockClock, volume: Volume, memory: MemoryStore
) -> None:
    await put_all(memory, {"f": b"x"})
    first = await volume.fs.lookup(ROOT, "f")
    assert 0.9 < first.ttl <= 1.0
    await trio.sleep(0.5)
    assert 0.4 < (await volume.fs.getattr(first.ino)).ttl <= 0.5
    volume.fs.forget(first.ino, 1)
    file = await volume.create("new")
    await file.write(b"x")
    assert (await volume.stat("new")).ttl == 0
    await file.close()
