"""The file system as a whole: refusals before anything is asked, and what it says of itself."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import pytest
from trio.testing import MockClock

from phfs.errors import (
    BadHandle,
    ConnectionFailed,
    Exists,
    Invalid,
    IsDirectory,
    NotDirectory,
    NotFound,
    NotPermitted,
    ReadOnly,
)
from phfs.s3.faults import FaultyStore
from phfs.s3.memory import MemoryStore
from tests.support.volume import NOTHING_IN_USE, ROOT, WRITE, Volume, open_volume
from tests.vfs.conftest import contents, put_all

CHANGES: dict[str, Callable[[Volume], Awaitable[object]]] = {
    "create": lambda volume: volume.create("new"),
    "open": lambda volume: volume.open("f", WRITE),
    "make_file": lambda volume: volume.make_file("new"),
    "truncate": lambda volume: volume.truncate("f", 0),
    "mkdir": lambda volume: volume.mkdir("new"),
    "rmdir": lambda volume: volume.rmdir("d"),
    "unlink": lambda volume: volume.unlink("f"),
    "rename": lambda volume: volume.rename("f", "new"),
}


@pytest.mark.parametrize("name", CHANGES)
async def test_a_read_only_mount_changes_nothing(
    autojump_clock: MockClock, memory: MemoryStore, faulty: FaultyStore, name: str
) -> None:
    await put_all(memory, {"f": b"x", "d/": b""})
    async with open_volume(faulty, read_only=True) as volume:
        with pytest.raises(ReadOnly, match="read-only"):
            await CHANGES[name](volume)
        assert await volume.read("f") == b"x"
        assert set(await volume.listdir()) == {"d", "f"}
    assert contents(memory) == {"f": b"x", "d/": b""}


async def test_files_and_directories_are_not_mixed_up(
    autojump_clock: MockClock, volume: Volume, memory: MemoryStore
) -> None:
    await put_all(memory, {"f": b"x", "d/": b""})
    with pytest.raises(IsDirectory):
        await volume.unlink("d")
    with pytest.raises(NotDirectory):
        await volume.rmdir("f")
    with pytest.raises(IsDirectory):
        await volume.open("d")
    with pytest.raises(IsDirectory):
        await volume.create("d")
    with pytest.raises(IsDirectory):
        await volume.truncate("d", 0)
    with pytest.raises(NotDirectory):
        await volume.rename("d", "f")
    with pytest.raises(IsDirectory):
        await volume.rename("f", "d")
    assert volume.in_use() == NOTHING_IN_USE


async def test_names_that_are_not_taken(
    autojump_clock: MockClock, volume: Volume, memory: MemoryStore
) -> None:
    for name, refusal in ((".phfs", NotPermitted), ("line\nbreak", Invalid)):
        for operation in (volume.create, volume.mkdir, volume.make_file):
            with pytest.raises(refusal):
                await operation(name)
    assert contents(memory) == {}


async def test_mknod_makes_a_file_once(
    autojump_clock: MockClock, volume: Volume, memory: MemoryStore, faulty: FaultyStore
) -> None:
    await volume.make_file("f")
    assert contents(memory) == {"f": b""}
    with pytest.raises(Exists):
        await volume.make_file("f")
    faulty.fail(ConnectionFailed("cut"), kind="put")
    with pytest.raises(ConnectionFailed):
        await volume.make_file("g")
    with pytest.raises(NotFound):
        await volume.stat("g")
    assert volume.in_use() == NOTHING_IN_USE


async def test_handles_that_are_not_open(autojump_clock: MockClock, volume: Volume) -> None:
    for operation in (volume.fs.flush, volume.fs.fsync, volume.fs.release):
        with pytest.raises(BadHandle):
            await operation(99)
    assert volume.fs.path_of_handle(99) == "?"
    assert volume.fs.path_of(99) == "?"


async def test_paths_for_people(autojump_clock: MockClock, volume: Volume) -> None:
    await volume.mkdir("d")
    file = await volume.create("d/f")
    assert volume.fs.path_of(ROOT) == "/"
    assert volume.fs.path_of(file.ino) == "/d/f"
    assert volume.fs.path_of_handle(file.handle) == "/d/f"
    await file.close()
