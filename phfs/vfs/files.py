"""What may be done with a file, by whom, at which moment: the strict contract.

Owns the rules between handles of one file: who reads, who writes, which version a handle stands
for. Bytes are moved by ``reader`` and ``writer``; what a single write may do is decided by
``core/upload``. Called by ``filesystem`` and ``rename``.
"""

from __future__ import annotations

from collections.abc import Callable

from phfs.core.content_type import content_type
from phfs.core.inodes import Directory, File
from phfs.core.objects import Attributes, Stored
from phfs.core.upload import Action, State, Upload
from phfs.errors import (
    BadHandle,
    Busy,
    OperationFailed,
    PhfsError,
    Stale,
    StoreError,
    Unsupported,
)
from phfs.vfs.fetcher import Fetcher
from phfs.vfs.handles import Handle, HandleTable, OpenFile
from phfs.vfs.moving import Moving
from phfs.vfs.namespace import Namespace
from phfs.vfs.siblings import Siblings
from phfs.vfs.uploads import UploadService
from phfs.vfs.values import Opened, OpenFlags
from phfs.vfs.writer import Writer

Report = Callable[[str, str, PhfsError], None]
"""Takes path, operation and error of a failure that no system call can carry."""


class Files:
    """All open files of a mount."""

    def __init__(
        self, namespace: Namespace, fetcher: Fetcher, uploads: UploadService, report: Report
    ) -> None:
        self.handles = HandleTable(namespace.inodes)
        self.moving = Moving(self.handles)
        self._namespace = namespace
        self.siblings = Siblings(fetcher)
        self._uploads = uploads
        self._report = report

    # -- opening -------------------------------------------------------------------------------

    def create(self, parent: Directory, name: str, flags: OpenFlags) -> tuple[Handle, File]:
        """Make a file that exists in this mount only until it is committed."""
        self.moving.refuse(f"{parent.key}{name}")
        inode = self._namespace.new_file(parent, name)
        # Whatever it was opened for, somebody has to put the empty object.
        return self._add(self.handles.open_file(inode), flags._replace(write=True)), inode

    def open(self, inode: File, flags: OpenFlags) -> Opened:
        """Open a version. Raises ``Stale`` (the kernel then looks the path up again), ``Busy``,
        ``Unsupported`` for appending to an object that has bytes."""
        self._namespace.check_current(inode)
        self._namespace.opened(inode)
        file = self.handles.open_file(inode)
        if flags.write:
            if flags.append and not flags.truncate and inode.size:
                raise Unsupported(
                    f"{inode.path} has content, and an object cannot be appended to.",
                    "Write a new file, or copy it to a local disk, append there and copy it back.",
                )
            if flags.truncate:
                self.moving.refuse(inode.key)
                file.refuse_overwrite(None)
        elif file.owner is not None:
            raise Busy(f"{inode.path} is being written by another program and not complete.")
        handle = self._add(file, flags)
        if handle.writer is not None and handle.writer.upload.truncating:
            file.owner = handle
            inode.draft = 0
        keep = inode.pages == inode.etag
        if not flags.write:
            inode.pages = inode.etag
        return Opened(handle.number, direct_io=flags.write, keep_cache=keep)

    def _add(self, file: OpenFile, flags: OpenFlags) -> Handle:
        handle = self.handles.add(file, flags)
        if flags.write:
            inode = file.inode
            upload = Upload(inode.path, base_size=inode.size, truncated=flags.truncate)
            handle.writer = Writer(
                self._uploads, upload, lambda: inode.key, exclusive=flags.exclusive
            )
        return handle

    # -- reading -------------------------------------------------------------------------------

    async def read(self, handle: Handle, offset: int, size: int) -> bytes | memoryview:
        """Bytes of the handle's version; fewer than asked only at its end."""
        file, inode = handle.file, handle.file.inode
        if file.owner is handle:
            raise Unsupported(
                f"{inode.path} cannot be read while what was written to it is not saved.",
                "Close the file first, then read it.",
            )
        if handle.etag != inode.etag:
            raise Stale(f"{inode.path} was written anew since it was opened.")
        handle.reading = True
        if offset >= inode.size:
            return b""
        if file.reader is None:
            file.reader = self.siblings.reader(inode)
        try:
            with self._uploads.budget.request():
                return await file.reader.read(offset, min(size, inode.size - offset))
        except Stale:
            self._namespace.doubt(inode)
            raise

    # -- writing -------------------------------------------------------------------------------

    async def write(self, handle: Handle, offset: int, data: bytes) -> int:
        """Append bytes. What is refused fails the handle for good."""
        with self._uploads.budget.request(arrived=len(data)):
            async with handle.lock:
                return await self._append(handle, offset, data)

    async def _append(self, handle: Handle, offset: int, data: bytes) -> int:
        writer = self._writer(handle)
        upload = writer.upload
        if upload.state is State.DISCARDED or (not data and upload.error is None):
            return len(data)
        try:
            upload.check_write(upload.end if handle.flags.append else offset)
            self._own(handle)
            await writer.append(data)
        except PhfsError as error:
            await self._fail(handle, error)
            raise upload.error or error from None
        handle.file.inode.draft = upload.end
        handle.flushed = False
        return len(data)

    async def flush(self, handle: Handle, *, durable: bool) -> None:
        """Commit what is new; ``durable`` (fsync) also a truncation nothing followed."""
        handle.reading = False
        if handle.writer is None:
            return
        with self._uploads.budget.request():
            async with handle.lock:
                await self._commit(handle, durable=durable)
                handle.flushed = True

    async def release(self, handle: Handle) -> None:
        """Close for good. A failure is reported: no system call can carry it."""
        handle.reading = False
        handle.releasing.set()
        async with handle.lock:
            writer = handle.writer
            try:
                if writer is not None and not writer.upload.dead:
                    await self._save_last(handle, writer.upload)
            finally:
                if writer is not None:
                    await writer.abort()
                self.handles.remove(handle)
                handle.released.set()

    async def _save_last(self, handle: Handle, upload: Upload) -> None:
        """Commit a pending truncation. Bytes that no flush has saved are half a file: not those."""
        path = handle.file.inode.path
        try:
            if upload.end and upload.dirty:
                error = OperationFailed(f"{path} was closed before it could be saved.")
                await self._fail(handle, error)
                raise error
            await self._commit(handle, durable=True)
        except PhfsError as error:
            self._report(path, "release", error)

    async def truncate(self, inode: File, size: int, handle: Handle | None) -> None:
        """Set a file's length: to what it is, or to 0."""
        if size == inode.length:
            return
        if size != 0:
            raise Unsupported(
                f"{inode.path} cannot be cut or extended to {size} bytes; only emptied.",
                "Write a new file of that length, or change a copy on a local disk.",
            )
        if handle is None:
            await self._truncate_now(inode)
            return
        async with handle.lock:
            writer = self._writer(handle)
            if writer.upload.error is not None:
                raise writer.upload.error
            if writer.upload.dead:
                return
            self._own(handle)
            await writer.abort()
            writer.upload.restart(inode.size)
            handle.file.settle_owner(handle)

    async def settle(self, inode: File) -> None:
        """Put a created file that has no bytes yet into the bucket, so that it can be renamed."""
        file = self.handles.find(inode)
        for handle in list(file.handles) if file is not None else ():
            if not inode.committed and handle.writer is not None and not handle.writer.upload.dead:
                async with handle.lock:
                    self.moving.refuse_written(inode)  # it may have waited for a write
                    await self._commit(handle, durable=True)

    # -- the rules -----------------------------------------------------------------------------

    def _own(self, handle: Handle) -> None:
        """The handle is about to have uncommitted bytes. Raises ``Busy``, ``Stale``."""
        file, upload = handle.file, self._writer(handle).upload
        if file.owner is handle:
            return
        if handle.commits != file.commits and (file.inode.size or upload.end):
            raise Stale(f"{file.inode.path} was written by another program meanwhile.")
        self.moving.refuse(file.inode.key)
        file.refuse_overwrite(handle)
        file.owner = handle

    def _writer(self, handle: Handle) -> Writer:
        if handle.writer is None:
            raise BadHandle(f"{handle.file.inode.path} is not open for writing.")
        return handle.writer

    async def _commit(self, handle: Handle, *, durable: bool) -> None:
        writer, file = self._writer(handle), handle.file
        if writer.upload.state is State.DISCARDED:
            return
        unborn = not file.inode.committed and file.owner in (None, handle)
        action = writer.upload.on_flush(unborn=unborn, durable=durable)
        if action is Action.NOTHING:
            return
        try:
            self._own(handle)
            stored = await writer.commit(action)
        except PhfsError as error:
            await self._fail(handle, error)
            raise
        self._published(file, stored, writer.upload.end)
        handle.commits, handle.etag = file.commits, stored.etag
        file.settle_owner(handle)

    def _published(self, file: OpenFile, stored: Stored, size: int) -> None:
        """The bucket has a new version, by whatever this mount did."""
        inode = file.inode
        inode.size, inode.etag, inode.mtime = size, stored.etag, stored.modified
        if file.reader is not None:
            file.reader.close()
            file.reader = None
        file.commits += 1
        self._namespace.committed(inode)

    async def _fail(self, handle: Handle, error: PhfsError) -> None:
        """The handle has failed for good; a file that never was in the bucket is gone."""
        assert handle.writer is not None
        handle.writer.upload.fail(error)
        await handle.writer.abort()
        inode, file = handle.file.inode, handle.file
        file.settle_owner(handle)
        if isinstance(error, StoreError):
            self._namespace.doubt(inode)  # a request may take effect and its answer be lost
        others = any(h.writer and not h.writer.upload.dead for h in file.handles)
        if not inode.committed and inode.parent is not None and not others:
            self._namespace.doubt(inode)
            self._namespace.inodes.unlink(inode)

    async def _truncate_now(self, inode: File) -> None:
        self._namespace.check_current(inode)
        with self.moving.hold(inode.key):
            self.handles.open_file(inode).refuse_overwrite(None)
            try:
                stored = await self._namespace.store.put(
                    inode.key, (), Attributes(content_type=content_type(inode.name))
                )
            except StoreError:
                self._namespace.doubt(inode)
                raise
            self._published(self.handles.open_file(inode), stored, 0)
