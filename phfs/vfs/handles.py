"""Open files: which handles there are, and who reads or writes which file.

Owns the handle table and the answers to "is it being read" and "is it being written". Decides
nothing and never asks the store. Called by ``files``, ``rename`` and ``filesystem``.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

import trio

from phfs.core.inodes import File, InodeTable
from phfs.core.objects import ETag
from phfs.errors import BadHandle, Busy
from phfs.vfs.reader import Reader
from phfs.vfs.tasks import Turn
from phfs.vfs.values import OpenFlags
from phfs.vfs.writer import Writer


@dataclass(eq=False)
class OpenFile:
    """A file somebody has open."""

    inode: File
    handles: list[Handle] = field(default_factory=list)
    reader: Reader | None = None
    """Reads the committed version; shared by all handles."""
    owner: Handle | None = None
    """The handle with uncommitted bytes, or an uncommitted truncation: it alone may write."""
    commits: int = 0
    """Versions committed through this mount since it was opened."""

    def read_by_others(self, handle: Handle | None) -> bool:
        """Whether another handle reads it; one that has flushed counts as closed."""
        return any(other.reading and other is not handle for other in self.handles)

    def refuse_overwrite(self, handle: Handle | None) -> None:
        """Raises ``Busy`` when somebody else writes the file, or reads what it has."""
        if self.owner is not None and self.owner is not handle:
            raise Busy(f"{self.inode.path} is being written by another program.")
        if self.inode.size and self.read_by_others(handle):
            raise Busy(
                f"{self.inode.path} is being read by another program and cannot be overwritten now."
            )

    def settle_owner(self, handle: Handle) -> None:
        """Ownership and the draft's length follow what is uncommitted."""
        assert handle.writer is not None
        if handle.writer.upload.dirty:
            self.owner = handle
            self.inode.draft = handle.writer.upload.end
        elif self.owner is handle:
            self.owner = None
            self.inode.draft = None


@dataclass(eq=False)
class Handle:
    """One open(2)."""

    number: int
    file: OpenFile
    flags: OpenFlags
    etag: ETag
    """The version it reads."""
    commits: int
    """``file.commits`` when it last knew what is in the file."""
    writer: Writer | None = None
    reading: bool = False
    """Has the file open for reading, or has read from it, and has not flushed since."""
    flushed: bool = False
    """A descriptor was closed since it was last written or truncated; often it was the last."""
    releasing: trio.Event = field(default_factory=trio.Event)
    """The last descriptor is gone."""
    released: trio.Event = field(default_factory=trio.Event)
    """What that left to do is done."""
    lock: Turn = field(default_factory=Turn)
    """Held by what changes the file through this handle: one thing at a time."""


class HandleTable:
    """All open files and their handles, by number."""

    def __init__(self, inodes: InodeTable) -> None:
        self._inodes = inodes
        self._files: dict[int, OpenFile] = {}
        self._handles: dict[int, Handle] = {}
        self._next = 1

    def __len__(self) -> int:
        return len(self._handles)

    def __iter__(self) -> Iterator[Handle]:
        return iter(list(self._handles.values()))

    def get(self, number: int) -> Handle:
        """The handle. Raises ``BadHandle``."""
        handle = self._handles.get(number)
        if handle is None:
            raise BadHandle(f"There is no open file with handle {number}.")
        return handle

    def find(self, inode: File) -> OpenFile | None:
        """The open file of an inode, None when nobody has it open."""
        return self._files.get(inode.number)

    def open_file(self, inode: File) -> OpenFile:
        """The open file of an inode; ``add`` a handle to it or it is forgotten."""
        return self._files.get(inode.number) or OpenFile(inode)

    def add(self, file: OpenFile, flags: OpenFlags) -> Handle:
        """A new handle of a file."""
        handle = Handle(self._next, file, flags, file.inode.etag, file.commits)
        handle.reading = flags.read and not flags.write
        self._next += 1
        self._handles[handle.number] = handle
        self._files[file.inode.number] = file
        file.handles.append(handle)
        self._inodes.use(file.inode)
        return handle

    def remove(self, handle: Handle) -> None:
        """Forget a handle; with the last one of a file its reader is closed."""
        if self._handles.pop(handle.number, None) is None:
            return
        file = handle.file
        file.handles.remove(handle)
        if file.owner is handle:
            file.owner = file.inode.draft = None
        if not file.handles:
            self._files.pop(file.inode.number, None)
            if file.reader is not None:
                file.reader.close()
        self._inodes.unuse(file.inode)

    def written_beneath(self, directory_key: str) -> list[OpenFile]:
        """The files being written somewhere under a directory's key."""
        written = [file for file in self._files.values() if file.owner is not None]
        return [file for file in written if file.inode.key.startswith(directory_key)]
