"""The file system in its own words: every operation, with inodes, names and handles.

Owns nothing but the assembly: names and freshness are in ``namespace``, bytes in ``files``, changes
of the tree in ``changes`` and ``rename``, listings in ``directories``. Knows no FUSE and no errno.
Driven by ``fuse/operations`` and by tests.
"""

from __future__ import annotations

import time
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass

import trio

from phfs.core.inodes import Directory, File, Inode
from phfs.core.names import MAX_KEY, check_new_name
from phfs.errors import BadHandle, Exists, FileError, IsDirectory, NotFound, PhfsError, ReadOnly
from phfs.s3.store import Store
from phfs.vfs.budget import Budget
from phfs.vfs.changes import Changes
from phfs.vfs.directories import FIRST_HANDLE, Directories
from phfs.vfs.ending import DRAIN_SECONDS, Ending
from phfs.vfs.fetcher import Fetcher
from phfs.vfs.figures import Figures
from phfs.vfs.files import Files, Report
from phfs.vfs.handles import Handle
from phfs.vfs.namespace import Namespace
from phfs.vfs.rename import Renamer
from phfs.vfs.rename_directory import RenameLimits
from phfs.vfs.uploads import UploadService
from phfs.vfs.values import Entry, Opened, OpenFlags, Stat

MIB = 1024**2
GIB = 1024**3


def _ignore(path: str, operation: str, error: PhfsError) -> None:
    """Report to nobody."""


@dataclass(frozen=True)
class FileSystemOptions:
    """What a mount may choose. Sizes in bytes, times in seconds.

    ``max_key``: bytes a relative key may have (S3's limit less the prefix). ``report`` is told of
    failures that no system call can carry. ``give_back`` as for ``Budget``.
    """

    metadata_ttl: float = 1.0
    memory_limit: int = 512 * MIB
    part_size: int = 8 * MIB
    read_only: bool = False
    dir_markers: bool = True
    rename_limit: int = 5_000
    rename_bytes: int = 20 * GIB
    max_key: int = MAX_KEY
    drain_seconds: float = DRAIN_SECONDS
    report: Report = _ignore
    give_back: Callable[[], None] = lambda: None


@asynccontextmanager
async def open_filesystem(
    store: Store, options: FileSystemOptions, *, now: Callable[[], float] = time.time
) -> AsyncIterator[FileSystem]:
    """A file system over ``store``; ``now`` tells wall time.

    On leaving, pending truncations are saved, uploads under way aborted, fetches stopped.
    """
    async with trio.open_nursery() as nursery:
        fs = FileSystem(store, options, nursery, now)
        try:
            yield fs
        finally:
            await fs.drain()
            nursery.cancel_scope.cancel()


class FileSystem:
    """All operations of one mount."""

    def __init__(
        self,
        store: Store,
        options: FileSystemOptions,
        nursery: trio.Nursery,
        now: Callable[[], float],
    ) -> None:
        self._options = options
        self._budget = Budget(options.memory_limit, give_back=options.give_back)
        self._namespace = Namespace(
            store, nursery, ttl=options.metadata_ttl, max_key=options.max_key, now=now
        )
        self._fetcher = Fetcher(store, self._budget, nursery)
        self._uploads = UploadService(store, self._budget, nursery, options.part_size)
        self._files = Files(self._namespace, self._fetcher, self._uploads, options.report)
        self._changes = Changes(self._namespace, self._files, dir_markers=options.dir_markers)
        limits = RenameLimits(options.rename_limit, options.rename_bytes)
        self._renamer = Renamer(self._namespace, self._files, self._changes, limits)
        self._directories = Directories(self._namespace)
        self.ending = Ending(self._files, self._uploads, options.drain_seconds)
        self._figures = Figures(
            self._budget,
            self._namespace,
            self._fetcher,
            self._uploads,
            self._files,
            self._directories,
        )

    # -- names ---------------------------------------------------------------------------------

    async def lookup(self, parent: int, name: str) -> Stat:
        """The attributes of a name. Adds one lookup. Raises ``NotFound``."""
        inode = await self._namespace.lookup(self._namespace.directory(parent), name)
        return self._looked_up(inode)

    async def getattr(self, ino: int, handle: int | None = None) -> Stat:
        """The attributes of an inode. Raises ``Stale`` when its path stands for another."""
        inode = self._namespace.inode(ino)
        if handle is None:
            await self._namespace.revalidate(inode)
        return self._namespace.stat(inode)

    def forget(self, ino: int, count: int) -> None:
        """The kernel drops ``count`` lookups of an inode."""
        self._namespace.inodes.forget(ino, count)

    def remember(self, ino: int) -> None:
        """The kernel took an entry of a listing: adds one lookup."""
        self._namespace.inode(ino).lookups += 1

    def _looked_up(self, inode: Inode) -> Stat:
        inode.lookups += 1
        return self._namespace.stat(inode)

    # -- files ---------------------------------------------------------------------------------

    async def open(self, ino: int, flags: OpenFlags) -> Opened:
        """Open a file. Raises ``Stale`` when the inode is known to be replaced."""
        inode = self._file(ino)
        if flags.write:
            self._refuse_read_only(inode.path)
        await self._files.moving.await_release(inode)
        return self._files.open(inode, flags)

    async def create(self, parent: int, name: str, flags: OpenFlags) -> tuple[Opened, Stat]:
        """Open a file, making it if need be. Adds one lookup."""
        directory = self._namespace.directory(parent)
        self._refuse_read_only(f"{directory.path.removesuffix('/')}/{name}")
        check_new_name(directory.key, name, self._namespace.max_key)
        try:
            inode = await self._namespace.lookup(directory, name)
        except NotFound:
            handle, file = self._files.create(directory, name, flags)
            return Opened(handle.number, direct_io=True, keep_cache=False), self._looked_up(file)
        try:
            if flags.exclusive:
                raise Exists(f"{inode.path} exists already.")
            opened = self._files.open(self._file(inode.number), flags)
        except FileError:
            self._namespace.inodes.drop_unused(inode)
            raise
        return opened, self._looked_up(inode)

    async def make_file(self, parent: int, name: str) -> Stat:
        """Make an empty file, in the bucket when this returns. Adds one lookup."""
        flags = OpenFlags(read=False, write=True, exclusive=True)
        opened, stat = await self.create(parent, name, flags)
        handle = self._files.handles.get(opened.handle)
        try:
            await self._files.flush(handle, durable=True)
        except PhfsError:
            self.forget(stat.ino, 1)
            raise
        finally:
            await self._files.release(handle)
        return self._namespace.stat(self._namespace.inode(stat.ino))

    async def read(self, handle: int, offset: int, size: int) -> bytes | memoryview:
        """Bytes of an open file; fewer than ``size`` only at its end."""
        return await self._files.read(self._handle(handle), offset, size)

    async def write(self, handle: int, offset: int, data: bytes) -> int:
        """Append to an open file; returns the bytes taken, always all."""
        return await self._files.write(self._handle(handle), offset, data)

    async def flush(self, handle: int) -> None:
        """A program closed a descriptor: what is new is in the bucket when this returns."""
        await self._files.flush(self._handle(handle), durable=False)

    async def fsync(self, handle: int) -> None:
        """Like ``flush``, and a truncation that nothing followed counts as new."""
        await self._files.flush(self._handle(handle), durable=True)

    async def release(self, handle: int) -> None:
        """The last descriptor is gone. Never raises: failures go to ``report``."""
        await self._files.release(self._handle(handle))

    async def truncate(self, ino: int, size: int, handle: int | None = None) -> Stat:
        """Set a file's length in bytes: only to 0 or to what it is."""
        inode = self._file(ino)
        opened = None if handle is None else self._handle(handle)
        if opened is None or opened.writer is None:
            self._refuse_read_only(inode.path)
            opened = None
        await self._files.truncate(inode, size, opened)
        return self._namespace.stat(inode)

    def _file(self, ino: int) -> File:
        inode = self._namespace.inode(ino)
        if not isinstance(inode, File):
            raise IsDirectory(f"{inode.path} is a directory.")
        return inode

    def _handle(self, number: int) -> Handle:
        return self._files.handles.get(number)

    # -- the tree ------------------------------------------------------------------------------

    async def mkdir(self, parent: int, name: str) -> Stat:
        """Make a directory. Adds one lookup."""
        directory = self._writable_directory(parent, name)
        return self._looked_up(await self._changes.make_directory(directory, name))

    async def rmdir(self, parent: int, name: str) -> None:
        """Remove an empty directory."""
        await self._changes.remove_directory(self._writable_directory(parent, name), name)

    async def unlink(self, parent: int, name: str) -> None:
        """Remove a file."""
        await self._changes.unlink(self._writable_directory(parent, name), name)

    async def rename(
        self, parent: int, name: str, new_parent: int, new_name: str, *, replace: bool = True
    ) -> None:
        """Give a file or directory another path."""
        source = self._writable_directory(parent, name)
        target = self._writable_directory(new_parent, new_name)
        await self._renamer.rename(source, name, target, new_name, replace=replace)

    def _writable_directory(self, ino: int, name: str) -> Directory:
        directory = self._namespace.directory(ino)
        self._refuse_read_only(f"{directory.path.removesuffix('/')}/{name}")
        return directory

    def _refuse_read_only(self, path: str) -> None:
        if self._options.read_only:
            raise ReadOnly(f"{path} cannot be changed: this mount is read-only.")
        self.ending.refuse(path)

    # -- listings ------------------------------------------------------------------------------

    async def opendir(self, ino: int) -> int:
        """Open a directory; returns its handle."""
        return self._directories.open(self._namespace.directory(ino))

    def readdir(self, handle: int, offset: int) -> AsyncGenerator[Entry, None]:
        """The entries behind ``offset``, "." and ".." first."""
        return self._directories.read(handle, offset)

    async def releasedir(self, handle: int) -> None:
        """Close a directory."""
        self._directories.close(handle)

    # -- about ---------------------------------------------------------------------------------

    def path_of(self, ino: int) -> str:
        """The path of an inode as seen from the mount, ``?`` when it is not known."""
        inode = self._namespace.inodes.get(ino)
        return "?" if inode is None else inode.path

    def path_of_handle(self, handle: int) -> str:
        """The path of an open file or directory, ``?`` when it is not known."""
        try:
            if handle >= FIRST_HANDLE:
                return self._directories.directory(handle).path
            return self._handle(handle).file.inode.path
        except BadHandle:
            return "?"

    def status(self) -> dict[str, object]:
        """Figures for whoever asks how the mount is doing: plain values, by topic."""
        return self._figures.values()

    async def drain(self) -> None:
        """Save what can be saved without its writer, let go of the rest; see ``ending``."""
        await self.ending.finish()
        self._fetcher.close()
