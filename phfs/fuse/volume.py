"""What the boundary drives: a tree of files that answers in the file system's own words.

Owns the interface and the share-out of inode numbers. Implemented by ``vfs.filesystem.FileSystem``
and, for the mount's own directory, by ``explain.Explanations``. Called by ``operations``.

Every coroutine raises ``PhfsError``; ``forget``, ``remember`` and ``path_of`` raise nothing.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator
from typing import Protocol

from phfs.vfs.values import Entry, Opened, OpenFlags, Stat

RESERVED = 2**62
"""Inodes and handles from here on belong to the mount's own directory: a table that counts up from
1 never comes here, and programs that keep inodes in signed 64 bits still can."""


class Volume(Protocol):
    """A tree of files; ``ino`` and ``handle`` are numbers it gave out itself."""

    async def lookup(self, parent: int, name: str) -> Stat:
        """Find a name; adds one lookup."""

    async def getattr(self, ino: int, handle: int | None = None) -> Stat:
        """Attributes of an inode, as the handle sees it."""

    def forget(self, ino: int, count: int) -> None:
        """Drop lookups."""

    def remember(self, ino: int) -> None:
        """Add one lookup, for an entry of a listing that the kernel took."""

    async def open(self, ino: int, flags: OpenFlags) -> Opened:
        """Open a file."""

    async def create(self, parent: int, name: str, flags: OpenFlags) -> tuple[Opened, Stat]:
        """Create and open a file; adds one lookup."""

    async def make_file(self, parent: int, name: str) -> Stat:
        """Create a file without opening it; adds one lookup."""

    async def read(self, handle: int, offset: int, size: int) -> bytes | memoryview:
        """All the bytes asked for, fewer only at the end of the file."""

    async def write(self, handle: int, offset: int, data: bytes) -> int:
        """Write; the number of bytes taken."""

    async def flush(self, handle: int) -> None:
        """A descriptor of the handle is being closed."""

    async def fsync(self, handle: int) -> None:
        """Make everything written so far durable."""

    async def release(self, handle: int) -> None:
        """The last descriptor of the handle is gone."""

    async def truncate(self, ino: int, size: int, handle: int | None = None) -> Stat:
        """Cut a file to a size in bytes."""

    async def mkdir(self, parent: int, name: str) -> Stat:
        """Make a directory; adds one lookup."""

    async def rmdir(self, parent: int, name: str) -> None:
        """Remove an empty directory."""

    async def unlink(self, parent: int, name: str) -> None:
        """Remove a file."""

    async def rename(
        self, parent: int, name: str, new_parent: int, new_name: str, *, replace: bool = True
    ) -> None:
        """Move a file or a directory."""

    async def opendir(self, ino: int) -> int:
        """Open a directory; its handle."""

    def readdir(self, handle: int, offset: int) -> AsyncGenerator[Entry, None]:
        """The entries from an offset on, ``.`` and ``..`` first."""

    async def releasedir(self, handle: int) -> None:
        """Close a directory."""

    def path_of(self, ino: int) -> str:
        """The inode's path from the mount point on; ``?`` if nobody knows it."""

    def path_of_handle(self, handle: int) -> str:
        """The path that was opened; ``?`` if nobody knows it."""
