"""What the boundary stands between, small: a file system and a kernel that takes listings."""

from __future__ import annotations

from collections.abc import AsyncGenerator

import pyfuse3

from phfs.errors import NotFound
from phfs.vfs.values import Entry, Opened, OpenFlags, Stat

ROOT = Stat(1, is_dir=True, size=0, mtime=1_700_000_000, ttl=0.5)
FILE = Stat(2, is_dir=False, size=1_025, mtime=1_700_000_001, ttl=0.25)
HANDLE = 7


class FakeVolume:
    """One file, ``/a``. ``calls`` has every request; ``error``, once set, answers every one."""

    def __init__(self) -> None:
        self.calls: list[tuple[object, ...]] = []
        self.error: BaseException | None = None
        self.fail_listing_at: int | None = None
        self.lookups = 0
        self.names = ["a"]

    def _asked(self, *call: object) -> None:
        self.calls.append(call)
        if self.error is not None:
            raise self.error

    async def lookup(self, parent: int, name: str) -> Stat:
        self._asked("lookup", parent, name)
        if name != "a":
            raise NotFound(f"There is no /{name}.")
        return FILE

    async def getattr(self, ino: int, handle: int | None = None) -> Stat:
        self._asked("getattr", ino, handle)
        return ROOT if ino == ROOT.ino else FILE

    def forget(self, ino: int, count: int) -> None:
        self.lookups -= count
        self._asked("forget", ino, count)

    def remember(self, ino: int) -> None:
        self.lookups += 1

    async def open(self, ino: int, flags: OpenFlags) -> Opened:
        self._asked("open", ino, flags)
        return Opened(HANDLE, direct_io=flags.write, keep_cache=not flags.write)

    async def create(self, parent: int, name: str, flags: OpenFlags) -> tuple[Opened, Stat]:
        self._asked("create", parent, name, flags)
        return Opened(HANDLE, direct_io=True, keep_cache=False), FILE

    async def make_file(self, parent: int, name: str) -> Stat:
        self._asked("make_file", parent, name)
        return FILE

    async def read(self, handle: int, offset: int, size: int) -> bytes | memoryview:
        self._asked("read", handle, offset, size)
        return memoryview(b"0123456789")[offset : offset + size]

    async def write(self, handle: int, offset: int, data: bytes) -> int:
        self._asked("write", handle, offset, data)
        return len(data)

    async def flush(self, handle: int) -> None:
        self._asked("flush", handle)

    async def fsync(self, handle: int) -> None:
        self._asked("fsync", handle)

    async def release(self, handle: int) -> None:
        self._asked("release", handle)

    async def truncate(self, ino: int, size: int, handle: int | None = None) -> Stat:
        self._asked("truncate", ino, size, handle)
        return FILE._replace(size=size)

    async def mkdir(self, parent: int, name: str) -> Stat:
        self._asked("mkdir", parent, name)
        return ROOT._replace(ino=3)

    async def rmdir(self, parent: int, name: str) -> None:
        self._asked("rmdir", parent, name)

    async def unlink(self, parent: int, name: str) -> None:
        self._asked("unlink", parent, name)

    async def rename(
        self, parent: int, name: str, new_parent: int, new_name: str, *, replace: bool = True
    ) -> None:
        self._asked("rename", parent, name, new_parent, new_name, replace)

    async def opendir(self, ino: int) -> int:
        self._asked("opendir", ino)
        return HANDLE

    async def readdir(self, handle: int, offset: int) -> AsyncGenerator[Entry, None]:
        self._asked("readdir", handle, offset)
        named = [(".", ROOT), ("..", ROOT), *((name, FILE) for name in self.names)]
        for position, (name, stat) in enumerate(named[offset:], offset + 1):
            if position == self.fail_listing_at:
                assert self.error is None
                raise RuntimeError("the listing broke")
            yield Entry(name, stat, position)

    async def releasedir(self, handle: int) -> None:
        self._asked("releasedir", handle)

    def path_of(self, ino: int) -> str:
        return {1: "/", 2: "/a"}.get(ino, "?")

    def path_of_handle(self, handle: int) -> str:
        return "/a" if handle == HANDLE else "?"


class Taker:
    """Takes ``room`` entries of a listing, as a kernel's buffer does: name, inode, offset."""

    def __init__(self, room: int = 99) -> None:
        self.room = room
        self.taken: list[tuple[bytes, int, int]] = []

    def reply(
        self, _: pyfuse3.ReaddirToken, name: bytes, entry: pyfuse3.EntryAttributes, offset: int
    ) -> bool:
        if len(self.taken) == self.room:
            return False
        self.taken.append((name, entry.st_ino, offset))
        return True
