"""Listings: paged, right while the directory changes, and directories that come and go."""

from __future__ import annotations

from contextlib import aclosing

import pytest
from trio.testing import MockClock

from phfs.errors import Exists, NotEmpty, NotFound
from phfs.s3.faults import FaultyStore
from phfs.s3.memory import MemoryStore
from tests.support.volume import NOTHING_IN_USE, ROOT, Volume, open_volume
from tests.vfs.conftest import contents, put_all


async def names_from(volume: Volume, handle: int, offset: int, count: int) -> list[tuple[str, int]]:
    """At most ``count`` entries, as the kernel reads them piece by piece."""
    found: list[tuple[str, int]] = []
    async with aclosing(volume.fs.readdir(handle, offset)) as entries:
        async for entry in entries:
            if len(found) == count:
                break
            found.append((entry.name, entry.offset))
    return found


async def test_dots_come_first_and_every_name_once(
    autojump_clock: MockClock, volume: Volume, memory: MemoryStore
) -> None:
    await put_all(memory, {"d/a": b"", "d/sub/x": b"", "d/b": b"1"})
    async with volume.found("d") as directory:
        handle = await volume.fs.opendir(directory.ino)
        found = await names_from(volume, handle, 0, 100)
        assert [name for name, _ in found[:2]] == [".", ".."]
        assert sorted(name for name, _ in found[2:]) == ["a", "b", "sub"]
        await volume.fs.releasedir(handle)
    assert volume.in_use() == NOTHING_IN_USE


async def test_a_large_directory_comes_page_by_page(
    autojump_clock: MockClock, volume: Volume, memory: MemoryStore, faulty: FaultyStore
) -> None:
    await put_all(memory, {f"f{number:04}": b"" for number in range(2500)})
    handle = await volume.fs.opendir(ROOT)
    await names_from(volume, handle, 0, 10)
    assert faulty.count("list_page") == 1
    await volume.fs.releasedir(handle)
    assert len(await volume.listdir()) == 2500
    assert faulty.count("list_page") == 4
    assert faulty.count("head") == 0


async def test_a_hundred_thousand_entries_are_a_hundred_requests(
    autojump_clock: MockClock, volume: Volume, memory: MemoryStore, faulty: FaultyStore
) -> None:
    await put_all(memory, {f"d/{number:06}": b"x" for number in range(100_000)})
    found = await volume.listdir("d")
    assert len(found) == 100_000
    assert all(stat.size == 1 for stat in found.values())
    assert faulty.count("list_page") <= 102  # a page each, and the lookup of the directory
    assert faulty.count("head") <= 1
    assert volume.in_use() == NOTHING_IN_USE


async def test_what_was_there_all_along_comes_once_while_others_come_and_go(
    autojump_clock: MockClock, volume: Volume, memory: MemoryStore
) -> None:
    steady = {f"s{number:04}": b"" for number in range(1500)}
    await put_all(memory, {**steady, "a-gone": b"", "z-gone": b""})
    handle = await volume.fs.opendir(ROOT)
    found = await names_from(volume, handle, 0, 300)
    for name in ("a-gone", "z-gone", "s0001"):
        await volume.unlink(name)
    await volume.write("s0001-new", b"x")
    await volume.write("s1499-new", b"x")
    while more := await names_from(volume, handle, found[-1][1], 300):
        found += more
    await volume.fs.releasedir(handle)
    names = [name for name, _ in found]
    assert len(names) == len(set(names))
    assert set(steady) - {"s0001"} <= set(names)
    assert "z-gone" not in names
    assert volume.in_use() == NOTHING_IN_USE


async def test_rewinding_looks_again(autojump_clock: MockClock, volume: Volume) -> None:
    handle = await volume.fs.opendir(ROOT)
    assert len(await names_from(volume, handle, 0, 10)) == 2
    await volume.write("f", b"x")
    assert len(await names_from(volume, handle, 0, 10)) == 3
    await volume.fs.releasedir(handle)


async def test_an_uncommitted_file_is_listed(autojump_clock: MockClock, volume: Volume) -> None:
    file = await volume.create("f")
    await file.write(b"123")
    assert (await volume.listdir())["f"].size == 3
    await file.close()


async def test_a_directory_survives_by_its_marker(
    autojump_clock: MockClock, volume: Volume, memory: MemoryStore
) -> None:
    await volume.mkdir("d")
    assert contents(memory) == {"d/": b""}
    assert (await volume.stat("d")).is_dir
    assert await volume.listdir("d") == {}
    with pytest.raises(Exists):
        await volume.mkdir("d")
    await volume.rmdir("d")
    assert contents(memory) == {}
    with pytest.raises(NotFound):
        await volume.stat("d")


async def test_only_an_empty_directory_is_removed(
    autojump_clock: MockClock, volume: Volume, memory: MemoryStore
) -> None:
    await put_all(memory, {"d/f": b"x"})
    with pytest.raises(NotEmpty):
        await volume.rmdir("d")
    await volume.unlink("d/f")
    file = await volume.create("d/new")
    with pytest.raises(NotEmpty):
        await volume.rmdir("d")
    await volume.unlink("d/new")
    await file.close()
    await volume.rmdir("d")
    assert contents(memory) == {}


async def test_a_directory_whose_last_file_was_removed_stays(
    autojump_clock: MockClock, volume: Volume, memory: MemoryStore
) -> None:
    await put_all(memory, {"a/b/f": b"x"})
    await volume.unlink("a/b/f")
    assert contents(memory) == {}
    assert set(await volume.listdir()) == {"a"}
    assert await volume.listdir("a/b") == {}
    with pytest.raises(NotEmpty):
        await volume.rmdir("a")
    await volume.write("a/b/g", b"again")
    assert contents(memory) == {"a/b/g": b"again"}


async def test_without_markers_directories_live_in_the_mount(
    autojump_clock: MockClock, memory: MemoryStore, faulty: FaultyStore
) -> None:
    async with open_volume(faulty, dir_markers=False) as volume:
        await volume.mkdir("d")
        await volume.mkdir("d/e")
        assert contents(memory) == {}
        await volume.rename("d", "x")
        assert set(await volume.listdir("x")) == {"e"}
        with pytest.raises(NotEmpty):
            await volume.rmdir("x")
        await volume.rmdir("x/e")
        await volume.rmdir("x")
        assert await volume.listdir() == {}


async def test_a_file_is_shadowed_by_a_directory(
    autojump_clock: MockClock, volume: Volume, memory: MemoryStore
) -> None:
    await put_all(memory, {"a": b"file", "a/b": b"x", "strange//f": b"", "..": b""})
    found = await volume.listdir()
    assert found["a"].is_dir
    assert set(found) == {"a", "strange"}
    assert set(await volume.listdir("strange")) == set()
    status = volume.fs.status()
    assert status["shadowed_files"] == ["a"]
    assert status["ignored_keys"] == ["..", "strange//"]
