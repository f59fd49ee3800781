"""Paths that are being removed, renamed or emptied, and what becomes of files open there.

Owns the keys under which nobody may begin to write for the moment. Never asks the store. Called by
``files``, ``changes`` and ``rename``.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from phfs.core.inodes import File
from phfs.core.objects import ETag
from phfs.errors import Busy
from phfs.vfs.handles import HandleTable


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

    def refuse_written(self, *inodes: File | None) -> None:
        """Raises ``Busy`` when one of the files has uncommitted bytes."""
        for inode in inodes:
            file = None if inode is None else self._handles.find(inode)
            if file is not None and file.owner is not None:
                raise Busy(f"{file.inode.path} is being written by a program and not complete.")

    def refuse_written_beneath(self, *directory_keys: str) -> None:
        """Raises ``Busy`` when a file somewhere under these keys has uncommitted bytes."""
        for key in directory_keys:
            written = self._handles.written_beneath(key)
            if written is not None:
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

    def moved(self, inode: File, etag: ETag) -> None:
        """The file has another path, by a copy that has this ETag; its bytes are the same."""
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
        inode.etag = etag
