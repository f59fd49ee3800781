"""Open files: who may read and write what, and what is in the bucket when."""

from __future__ import annotations

import math
from typing import Any

import pytest
import trio
from trio.testing import MockClock

from phfs.errors import (
    Busy,
    ConnectionFailed,
    Exists,
    NotFound,
    NotSequential,
    OutOfMemory,
    PhfsError,
    Stale,
    Unsupported,
)
from phfs.s3.faults import FaultyStore
from phfs.s3.memory import MemoryStore
from phfs.s3.store import MIN_PART
from phfs.vfs.values import OpenFlags
from tests.support.volume import (
    APPEND,
    EXCLUSIVE,
    NOTHING_IN_USE,
    READ,
    UPDATE,
    WRITE,
    Volume,
    open_volume,
)
from tests.vfs.conftest import contents, put_all

MIB = 1024**2


async def test_a_closed_file_is_in_the_bucket(
    autojump_clock: MockClock, volume: Volume, memory: MemoryStore
) -> None:
    file = await volume.create("f.txt")
    await file.write(b"one ")
    await file.write(b"two")
    assert contents(memory) == {}
    await file.flush()
    assert contents(memory) == {"f.txt": b"one two"}
    assert memory.objects["f.txt"].attributes.content_type == "text/plain"
    await file.release()
    assert await volume.read("f.txt") == b"one two"


@pytest.mark.parametrize("flags", [READ, WRITE, UPDATE, APPEND, EXCLUSIVE])
async def test_touch_puts_an_empty_object(
    autojump_clock: MockClock, volume: Volume, memory: MemoryStore, flags: OpenFlags
) -> None:
    file = await volume.create("f", flags)
    await file.flush()
    assert contents(memory) == {"f": b""}
    await file.release()


async def test_a_failed_upload_fails_close(
    autojump_clock: MockClock, volume: Volume, memory: MemoryStore, faulty: FaultyStore
) -> None:
    file = await volume.create("f")
    await file.write(b"data")
    faulty.fail(ConnectionFailed("cut"), kind="put")
    for _ in range(2):
        with pytest.raises(ConnectionFailed):
            await file.flush()
    await file.release()
    assert contents(memory) == {}
    with pytest.raises(NotFound):
        await volume.stat("f")


async def test_a_truncation_is_saved_at_release_or_fsync(
    autojump_clock: MockClock, volume: Volume, memory: MemoryStore
) -> None:
    await put_all(memory, {"f": b"old", "g": b"old"})
    first, second = await volume.open("f", WRITE), await volume.open("g", WRITE)
    await first.flush()
    await second.fsync()
    assert contents(memory) == {"f": b"old", "g": b""}
    assert (await volume.stat("f")).size == 0
    await first.release()
    await second.close()
    assert contents(memory) == {"f": b"", "g": b""}


async def test_a_failure_after_close_is_reported(
    autojump_clock: MockClock, memory: MemoryStore, faulty: FaultyStore
) -> None:
    await put_all(memory, {"f": b"old"})
    told: list[tuple[str, str, PhfsError]] = []
    async with open_volume(faulty, report=lambda *what: told.append(what)) as volume:
        file = await volume.open("f", WRITE)
        await file.flush()
        faulty.fail(ConnectionFailed("cut"), kind="put")
        await file.release()
    [(path, operation, error)] = told
    assert (path, operation, type(error)) == ("/f", "release", ConnectionFailed)
    assert contents(memory) == {"f": b"old"}


async def test_bytes_nobody_closed_are_not_half_saved_at_the_end(
    autojump_clock: MockClock, memory: MemoryStore, faulty: FaultyStore
) -> None:
    await put_all(memory, {"cut": b"old", "half": b"old"})
    told: list[str] = []
    async with open_volume(faulty, report=lambda path, *_: told.append(path)) as volume:
        await volume.open("cut", WRITE)
        half = await volume.open("half", WRITE)
        await half.write(b"x" * 2500)
    assert contents(memory) == {"cut": b"", "half": b"old"}
    assert told == ["/half"]
    assert not memory.uploads


@pytest.mark.parametrize("offset", [0, 3, 5, 100])
async def test_a_write_elsewhere_fails_the_handle_for_good(
    autojump_clock: MockClock, volume: Volume, memory: MemoryStore, offset: int
) -> None:
    file = await volume.create("f")
    await file.write(b"1234")
    with pytest.raises(NotSequential):
        await file.write(b"x", offset)
    for call in (lambda: file.write(b"5", 4), file.flush, file.fsync):
        with pytest.raises(NotSequential):
            await call()
    await file.release()
    assert contents(memory) == {}


async def test_content_that_is_there_is_not_changed(
    autojump_clock: MockClock, volume: Volume, memory: MemoryStore
) -> None:
    await put_all(memory, {"f": b"old"})
    with pytest.raises(Unsupported):
        await volume.open("f", APPEND)
    lock_file = await volume.open("f", UPDATE)
    await lock_file.close()
    file = await volume.open("f", UPDATE)
    with pytest.raises(Unsupported):
        await file.write(b"x", 3)
    with pytest.raises(Unsupported):
        await file.close()
    for size in (1, 4):
        with pytest.raises(Unsupported):
            await volume.truncate("f", size)
    await volume.truncate("f", 3)
    assert contents(memory) == {"f": b"old"}


async def test_what_is_not_saved_cannot_be_read(autojump_clock: MockClock, volume: Volume) -> None:
    file = await volume.create("f", UPDATE)
    await file.write(b"data")
    with pytest.raises(Unsupported):
        await file.read()
    await file.flush()
    assert await file.read() == b"data"
    await file.release()


async def test_who_writes_keeps_the_others_out(
    autojump_clock: MockClock, volume: Volume, memory: MemoryStore
) -> None:
    await put_all(memory, {"f": b"old", "g": b"other"})
    writer = await volume.open("f", WRITE)
    await writer.write(b"new")
    for refused in (
        lambda: volume.open("f", READ),
        lambda: volume.open("f", WRITE),
        lambda: volume.truncate("f", 0),
        lambda: volume.rename("f", "h"),
        lambda: volume.rename("g", "f"),
    ):
        with pytest.raises(Busy):
            await refused()
    await writer.flush()
    assert await volume.read("f") == b"new"
    await writer.release()


async def test_a_reader_keeps_writers_out_until_it_has_closed(
    autojump_clock: MockClock, volume: Volume, memory: MemoryStore
) -> None:
    await put_all(memory, {"f": b"old"})
    reader = await volume.open("f")
    assert await reader.read() == b"old"
    with pytest.raises(Busy):
        await volume.open("f", WRITE)
    with pytest.raises(Busy):
        await volume.truncate("f", 0)
    await reader.flush()
    await volume.write("f", b"new")
    with pytest.raises(Stale):
        await reader.read()
    await reader.release()


async def test_a_second_writer_makes_the_first_one_stale(
    autojump_clock: MockClock, volume: Volume, memory: MemoryStore
) -> None:
    first = await volume.create("f")
    await first.write(b"first")
    await first.flush()
    await volume.write("f", b"second")
    with pytest.raises(Stale):
        await first.write(b" more")
    await first.release()
    assert contents(memory) == {"f": b"second"}


async def test_touching_a_file_that_somebody_has_just_created_harms_nobody(
    autojump_clock: MockClock, volume: Volume, memory: MemoryStore
) -> None:
    first = await volume.create("f")
    await (await volume.create("f", OpenFlags(read=False, write=True))).close()
    await first.write(b"data")
    await (await volume.create("f", OpenFlags(read=False, write=True))).close()
    await first.close()
    assert contents(memory) == {"f": b"data"}


@pytest.mark.parametrize("size", [10, 999, 1000, 2500])
async def test_writing_on_after_a_flush(
    autojump_clock: MockClock, volume: Volume, memory: MemoryStore, size: int
) -> None:
    file = await volume.create("f")
    for number in range(1, 4):
        await file.write(b"x" * size)
        await file.flush()
        await file.flush()
        assert memory.objects["f"].data == b"x" * size * number
    await file.release()
    assert not memory.uploads


async def test_a_large_object_goes_on_by_a_copy_in_the_store(
    autojump_clock: MockClock, memory: MemoryStore, faulty: FaultyStore
) -> None:
    async with open_volume(faulty, part_size=8 * MIB) as volume:
        file = await volume.create("f")
        await file.write(bytes(MIN_PART))
        await file.flush()
        assert faulty.count("create_upload") == 0
        await file.write(b"end")
        await file.close()
    assert memory.objects["f"].data == bytes(MIN_PART) + b"end"
    assert faulty.count("copy_part") == 1


async def test_what_is_replaced_elsewhere_is_not_continued(
    autojump_clock: MockClock, volume: Volume, memory: MemoryStore
) -> None:
    file = await volume.create("f")
    await file.write(b"x" * 1000)
    await file.flush()
    await put_all(memory, {"f": b"theirs"})
    with pytest.raises(Stale):
        await file.write(b"more")
    await file.release()
    assert contents(memory) == {"f": b"theirs"}
    assert not memory.uploads


async def test_only_one_creates_a_file_exclusively(
    autojump_clock: MockClock, volume: Volume, memory: MemoryStore
) -> None:
    outcomes: list[str] = []

    async def create() -> None:
        try:
            await (await volume.create("f", EXCLUSIVE)).close()
            outcomes.append("created")
        except Exists:
            outcomes.append("exists")

    async with trio.open_nursery() as nursery:
        for _ in range(4):
            nursery.start_soon(create)
    assert sorted(outcomes) == ["created", "exists", "exists", "exists"]


async def test_an_exclusive_create_that_came_second_elsewhere(
    autojump_clock: MockClock, volume: Volume, memory: MemoryStore
) -> None:
    file = await volume.create("f", EXCLUSIVE)
    await file.write(b"mine")
    await put_all(memory, {"f": b"theirs"})
    with pytest.raises(Exists):
        await file.close()
    assert contents(memory) == {"f": b"theirs"}


async def test_an_unlinked_file_is_written_to_nowhere(
    autojump_clock: MockClock, volume: Volume, memory: MemoryStore, faulty: FaultyStore
) -> None:
    file = await volume.create("f")
    await file.write(b"x" * 2500)
    await volume.unlink("f")
    assert await file.write(b"more") == 4
    await file.close()
    assert contents(memory) == {}
    assert not memory.uploads


async def test_an_unlink_that_fails_loses_nothing_of_what_is_being_written(
    autojump_clock: MockClock, volume: Volume, memory: MemoryStore, faulty: FaultyStore
) -> None:
    await put_all(memory, {"f": b"old"})
    file = await volume.open("f", WRITE)
    await file.write(b"new")
    faulty.fail(ConnectionFailed("cut"), kind="delete")
    with pytest.raises(ConnectionFailed):
        await volume.unlink("f")
    await file.close()
    assert contents(memory) == {"f": b"new"}


async def test_a_reader_of_another_version_gets_stale(
    autojump_clock: MockClock, volume: Volume, memory: MemoryStore
) -> None:
    await put_all(memory, {"f": b"a" * 50})
    reader = await volume.open("f")
    await put_all(memory, {"f": b"b" * 50})
    with pytest.raises(Stale):
        await reader.read()
    await reader.close()
    assert await volume.read("f") == b"b" * 50


async def test_a_flush_that_waits_for_nothing_new_asks_nothing(
    autojump_clock: MockClock, volume: Volume, faulty: FaultyStore
) -> None:
    file = await volume.create("f")
    await file.write(b"data")
    await file.flush()
    before = faulty.count()
    for _ in range(3):
        await file.flush()
        await file.fsync()
    await file.release()
    assert faulty.count() == before


async def test_too_many_files_at_once_are_refused(
    autojump_clock: MockClock, faulty: FaultyStore
) -> None:
    async with open_volume(faulty, memory_limit=16 * MIB, part_size=8 * MIB) as volume:
        files = [await volume.create(f"f{number}") for number in range(4)]
        for file in files[:3]:
            await file.write(bytes(4 * MIB))
        with pytest.raises(OutOfMemory, match="carries about 2"):
            await files[3].write(bytes(4 * MIB))
        with pytest.raises(OutOfMemory):
            await files[3].close()
        for file in files[:3]:
            await file.close()
        assert volume.in_use() == NOTHING_IN_USE


async def test_where_memory_is_short_a_file_sends_what_it_holds(
    autojump_clock: MockClock, memory: MemoryStore, faulty: FaultyStore
) -> None:
    async with open_volume(faulty, memory_limit=64 * MIB, part_size=8 * MIB) as volume:
        large = [await volume.create(f"large{number}") for number in range(3)]
        for file in large:
            await file.write(bytes(7 * MIB))
        small = [await volume.create(f"small{number}") for number in range(6)]
        for file in small:
            await file.write(bytes(9 * MIB // 2))
        assert volume.fs.status()["uploads"] == {"begun": 0, "aborted": 0}
        await large[0].write(bytes(MIB))
        for file in [*large, *small]:
            await file.close()
        assert len(memory.objects["large0"].data) == 8 * MIB
        assert volume.in_use() == NOTHING_IN_USE


async def test_more_than_the_memory_is_written_through_it(
    autojump_clock: MockClock, memory: MemoryStore, faulty: FaultyStore
) -> None:
    chunk = bytes(MIB)
    async with open_volume(faulty, memory_limit=16 * MIB, part_size=8 * MIB) as volume:
        file = await volume.create("f")
        for _ in range(40):
            await file.write(chunk)
        await file.close()
        status: Any = volume.fs.status()
        assert status["memory"]["peak_bytes"] <= 12 * MIB
    assert memory.objects["f"].data == chunk * 40


async def test_fewer_reads_begin_while_writes_wait_with_their_bytes(
    autojump_clock: MockClock, memory: MemoryStore, faulty: FaultyStore
) -> None:
    names = [f"in{number}" for number in range(4)]
    await put_all(memory, dict.fromkeys(names, bytes(MIB)))
    async with open_volume(faulty, memory_limit=16 * MIB, part_size=5 * MIB) as volume:
        sending = faulty.hold(kind="put_part", times=math.inf)
        fetching = faulty.hold(kind="get", times=math.inf)
        files = [await volume.create(f"f{number}") for number in range(7)]
        for file in (*files[:2] * 5, *files[2:4]):  # all that writers may have
            await file.write(bytes(MIB))
        async with trio.open_nursery() as nursery:
            for file in files[3:]:
                nursery.start_soon(file.write, bytes(MIB))
            await trio.sleep(1)
            for name in names:
                nursery.start_soon(volume.read, name)
            await trio.sleep(1)
            assert faulty.count("get") == 2
            sending.release()
            fetching.release()
        assert faulty.count("get") == 4
        for file in files:
            await file.close()


async def test_who_opens_a_file_just_emptied_waits_for_its_release(
    autojump_clock: MockClock, volume: Volume, memory: MemoryStore
) -> None:
    await put_all(memory, {"f": b"old"})
    file = await volume.open("f", WRITE)
    await file.truncate(0)
    await file.flush()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(file.release)
        assert await volume.read("f") == b""
    assert contents(memory) == {"f": b""}
