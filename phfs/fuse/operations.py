"""The handlers the kernel calls: each takes the kernel's words apart and hands them on.

Owns the routing between the file system and the mount's own directory, and what no object store
has (owners, links, devices). No other decision lives here. There are no handlers of extended
attributes and of access(2): pyfuse3 answers ``ENOSYS`` for those, upon which the kernel says
"not supported" by itself and never asks again. Called by pyfuse3's loop, through ``guard``.
"""

# ruff: noqa: ARG002, D102, FBT001 - pyfuse3 fixes the signatures and documents the handlers
from __future__ import annotations

import stat
from collections.abc import Callable, Sequence
from contextlib import aclosing

import pyfuse3
from pyfuse3 import FileHandleT, FileNameT, FlagT, InodeT, ModeT

from phfs.core.inodes import ROOT
from phfs.core.names import EXPLANATIONS
from phfs.errors import Invalid, Unsupported
from phfs.fuse.convert import (
    Attributes,
    capacity,
    decode_name,
    file_info,
    open_flags,
    readable_name,
)
from phfs.fuse.counts import Counts
from phfs.fuse.failures import Failures
from phfs.fuse.guard import guarded, silenced
from phfs.fuse.volume import RESERVED, Volume

DOTS = (".", "..")


class Operations(pyfuse3.Operations):
    """The request handlers of one mount."""

    # A handler sees every write as it is made: cached, a failed one could escape the close.
    enable_writeback_cache = False

    def __init__(
        self,
        files: Volume,
        explanations: Volume,
        failures: Failures,
        counts: Counts,
        attributes: Attributes,
        reply: Callable[..., bool] = pyfuse3.readdir_reply,
    ) -> None:
        """``reply`` hands the kernel an entry of a listing, and says whether it was taken."""
        super().__init__()
        self.failures = failures
        self.counts = counts
        self._files = files
        self._explanations = explanations
        self._attributes = attributes
        self._reply = reply

    # -- whose it is, and what it is called ----------------------------------------------------

    def _owner(self, number: int) -> Volume:
        """Whose inode or handle it is."""
        return self._explanations if number >= RESERVED else self._files

    def _owner_of_name(self, parent: int, name: str) -> Volume:
        if parent == ROOT and name == EXPLANATIONS:
            return self._explanations
        return self._owner(parent)

    def _inode(self, inode: int, *_: object) -> str:
        return self._owner(inode).path_of(inode)

    def _handle(self, fh: int, *_: object) -> str:
        return self._owner(fh).path_of_handle(fh)

    def _name(self, parent: int, name: bytes, *_: object) -> str:
        return f"{self._inode(parent).rstrip('/')}/{readable_name(name)}"

    def _new_name(self, inode: int, parent: int, name: bytes, *_: object) -> str:
        return self._name(parent, name)

    def _mount(self, *_: object) -> str:
        return "/"

    # -- inodes --------------------------------------------------------------------------------

    @guarded("lookup", _name)
    async def lookup(
        self, parent_inode: InodeT, name: FileNameT, ctx: pyfuse3.RequestContext
    ) -> pyfuse3.EntryAttributes:
        text = decode_name(name)
        return self._attributes.of(
            await self._owner_of_name(parent_inode, text).lookup(parent_inode, text)
        )

    @silenced
    async def forget(self, inode_list: Sequence[tuple[InodeT, int]]) -> None:
        for inode, count in inode_list:
            self._owner(inode).forget(inode, count)

    @guarded("stat", _inode, retried=True)
    async def getattr(self, inode: InodeT, ctx: pyfuse3.RequestContext) -> pyfuse3.EntryAttributes:
        return self._attributes.of(await self._owner(inode).getattr(inode))

    @guarded("truncate", _inode, retried=True)
    async def setattr(
        self,
        inode: InodeT,
        attr: pyfuse3.EntryAttributes,
        fields: pyfuse3.SetattrFields,
        fh: FileHandleT | None,
        ctx: pyfuse3.RequestContext,
    ) -> pyfuse3.EntryAttributes:
        """A size is set; mode, owner and times are accepted and have no effect."""
        owner = self._owner(inode)
        if fields.update_size:
            return self._attributes.of(await owner.truncate(inode, attr.st_size, fh))
        return self._attributes.of(await owner.getattr(inode, fh))

    @guarded("statfs", _mount)
    async def statfs(self, ctx: pyfuse3.RequestContext) -> pyfuse3.StatvfsData:
        return capacity()

    # -- names ---------------------------------------------------------------------------------

    @guarded("mkdir", _name)
    async def mkdir(
        self, parent_inode: InodeT, name: FileNameT, mode: ModeT, ctx: pyfuse3.RequestContext
    ) -> pyfuse3.EntryAttributes:
        text = decode_name(name)
        return self._attributes.of(
            await self._owner_of_name(parent_inode, text).mkdir(parent_inode, text)
        )

    @guarded("mknod", _name)
    async def mknod(
        self,
        parent_inode: InodeT,
        name: FileNameT,
        mode: ModeT,
        rdev: int,
        ctx: pyfuse3.RequestContext,
    ) -> pyfuse3.EntryAttributes:
        text = decode_name(name)
        if not stat.S_ISREG(mode):
            path = self._name(parent_inode, name)
            raise Unsupported(
                f"{path} would be a pipe, a socket or a device, which an object cannot be.",
                "Make it on a local disk (for example under /tmp).",
            )
        return self._attributes.of(
            await self._owner_of_name(parent_inode, text).make_file(parent_inode, text)
        )

    @guarded("symlink", _name)
    async def symlink(
        self,
        parent_inode: InodeT,
        name: FileNameT,
        target: FileNameT,
        ctx: pyfuse3.RequestContext,
    ) -> pyfuse3.EntryAttributes:
        path = self._name(parent_inode, name)
        raise Unsupported(
            f"{path} would be a symbolic link, which an object cannot be.",
            "Copy the file, or make the link on a local disk (a link there may point here).",
        )

    @guarded("link", _new_name)
    async def link(
        self,
        inode: InodeT,
        new_parent_inode: InodeT,
        new_name: FileNameT,
        ctx: pyfuse3.RequestContext,
    ) -> pyfuse3.EntryAttributes:
        path = self._name(new_parent_inode, new_name)
        raise Unsupported(
            f"{path} would be a second name of one object, which has only one.",
            "Copy the file, or rename it.",
        )

    @guarded("unlink", _name)
    async def unlink(
        self, parent_inode: InodeT, name: FileNameT, ctx: pyfuse3.RequestContext
    ) -> None:
        text = decode_name(name)
        await self._owner_of_name(parent_inode, text).unlink(parent_inode, text)

    @guarded("rmdir", _name)
    async def rmdir(
        self, parent_inode: InodeT, name: FileNameT, ctx: pyfuse3.RequestContext
    ) -> None:
        text = decode_name(name)
        await self._owner_of_name(parent_inode, text).rmdir(parent_inode, text)

    @guarded("rename", _name)
    async def rename(
        self,
        parent_inode_old: InodeT,
        name_old: FileNameT,
        parent_inode_new: InodeT,
        name_new: FileNameT,
        flags: FlagT,
        ctx: pyfuse3.RequestContext,
    ) -> None:
        if flags & ~pyfuse3.RENAME_NOREPLACE:
            raise Invalid(
                "Two names cannot be exchanged in one step on an object store.",
                "Rename one of them to a third name first.",
            )
        old, new = decode_name(name_old), decode_name(name_new)
        owner = self._owner_of_name(parent_inode_old, old)
        if owner is self._files:
            owner = self._owner_of_name(parent_inode_new, new)
        replace = not flags & pyfuse3.RENAME_NOREPLACE
        await owner.rename(parent_inode_old, old, parent_inode_new, new, replace=replace)

    # -- files ---------------------------------------------------------------------------------

    @guarded("open", _inode, retried=True)
    async def open(
        self, inode: InodeT, flags: FlagT, ctx: pyfuse3.RequestContext
    ) -> pyfuse3.FileInfo:
        return file_info(await self._owner(inode).open(inode, open_flags(flags)))

    @guarded("create", _name)
    async def create(
        self,
        parent_inode: InodeT,
        name: FileNameT,
        mode: ModeT,
        flags: FlagT,
        ctx: pyfuse3.RequestContext,
    ) -> tuple[pyfuse3.FileInfo, pyfuse3.EntryAttributes]:
        text = decode_name(name)
        opened, known = await self._owner_of_name(parent_inode, text).create(
            parent_inode, text, open_flags(flags)
        )
        return file_info(opened), self._attributes.of(known)

    @guarded("read", _handle)
    async def read(self, fh: FileHandleT, off: int, size: int) -> bytes:
        # pyfuse3 replies from any buffer, before anything else can run; it only names one kind.
        data = await self._owner(fh).read(fh, off, size)
        own = fh >= RESERVED
        return data if own else self.counts.read(data)  # type: ignore[return-value]

    @guarded("write", _handle)
    async def write(self, fh: FileHandleT, off: int, buf: bytes) -> int:
        return self.counts.written(await self._owner(fh).write(fh, off, buf))

    @guarded("close", _handle)
    async def flush(self, fh: FileHandleT) -> None:
        await self._owner(fh).flush(fh)

    @guarded("fsync", _handle)
    async def fsync(self, fh: FileHandleT, datasync: bool) -> None:
        await self._owner(fh).fsync(fh)

    @guarded("release", _handle)
    async def release(self, fh: FileHandleT) -> None:
        await self._owner(fh).release(fh)

    # -- directories ---------------------------------------------------------------------------

    @guarded("opendir", _inode, retried=True)
    async def opendir(self, inode: InodeT, ctx: pyfuse3.RequestContext) -> FileHandleT:
        return FileHandleT(await self._owner(inode).opendir(inode))

    @guarded("readdir", _handle)
    async def readdir(self, fh: FileHandleT, start_id: int, token: pyfuse3.ReaddirToken) -> None:
        owner = self._owner(fh)
        taken: list[int] = []
        try:
            async with aclosing(owner.readdir(fh, start_id)) as entries:
                async for name, known, offset in entries:
                    entry = self._attributes.of(known)
                    if not self._reply(token, name.encode(), entry, offset):
                        break
                    if name not in DOTS:
                        owner.remember(known.ino)
                        taken.append(known.ino)
        except BaseException:
            for ino in taken:  # the kernel gets an error instead of the entries
                owner.forget(ino, 1)
            raise

    @guarded("releasedir", _handle)
    async def releasedir(self, fh: FileHandleT) -> None:
        await self._owner(fh).releasedir(fh)

    @guarded("fsyncdir", _handle)
    async def fsyncdir(self, fh: FileHandleT, datasync: bool) -> None:
        """A directory has nothing that is not in the store already."""
