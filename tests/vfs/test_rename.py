"""Renaming: all of it or nothing, and open files follow."""

from __future__ import annotations

import pytest
import trio
from trio.testing import MockClock

from phfs.core.objects import Attributes
from phfs.errors import (
    AccessDenied,
    Busy,
    ConnectionFailed,
    CrossDevice,
    Exists,
    Invalid,
    NotEmpty,
    NotFound,
    OperationFailed,
    PhfsError,
    ServerFault,
    Stale,
    StoreError,
    Unsupported,
)
from phfs.s3.faults import FaultyStore
from phfs.s3.memory import MemoryStore
from tests.support.volume import Volume, open_volume
from tests.vfs.conftest import contents, put_all

TREE = {"d/": b"", "d/a": b"in a", "d/e/b": b"in b"}


async def test_a_reader_of_a_renamed_multipart_file_goes_on(
    autojump_clock: MockClock, volume: Volume, memory: MemoryStore
) -> None:
    await volume.write("f", b"one" * 500, b"two" * 500)
    etag = memory.objects["f"].etag
    reader = await volume.open("f")
    await volume.rename("f", "g")
    assert memory.objects["g"].etag != etag
    assert await reader.read() == b"one" * 500 + b"two" * 500
    await reader.close()
    assert await volume.read("g", 3) == b"one"


async def test_a_read_under_way_while_the_file_is_renamed(
    autojump_clock: MockClock, volume: Volume, memory: MemoryStore, faulty: FaultyStore
) -> None:
    await put_all(memory, {"f": b"content"})
    reader = await volume.open("f")
    gate = faulty.hold(kind="get")
    read: list[bytes] = []

    async def read_all() -> None:
        read.append(await reader.read())

    async with trio.open_nursery() as nursery:
        nursery.start_soon(read_all)
        await gate.reached.wait()
        await volume.rename("f", "g")
        gate.release()
    assert read == [b"content"]
    await reader.close()


async def test_type_and_tags_go_along(
    autojump_clock: MockClock, volume: Volume, memory: MemoryStore
) -> None:
    await memory.put("f", [b"x"], Attributes(content_type="a/b", metadata={"k": "v"}))
    memory.set_tags("f", "team=red")
    await volume.rename("f", "g.txt")
    kept = memory.objects["g.txt"]
    assert (kept.attributes.content_type, kept.tagging) == ("a/b", "team=red")
    assert kept.attributes.metadata == {"k": "v"}


async def test_readers_of_a_replaced_target_are_stale(
    autojump_clock: MockClock, volume: Volume, memory: MemoryStore
) -> None:
    await put_all(memory, {"f": b"source", "g": b"target"})
    reader = await volume.open("g")
    await volume.rename("f", "g")
    with pytest.raises(Stale):
        await reader.read()
    await reader.close()
    assert await volume.read("g") == b"source"


async def test_a_name_that_is_taken_is_kept_when_asked(
    autojump_clock: MockClock, volume: Volume, memory: MemoryStore
) -> None:
    await put_all(memory, {"f": b"source", "g": b"target"})
    with pytest.raises(Exists):
        await volume.rename("f", "g", replace=False)
    assert contents(memory) == {"f": b"source", "g": b"target"}


async def test_a_deletion_whose_answer_was_lost_loses_nothing(
    autojump_clock: MockClock, volume: Volume, memory: MemoryStore, faulty: FaultyStore
) -> None:
    await put_all(memory, {"f": b"content"})
    faulty.fail(ConnectionFailed("cut"), kind="delete", after=True)
    await volume.rename("f", "g")
    assert contents(memory) == {"g": b"content"}
    assert set(await volume.listdir()) == {"g"}


async def test_a_deletion_that_may_still_happen_leaves_both(
    autojump_clock: MockClock, volume: Volume, memory: MemoryStore, faulty: FaultyStore
) -> None:
    await put_all(memory, {"f": b"content"})
    faulty.fail(ConnectionFailed("cut"), kind="delete")
    with pytest.raises(OperationFailed, match="/f was copied"):
        await volume.rename("f", "g")
    assert contents(memory) == {"f": b"content", "g": b"content"}
    assert await volume.read("f") == b"content"


async def test_a_deletion_that_is_refused_takes_the_copy_away(
    autojump_clock: MockClock, volume: Volume, memory: MemoryStore, faulty: FaultyStore
) -> None:
    await put_all(memory, {"f": b"content"})
    reader = await volume.open("f")
    faulty.fail(AccessDenied("no"), kind="delete")
    with pytest.raises(AccessDenied):
        await volume.rename("f", "g")
    assert contents(memory) == {"f": b"content"}
    assert await reader.read() == b"content"
    await reader.close()


async def test_a_directory_moves_with_everything_beneath(
    autojump_clock: MockClock, volume: Volume, memory: MemoryStore
) -> None:
    await put_all(memory, TREE)
    reader = await volume.open("d/e/b")
    await volume.rename("d", "x")
    assert contents(memory) == {"x/": b"", "x/a": b"in a", "x/e/b": b"in b"}
    assert await reader.read() == b"in b"
    await reader.close()
    assert set(await volume.listdir()) == {"x"}
    assert await volume.read("x/e/b") == b"in b"
    with pytest.raises(NotFound):
        await volume.stat("d")


async def test_a_reader_of_a_version_that_was_replaced_before_the_rename_is_stale(
    autojump_clock: MockClock, volume: Volume, memory: MemoryStore
) -> None:
    await put_all(memory, TREE)
    reader = await volume.open("d/a")
    await put_all(memory, {"d/a": b"anew"})
    await volume.rename("d", "x")
    with pytest.raises(Stale):
        await reader.read()
    await reader.close()
    assert await volume.read("x/a") == b"anew"


async def test_a_copy_that_fails_takes_all_copies_away(
    autojump_clock: MockClock, volume: Volume, memory: MemoryStore, faulty: FaultyStore
) -> None:
    await put_all(memory, TREE)
    faulty.fail(AccessDenied("no"), kind="copy", nth=2)
    with pytest.raises(AccessDenied):
        await volume.rename("d", "x")
    assert contents(memory) == TREE
    assert set(await volume.listdir("d")) == {"a", "e"}


@pytest.mark.parametrize(
    ("error", "told"),
    [(AccessDenied("no"), AccessDenied), (ServerFault("no"), OperationFailed)],
    ids=["refused", "failed"],
)
async def test_old_names_that_cannot_be_deleted_are_named(
    autojump_clock: MockClock,
    volume: Volume,
    memory: MemoryStore,
    faulty: FaultyStore,
    error: StoreError,
    told: type[PhfsError],
) -> None:
    await put_all(memory, TREE)
    faulty.fail(error, kind="delete_many")
    with pytest.raises(told, match=r"/d/a.*no"):
        await volume.rename("d", "x")
    assert await volume.read("x/a") == b"in a"
    assert set(await volume.listdir()) == {"d", "x"}


async def test_directories_that_cannot_be_renamed(
    autojump_clock: MockClock, volume: Volume, memory: MemoryStore
) -> None:
    await put_all(memory, {**TREE, "full/f": b"", "strange//f": b""})
    with pytest.raises(Invalid):
        await volume.rename("d", "d/inside")
    with pytest.raises(NotEmpty):
        await volume.rename("d", "full")
    with pytest.raises(Unsupported, match="no path"):
        await volume.rename("strange", "x")
    writer = await volume.create("d/e/new")
    await writer.write(b"half")
    with pytest.raises(Busy):
        await volume.rename("d", "x")
    await writer.close()


@pytest.mark.parametrize("limits", [{"rename_limit": 2}, {"rename_bytes": 7}])
async def test_too_much_for_one_rename(
    autojump_clock: MockClock, memory: MemoryStore, faulty: FaultyStore, limits: dict[str, int]
) -> None:
    await put_all(memory, TREE)
    async with open_volume(faulty, **limits) as volume:
        with pytest.raises(CrossDevice):
            await volume.rename("d", "x")
    assert contents(memory) == TREE


async def test_nothing_changes_beneath_a_directory_on_the_move(
    autojump_clock: MockClock, volume: Volume, memory: MemoryStore, faulty: FaultyStore
) -> None:
    await put_all(memory, TREE)
    await volume.listdir("d")
    gate = faulty.hold(kind="copy")
    async with trio.open_nursery() as nursery:
        nursery.start_soon(volume.rename, "d", "x")
        await gate.reached.wait()
        for change in (
            lambda: volume.create("d/new"),
            lambda: volume.unlink("d/a"),
            lambda: volume.mkdir("d/m"),
            lambda: volume.rename("d/a", "d/b"),
            lambda: volume.truncate("d/a", 0),
        ):
            with pytest.raises(Busy):
                await change()
        gate.release()
    assert contents(memory) == {"x/": b"", "x/a": b"in a", "x/e/b": b"in b"}
