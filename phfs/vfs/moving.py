"""Paths that are being removed, renamed or emptied, and what becomes of files open there.

Owns the keys under which nobody may begin to write for the moment. Never asks the store. Called by
``files``, ``changes`` and ``rename``.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import trio

from phfs.core.inodes import File
from phfs.core.objects import Stored
from phfs.errors import Busy
from phfs.vfs.handles import HandleTable, OpenFile

RELEASE_SECONDS = 1.0
"""The kernel sends a release within milliseconds of the close; a descriptor that is really still
open (a shell's, for a command that has not written yet) keeps others waiting no longer."""


class Moving:
    """What is on the move; a directory's key stands for everything beneath it."""

    def __init__(self, handles: HandleTable) -> None:
        self._handles = handles
        self._keys: set[str] = set()

    def refuse(self, key: str) -> None:
        """Raises ``Busy`` when the path, or something above or beneath it, is on the move."""
        for held in self._keys:
            above = held.endswith("/") and key.startswith(held)
            beneath = key.endswith("/") and held.startswith(key)
            if key == held or above or beneath:
                raise Busy(f"/{held.removesuffix('/')} is being renamed, emptied or removed.")

    @contextmanager
    def hold(self, *keys: str) -> Iterator[None]:
        """Nobody begins to write under these keys meanwhile. Raises ``Busy``."""
        for key in keys:
            self.refuse(key)
        self._keys.update(keys)
        try:
            yield
        finally:
            self._keys.difference_update(keys)

    async def await_release(self, *inodes: File | None) -> None:
        """A truncation is saved by the release, which comes a moment after the last close has
        returned: whoever needs the files complete waits for it, ``RELEASE_SECONDS`` at most, and
        until it is done. Whether they are complete then, ``refuse_written`` says."""
        found = [self._handles.find(inode) for inode in inodes if inode is not None]
        await self._await_release([file for file in found if file is not None])

    async def await_release_beneath(self, *directory_keys: str) -> None:
        """The same for every file somewhere under these keys."""
        files = [file for key in directory_keys for file in self._handles.written_beneath(key)]
        await self._await_release(files)

    async def _await_release(self, files: list[OpenFile]) -> None:
        give_up = trio.current_time() + RELEASE_SECONDS
        for file in files:
            owner = file.owner
            if owner is not None and owner.flushed and not file.inode.draft:
                with trio.move_on_at(give_up):
                    await owner.releasing.wait()
                if owner.releasing.is_set():
                    await owner.released.wait()

    def refuse_written(self, *inodes: File | None) -> None:
        """Raises ``Busy`` when one of the files has uncommitted bytes."""
        for inode in inodes:
            file = None if inode is None else self._handles.find(inode)
            if file is not None and file.owner is not None:
                raise Busy(f"{file.inode.path} is being written by a program and not complete.")

    def refuse_written_beneath(self, *directory_keys: str) -> None:
        """Raises ``Busy`` when a file somewhere under these keys has uncommitted bytes."""
        for key in directory_keys:
            for written in self._handles.written_beneath(key):
                raise Busy(f"{written.inode.path} is being written by a program and not complete.")

    async def discard(self, inode: File) -> None:
        """The file is gone: what its writers have not committed goes nowhere, in silence.

        The caller holds the key, and the lock of the handle that has uncommitted bytes.
        """
        file = self._handles.find(inode)
        writing = [handle for handle in file.handles if handle.writer] if file is not None else []
        for handle in writing:
            assert handle.writer is not None
            handle.writer.upload.discard()
            handle.file.settle_owner(handle)
        for handle in writing:
            assert handle.writer is not None
            await handle.writer.abort()

    def moved(self, inode: File, stored: Stored) -> None:
        """The file has another path, by a copy that was stored so; its bytes are the same."""
        etag = stored.etag
        if inode.pages == inode.etag:
            inode.pages = etag
        file = self._handles.find(inode)
        for handle in file.handles if file is not None else ():
            if handle.etag == inode.etag:
                handle.etag = etag
            if handle.writer is not None:
                handle.writer.upload.path = inode.path
                handle.writer.moved(etag)
        if file is not None and file.reader is not None:
            file.reader.move(inode.key, etag)
        inode.etag, inode.mtime = etag, stored.modified
