"""Drives a ``FileSystem`` by path, with the lookups and forgets the kernel would send.

Owns no expectation. Like the kernel it walks a path name by name, holds a lookup on every inode on
the way while an operation lasts, and an open file's inode until it is released.
"""

from __future__ import annotations

import itertools
from collections.abc import AsyncIterator, Iterable
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass
from typing import Any

import trio

from phfs.errors import Stale
from phfs.s3.store import Store
from phfs.vfs.filesystem import MIB, FileSystem, FileSystemOptions, open_filesystem
from phfs.vfs.values import OpenFlags, Stat

ROOT = 1

READ = OpenFlags()
WRITE = OpenFlags(read=False, write=True, truncate=True)
UPDATE = OpenFlags(read=True, write=True)
APPEND = OpenFlags(read=False, write=True, append=True)
EXCLUSIVE = OpenFlags(read=False, write=True, exclusive=True)
"""``O_RDONLY``, ``O_WRONLY|O_TRUNC``, ``O_RDWR``, ``O_WRONLY|O_APPEND``, ``O_WRONLY|O_EXCL``."""


@dataclass(eq=False)
class OpenFile:
    """One open(2): its handle, its inode, and where a write without an offset goes."""

    fs: FileSystem
    handle: int
    ino: int
    position: int = 0

    async def write(self, data: bytes, offset: int | None = None) -> int:
        """Write at ``offset``, by default behind the last write."""
        at = self.position if offset is None else offset
        taken = await self.fs.write(self.handle, at, data)
        self.position = at + taken
        return taken

    async def read(self, size: int = 1 << 30, offset: int = 0) -> bytes:
        """Read; the bytes are copied at once, as the kernel copies them."""
        return bytes(await self.fs.read(self.handle, offset, size))

    async def truncate(self, size: int) -> Stat:
        """ftruncate(2)."""
        return await self.fs.truncate(self.ino, size, self.handle)

    async def flush(self) -> None:
        """What the kernel sends at every close(2)."""
        await self.fs.flush(self.handle)

    async def fsync(self) -> None:
        """fsync(2)."""
        await self.fs.fsync(self.handle)

    async def release(self) -> None:
        """What the kernel sends some time after the last close(2)."""
        await self.fs.release(self.handle)
        self.fs.forget(self.ino, 1)

    async def close(self) -> None:
        """close(2) of the only descriptor; the file is released whatever flush says."""
        try:
            await self.flush()
        finally:
            await self.release()


NOTHING_IN_USE = {"memory": 0, "files": 0, "directories": 0, "inodes": 0}


class Volume:
    """Operations by path. Paths are relative to the root, without a leading ``/``."""

    def __init__(self, fs: FileSystem) -> None:
        self.fs = fs

    def in_use(self) -> dict[str, int]:
        """What is still held: bytes of memory, open files and directories, inodes but the root."""
        status: Any = self.fs.status()
        return {
            "memory": status["memory"]["used_bytes"],
            "files": status["open"]["files"],
            "directories": status["open"]["directories"],
            "inodes": status["inodes"] - 1,
        }

    @asynccontextmanager
    async def _parent(self, path: str) -> AsyncIterator[tuple[int, str]]:
        """The inode of the directory a path's last name is in, held while the block lasts."""
        *parents, name = path.split("/")
        held = []
        try:
            ino = ROOT
            for part in parents:
                ino = (await self.fs.lookup(ino, part)).ino
                held.append(ino)
            yield ino, name
        finally:
            self._forget(held)

    @asynccontextmanager
    async def found(self, path: str) -> AsyncIterator[Stat]:
        """A path's inode, held while the block lasts."""
        if path == "":
            yield await self.fs.getattr(ROOT)
            return
        async with self._parent(path) as (parent, name):
            stat = await self.fs.lookup(parent, name)
            try:
                yield stat
            finally:
                self.fs.forget(stat.ino, 1)

    @asynccontextmanager
    async def _entry(self, path: str) -> AsyncIterator[tuple[int, str]]:
        """A directory and a name in it, both looked up as before unlink, rmdir and rename."""
        async with self._parent(path) as (parent, name):
            ino = (await self.fs.lookup(parent, name)).ino
            try:
                yield parent, name
            finally:
                self.fs.forget(ino, 1)

    def _forget(self, inos: Iterable[int]) -> None:
        for ino in inos:
            self.fs.forget(ino, 1)

    async def stat(self, path: str) -> Stat:
        """stat(2)."""
        async with self.found(path) as stat:
            return await self.fs.getattr(stat.ino)

    async def open(self, path: str, flags: OpenFlags = READ) -> OpenFile:
        """open(2) without ``O_CREAT``; looks up again when the version is gone, as the kernel."""
        for attempt in itertools.count():
            async with self.found(path) as stat:
                try:
                    opened = await self.fs.open(stat.ino, flags)
                except Stale:
                    if attempt == 1:
                        raise
                    continue
                self.fs.remember(stat.ino)
                return OpenFile(self.fs, opened.handle, stat.ino)
        raise AssertionError

    async def create(self, path: str, flags: OpenFlags = WRITE) -> OpenFile:
        """open(2) with ``O_CREAT``."""
        for attempt in itertools.count():
            async with self._parent(path) as (parent, name):
                try:
                    opened, stat = await self.fs.create(parent, name, flags)
                except Stale:
                    if attempt == 1:
                        raise
                    continue
                return OpenFile(self.fs, opened.handle, stat.ino)
        raise AssertionError

    async def write(self, path: str, *chunks: bytes) -> None:
        """Write a whole file, as ``open(path, "wb")`` does."""
        file = await self.create(path)
        try:
            for chunk in chunks:
                await file.write(chunk)
        except BaseException:
            await file.release()
            raise
        await file.close()

    async def read(self, path: str, size: int = 1 << 30, offset: int = 0) -> bytes:
        """Read a whole file, or a piece."""
        file = await self.open(path)
        try:
            return await file.read(size, offset)
        finally:
            await file.close()

    async def make_file(self, path: str) -> None:
        """mknod(2) of a regular file."""
        async with self._parent(path) as (parent, name):
            self.fs.forget((await self.fs.make_file(parent, name)).ino, 1)

    async def truncate(self, path: str, size: int) -> None:
        """truncate(2)."""
        async with self.found(path) as stat:
            await self.fs.truncate(stat.ino, size)

    async def mkdir(self, path: str) -> None:
        """mkdir(2)."""
        async with self._parent(path) as (parent, name):
            self.fs.forget((await self.fs.mkdir(parent, name)).ino, 1)

    async def rmdir(self, path: str) -> None:
        """rmdir(2)."""
        async with self._entry(path) as (parent, name):
            await self.fs.rmdir(parent, name)

    async def unlink(self, path: str) -> None:
        """unlink(2)."""
        async with self._entry(path) as (parent, name):
            await self.fs.unlink(parent, name)

    async def rename(self, old: str, new: str, *, replace: bool = True) -> None:
        """rename(2); without ``replace`` renameat2(2) with ``RENAME_NOREPLACE``."""
        async with self._entry(old) as (parent, name), self._parent(new) as (new_parent, new_name):
            await self.fs.rename(parent, name, new_parent, new_name, replace=replace)

    async def listdir(self, path: str = "") -> dict[str, Stat]:
        """All names of a directory with their attributes, without ``.`` and ``..``."""
        async with self.found(path) as stat:
            handle = await self.fs.opendir(stat.ino)
            taken: dict[str, Stat] = {}
            try:
                async with aclosing(self.fs.readdir(handle, 0)) as entries:
                    async for entry in entries:
                        if entry.name not in (".", ".."):
                            assert entry.name not in taken
                            self.fs.remember(entry.stat.ino)
                            taken[entry.name] = entry.stat
                return taken
            finally:
                self._forget(stat.ino for stat in taken.values())
                await self.fs.releasedir(handle)


@asynccontextmanager
async def open_volume(store: Store, **options: Any) -> AsyncIterator[Volume]:
    """A ``Volume`` over ``store``; ``options`` are those of ``FileSystemOptions``.

    Wall time goes with trio's clock. Small parts by default, so that a few thousand bytes make a
    multipart upload.
    """
    settings = FileSystemOptions(**{"part_size": 1000, "memory_limit": 64 * MIB, **options})
    async with open_filesystem(store, settings, now=trio.current_time) as fs:
        yield Volume(fs)
