"""Names as weapons: whatever is in a key or a name, nothing escapes, fails or goes unmentioned.

What is listed can be looked at, read, renamed and removed; what is not listed is noted; nothing
outside the mount's prefix is ever asked for or changed.
"""

from __future__ import annotations

import sys
import unicodedata
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Sequence
from contextlib import asynccontextmanager
from typing import Any

import pytest
import trio
from trio.testing import MockClock

from phfs.core.names import MAX_KEY, is_name
from phfs.core.objects import Attributes, ByteRange, ETag, Part, Stored, UploadId
from phfs.errors import FileError, KeyTooLong, NameTooLong, NotEmpty, NotFound
from phfs.s3.faults import Call, FaultyStore
from phfs.s3.memory import MemoryStore
from phfs.s3.prefix import PrefixedStore
from phfs.s3.store import DeleteFailure
from tests.support.effort import Effort
from tests.support.volume import ROOT, WRITE, Volume, open_volume

PREFIX = "groups/lab/"
BESIDE = {"groups/lab-other/f": b"1", "groups/f": b"2", "f": b"3", "groups/la": b"4", "a": b"5"}
"""Objects of others, with keys that a mistake would reach."""


class Foreign(MemoryStore):
    """Holds keys that are not UTF-8 as well, as lone surrogates."""

    def hold(self, key: str, data: bytes) -> None:
        """An object that somebody else made."""
        self._store(key, data, ETag(f"tag-of-{len(self.objects)}"), Attributes(), "")


class Watched(FaultyStore):
    """Remembers every key that any call names."""

    def __init__(self, store: MemoryStore) -> None:
        super().__init__(store)
        self.asked: set[str] = set()

    async def _enter(self, call: Call) -> Any:
        self.asked.add(call.key)
        return await super()._enter(call)

    async def copy(self, source: str, target: str, *, if_match: ETag) -> Stored:
        self.asked.add(source)
        return await super().copy(source, target, if_match=if_match)

    async def copy_part(
        self,
        key: str,
        upload: UploadId,
        number: int,
        source: str,
        byte_range: ByteRange,
        *,
        if_match: ETag,
    ) -> Part:
        self.asked.add(source)
        return await super().copy_part(key, upload, number, source, byte_range, if_match=if_match)

    async def delete_many(self, keys: Sequence[str]) -> list[DeleteFailure]:
        self.asked.update(keys)
        return await super().delete_many(keys)


class World:
    """A bucket, and a mount of one prefix of it. Keys are relative to the prefix."""

    def __init__(self, memory: Foreign, watched: Watched, volume: Volume) -> None:
        self.memory = memory
        self.watched = watched
        self.volume = volume

    def contents(self) -> dict[str, bytes]:
        return {
            key.removeprefix(PREFIX): kept.data
            for key, kept in self.memory.objects.items()
            if key.startswith(PREFIX)
        }

    def noted(self) -> set[str]:
        """Keys and beginnings of keys that the mount says it does not show."""
        status: Any = self.volume.fs.status()
        assert not status["more_ignored_or_shadowed"]
        return {*status["ignored_keys"], *status["shadowed_files"]}


@asynccontextmanager
async def world_with(keys: Iterable[str]) -> AsyncIterator[World]:
    """A mount over these foreign keys; afterwards nothing beside the prefix was touched."""
    memory = Foreign(now=trio.current_time, min_part=1)
    for key, data in BESIDE.items():
        memory.hold(key, data)
    for key in keys:
        memory.hold(PREFIX + key, b"" if key.endswith("/") else repr(key).encode())
    watched = Watched(memory)
    limit = MAX_KEY - len(PREFIX)
    problems: list[Exception] = []
    async with open_volume(PrefixedStore(watched, PREFIX), max_key=limit) as volume:
        try:
            yield World(memory, watched, volume)
        except Exception as error:  # a bare error reads better than the nursery's group
            problems.append(error)
    for problem in problems:
        raise problem
    assert all(asked.startswith(PREFIX) for asked in watched.asked)
    beside = {k: kept.data for k, kept in memory.objects.items() if not k.startswith(PREFIX)}
    assert beside == BESIDE


async def tree(volume: Volume) -> dict[str, bool]:
    """Every path that is shown, with whether it is a directory."""
    found: dict[str, bool] = {}
    waiting = [""]
    while waiting:
        path = waiting.pop()
        for name, stat in (await volume.listdir(path)).items():
            inside = f"{path}/{name}" if path else name
            found[inside] = stat.is_dir
            if stat.is_dir:
                waiting.append(inside)
    return found


async def check(world: World) -> None:
    """Everything listed is of use, and everything else is noted."""
    volume, before = world.volume, world.contents()
    shown = await tree(volume)
    noted = world.noted()
    for key in before:
        marker = key.endswith("/") and not before[key] and shown.get(key.removesuffix("/"))
        hidden = key in noted or any(key.startswith(it) for it in noted if it.endswith("/"))
        visible = shown.get(key) is False or bool(marker)
        assert visible != hidden, f"{key!r} is shown and noted, or neither"
    for path, is_dir in shown.items():
        assert (await volume.stat(path)).is_dir == is_dir
        if not is_dir:
            assert await volume.read(path) == before[path]
            await volume.rename(path, "renamed")
            assert world.contents()["renamed"] == before[path]
            await volume.rename("renamed", path)
    assert {key: data for key, data in world.contents().items() if before.get(key) == data} == {
        key: data for key, data in before.items() if key in world.contents()
    }
    assert set(before) <= set(world.contents())
    for path in sorted(shown, key=len, reverse=True):
        if not shown[path]:
            await volume.unlink(path)
        else:
            try:
                await volume.rmdir(path)
            except NotEmpty:  # it holds what is not shown
                assert any(key.startswith(f"{path}/") for key in world.contents())
    left = world.contents()
    for key in left:
        assert key in noted or any(key.startswith(it) for it in noted if it.endswith("/")), key


def samples() -> list[str]:
    """Some characters of every category of Unicode, and those that are known for trouble."""
    found: dict[str, list[str]] = {}
    for code in range(sys.maxunicode + 1):
        some = found.setdefault(unicodedata.category(chr(code)), [])
        if len(some) < 3:
            some.append(chr(code))
    troubling = "\u202e\u2066\u200b\u200d\ufeff\u0301\u2028\u2029\ufffe\uffff\U0010ffff\u212a\u0130"
    return [it for some in found.values() for it in some if not "\ud800" <= it <= "\udfff"] + [
        *troubling
    ]


PLACES: tuple[Callable[[str], str], ...] = (
    lambda it: it,
    lambda it: it + "after",
    lambda it: "be" + it + "tween",
    lambda it: "before" + it,
)


@pytest.mark.parametrize("place", PLACES, ids=["alone", "start", "middle", "end"])
async def test_every_byte_in_a_foreign_key(
    autojump_clock: MockClock, place: Callable[[str], str]
) -> None:
    one = [bytes([byte]).decode("utf-8", "surrogateescape") for byte in range(256)]
    keys = [place(it) for it in one]
    async with world_with([*keys, *(f"d/{key}" for key in keys)]) as world:
        await check(world)


@pytest.mark.parametrize("place", PLACES, ids=["alone", "start", "middle", "end"])
async def test_characters_of_every_kind_in_a_foreign_key(
    autojump_clock: MockClock, place: Callable[[str], str]
) -> None:
    keys = {place(it) for it in samples()}
    async with world_with([*keys, *(f"{key}x/below" for key in keys)]) as world:
        await check(world)


STRANGE = [
    ".",
    "..",
    "../f",
    "../../f",
    "..//f",
    "a/../../f",
    "a/./b",
    "a/.",
    "a/..",
    "a//b",
    "a//",
    "//",
    "/",
    "/f",
    "//f",
    "///",
    "",
    "x" * 255,
    "x" * 256,
    "é" * 127 + "x",
    "é" * 128,
    "m/",
    "m/n/",
    "both",
    "both/below",
    "both/below/below",
    "both/below/below/",
    "both/below/below/below",
    "both-",
    "both.",
    "both0",
    ".phfs",
    ".phfs/errors",
    ".phfs/x",
    "a/.phfs",
    "...",
    "....",
    " ",
    "~",
    "-rf",
    "%2e%2e",
    "%2F",
    "a%2Fb",
    "c:\\windows",
    "con",
]


async def test_strange_parts_in_foreign_keys(autojump_clock: MockClock) -> None:
    async with world_with(STRANGE) as world:
        assert (await world.volume.stat("both")).is_dir
        assert (await world.volume.stat("both/below/below")).is_dir
        await check(world)


async def test_a_directory_with_bytes_under_its_own_key_is_not_removed(
    autojump_clock: MockClock,
) -> None:
    """Hadoop and others write such objects; their bytes can be seen through S3 alone."""
    async with world_with([]) as world:
        for key in ("m/", "target/"):
            world.memory.hold(PREFIX + key, repr(key).encode())
        assert await world.volume.listdir("m") == {}
        assert "m/" in world.noted()
        with pytest.raises(NotEmpty):
            await world.volume.rmdir("m")
        with pytest.raises(NotEmpty):
            await world.volume.rename("m", "target")
        await world.volume.rename("m", "n")
        assert world.contents() == {"n/": b"'m/'", "target/": b"'target/'"}


async def test_more_hidden_keys_than_are_remembered_are_said_to_be_more(
    autojump_clock: MockClock,
) -> None:
    async with world_with(f"d//{number}" for number in range(3)) as world:
        await tree(world.volume)
        assert world.volume.fs.status()["more_ignored_or_shadowed"] is False
    async with world_with(f"\x1b{number}" for number in range(1200)) as world:
        assert await world.volume.listdir() == {}
        status: Any = world.volume.fs.status()
        assert len(status["ignored_keys"]) == 1000
        assert status["more_ignored_or_shadowed"] is True


# -- new names -------------------------------------------------------------------------------------


async def accepted(world: World, name: str) -> bool:
    """Whether a file can be made under a name; then it is a key letter by letter, else nothing."""
    volume = world.volume
    attempts: tuple[Callable[[], Any], ...] = (
        lambda: volume.fs.create(ROOT, name, WRITE),
        lambda: volume.fs.mkdir(ROOT, name),
        lambda: volume.fs.make_file(ROOT, name),
        lambda: volume.fs.rename(ROOT, "there", ROOT, name),
    )
    if not is_name(name) or name == ".phfs":
        for attempt in attempts:
            with pytest.raises(FileError):
                await attempt()
        assert world.contents() == {"there": b"'there'"}
        return False
    await volume.write(name, b"content")
    assert world.contents() == {"there": b"'there'", name: b"content"}
    assert set(await volume.listdir()) == {"there", name}
    assert await volume.read(name) == b"content"
    await volume.rename(name, "other")
    await volume.rename("other", name)
    await volume.unlink(name)
    await volume.mkdir(name)
    await volume.rename(name, "other")
    await volume.rename("other", name)
    await volume.rmdir(name)
    assert world.contents() == {"there": b"'there'"}
    return True


@pytest.mark.parametrize("place", PLACES, ids=["alone", "start", "middle", "end"])
async def test_every_character_in_a_new_name(
    autojump_clock: MockClock, place: Callable[[str], str]
) -> None:
    refused = set()
    async with world_with(["there"]) as world:
        for character in [*map(chr, range(256)), *samples()]:
            if not await accepted(world, place(character)):
                refused.add(character)
    expected = {*map(chr, range(32)), "\x7f", "/"}
    assert refused - {"."} == expected


async def test_new_names_up_to_the_limits(autojump_clock: MockClock) -> None:
    async with world_with(["there"]) as world:
        for name in ("..", ".", "", ".phfs", "x" * 256, "é" * 128):
            assert not await accepted(world, name)
        for name in ("x" * 255, "é" * 127 + "x", "...", " ", ".phfs2"):
            assert await accepted(world, name)


async def test_a_key_has_1024_bytes_with_its_prefix(autojump_clock: MockClock) -> None:
    room = MAX_KEY - len(PREFIX)
    async with world_with(["there"]) as world:
        directory = ""
        while room - len(directory) > 256:
            directory += "d" * 200
            await world.volume.mkdir(directory)
            directory += "/"
        longest = directory + "é" * ((room - len(directory) - 1) // 2)
        longest += "x" * (room - 1 - len(longest.encode()))
        await world.volume.write(longest, b"fits")
        assert world.contents()[longest] == b"fits"
        attempts: tuple[Callable[[], Awaitable[object]], ...] = (
            lambda: world.volume.write(longest + "xx", b""),
            lambda: world.volume.mkdir(longest + "y"),
            lambda: world.volume.rename("there", longest + "xx"),
        )
        for attempt in attempts:
            with pytest.raises(NameTooLong):
                await attempt()
        before = world.contents()
        with pytest.raises(KeyTooLong):  # what is beneath has no room at the new place
            await world.volume.rename("d" * 200, "d" * 202)
        assert world.contents() == before
        assert set(await world.volume.listdir()) == {"d" * 200, "there"}
        await world.volume.unlink(longest)


# -- depth and breadth -----------------------------------------------------------------------------


async def test_as_deep_as_a_key_allows(autojump_clock: MockClock) -> None:
    levels = (MAX_KEY - len(PREFIX) - 1) // 2
    key = "a/" * levels + "f"
    async with world_with([key]) as world:
        volume, ino = world.volume, ROOT
        inos = []
        for _ in range(levels):  # held all the time, as the kernel holds them
            ino = (await volume.fs.lookup(ino, "a")).ino
            inos.append(ino)
        inos.append((await volume.fs.lookup(ino, "f")).ino)
        assert volume.fs.path_of(inos[-1]) == f"/{key}"
        found = await tree_beneath(volume, ROOT)
        assert found == levels + 1
        await volume.rename("a", "b")
        moved = "b/" + key.removeprefix("a/")
        assert world.contents() == {moved: repr(key).encode()}
        assert volume.fs.path_of(inos[-1]) == f"/{moved}"
        assert await volume.read(moved) == repr(key).encode()
        await volume.fs.unlink(inos[-2], "f")
        for above, below in zip(reversed(inos[:-2]), reversed(inos[1:-1]), strict=True):
            await volume.fs.rmdir(above, "a")
            volume.fs.forget(below, 1)
        volume.fs.forget(inos[-1], 1)
        volume.fs.forget(inos[0], 1)
        await volume.rmdir("b")
        assert await volume.listdir() == {}
        with pytest.raises(NotFound):
            await volume.stat("b")


async def tree_beneath(volume: Volume, ino: int) -> int:
    """How many names there are beneath a directory, of which each has one."""
    count = 0
    while True:
        handle = await volume.fs.opendir(ino)
        found = [e.stat async for e in volume.fs.readdir(handle, 2)]
        await volume.fs.releasedir(handle)
        count += len(found)
        if not found or not found[0].is_dir:
            return count
        ino = found[0].ino


async def test_directories_made_as_deep_as_a_key_allows(autojump_clock: MockClock) -> None:
    levels = (MAX_KEY - len(PREFIX)) // 2
    async with world_with([]) as world:
        fs, ino = world.volume.fs, ROOT
        for _ in range(levels):
            ino = (await fs.mkdir(ino, "a")).ino
        with pytest.raises(NameTooLong):
            await fs.mkdir(ino, "a")
        assert max(map(len, world.contents())) == 2 * levels
        await world.volume.rename("a", "b")
        assert fs.path_of(ino) == "/b" + "/a" * (levels - 1)
        assert len(world.contents()) == levels


@pytest.mark.torture
async def test_siblings_are_each_listed_once(autojump_clock: MockClock, effort: Effort) -> None:
    count = effort.of(quick=100_000, long=400_000)
    width = len(str(count))
    async with world_with(f"d/{number:0{width}}" for number in range(count)) as world:
        before = len(world.watched.calls)
        ino = (await world.volume.fs.lookup(ROOT, "d")).ino
        handle = await world.volume.fs.opendir(ino)
        names = [entry.name async for entry in world.volume.fs.readdir(handle, 2)]
        await world.volume.fs.releasedir(handle)
        assert names == [f"{number:0{width}}" for number in range(count)]
        requests = len(world.watched.calls) - before
        assert requests <= count // 1000 + 5
        assert world.volume.fs.status()["inodes"] == 2, "an entry nobody took holds an inode"
        last = f"d/{count - 1:0{width}}"
        assert await world.volume.read(last) == repr(last).encode()
        await world.volume.unlink(last)
        assert last not in world.contents()
        world.volume.fs.forget(ino, 1)
    effort.record("siblings in one directory over memory", entries=count, requests=requests)
