"""Renaming: copies inside the store, then deletions; all of it or nothing, as far as S3 allows.

Owns what may replace what, and the order of steps for a file. Directories are in
``rename_directory``, what a failure leaves of copies in ``copies``. Called by ``filesystem``.

* Before the first deletion every failure removes what was copied: the source is intact.
* A failure while deleting leaves everything readable under the new name; the error names what is
  left under the old one.
"""

from __future__ import annotations

from contextlib import ExitStack

from phfs.core.inodes import Directory, File, Inode
from phfs.core.names import check_new_name
from phfs.core.objects import Stored
from phfs.errors import (
    Exists,
    IsDirectory,
    NoSuchKey,
    NotDirectory,
    NotFound,
    OperationFailed,
    PhfsError,
    PreconditionFailed,
    Stale,
    StoreError,
    TransientError,
)
from phfs.vfs.changes import Changes
from phfs.vfs.copies import Copies
from phfs.vfs.files import Files
from phfs.vfs.namespace import Namespace
from phfs.vfs.rename_directory import DirectoryRenamer, RenameLimits


class Renamer:
    """Renames files and directories."""

    def __init__(
        self, namespace: Namespace, files: Files, changes: Changes, limits: RenameLimits
    ) -> None:
        self._namespace = namespace
        self._files = files
        self._copies = Copies(namespace.store)
        self._directories = DirectoryRenamer(namespace, files, changes, self._copies, limits)

    async def rename(
        self, parent: Directory, name: str, new_parent: Directory, new_name: str, *, replace: bool
    ) -> None:
        """Give a name another path, over what is there when ``replace`` is set."""
        namespace = self._namespace
        check_new_name(new_parent.key, new_name, namespace.max_key)
        with ExitStack() as held:  # they may be newer than what the kernel holds
            source = await namespace.lookup(parent, name)
            held.enter_context(namespace.inodes.using(source))
            target: Inode | None
            try:
                target = await namespace.lookup(new_parent, new_name)
                held.enter_context(namespace.inodes.using(target))
            except NotFound:
                target = None
            if target is source:
                return
            if target is not None and not replace:
                raise Exists(f"{target.path} exists already.")
            await self._rename(source, new_parent, new_name, target)

    async def _rename(
        self, source: Inode, new_parent: Directory, new_name: str, target: Inode | None
    ) -> None:
        if isinstance(source, Directory):
            if isinstance(target, File):
                raise NotDirectory(f"{target.path} is a file; a directory cannot replace it.")
            await self._directories.rename(source, new_parent, new_name, target)
        else:
            assert isinstance(source, File)
            if isinstance(target, Directory):
                raise IsDirectory(f"{target.path} is a directory; a file cannot replace it.")
            assert target is None or isinstance(target, File)
            await self._rename_file(source, new_parent, new_name, target)

    async def _rename_file(
        self, source: File, parent: Directory, name: str, target: File | None
    ) -> None:
        namespace, moving = self._namespace, self._files.moving
        await moving.await_release(source, target)
        moving.refuse_written(source, target)
        await self._files.settle(source)
        old_parent, old_name, old_key = source.parent, source.name, source.key
        if old_parent is None:
            raise NotFound(f"There is no {source.path}.")
        before = Stored(source.etag, source.mtime)
        new_key = parent.key + name
        with moving.hold(old_key, new_key):
            moving.refuse_written(source, target)
            stored = await self._copy(source, parent, name, target)
            # Before the old object goes, so that reads under way find the new one.
            self._relocate(source, parent, name, stored)
            try:
                await self._delete_old(old_key, new_key, replacing=target is not None)
            except PhfsError:
                self._relocate(source, old_parent, old_name, before)
                for place, known_as in ((parent, name), (old_parent, old_name)):
                    namespace.doubt_name(place, known_as)
                raise
            namespace.removed(old_parent, old_name)
            namespace.committed(source)
            if target is not None:
                await moving.discard(target)

    async def _copy(
        self, source: File, parent: Directory, name: str, target: File | None
    ) -> Stored:
        replaced = None if target is None else target.etag
        try:
            return await self._copies.copy_file(source, parent.key + name, replaced=replaced)
        except PhfsError as error:
            self._namespace.doubt_name(parent, name)  # the copy may be there all the same
            if isinstance(error, PreconditionFailed | NoSuchKey):
                self._namespace.doubt(source)
                raise Stale(f"{source.path} was replaced or deleted meanwhile.") from error
            raise

    def _relocate(self, file: File, parent: Directory, name: str, stored: Stored) -> None:
        self._namespace.inodes.move(file, parent, name)
        self._files.moving.moved(file, stored)

    async def _delete_old(self, old_key: str, new_key: str, *, replacing: bool) -> None:
        """Delete the source of a copy; on failure the copy instead, unless that could lose both or
        what it replaced is gone."""
        store = self._namespace.store
        try:
            await store.delete(old_key)
        except StoreError as error:
            sure = not isinstance(error, TransientError)
            try:
                await store.head(old_key)
            except NoSuchKey:
                return  # the deletion took effect, only its answer was lost
            except StoreError:
                sure = False
            if sure and not replacing and not await self._copies.remove([new_key]):
                raise
            kind = OperationFailed if isinstance(error, TransientError) else type(error)
            raise kind(
                f"/{old_key} was copied to /{new_key} but could not be removed: {error}",
                f"/{new_key} is whole: use it, and remove /{old_key}, if it is still there, once "
                "the store allows it.",
            ) from error
