"""Renaming: copies inside the store, then deletions; all of it or nothing, as far as S3 allows.

Owns the order of steps and what is undone when one fails. Called by ``filesystem``.

* Before the first deletion every failure removes what was copied: the source is intact.
* A failure while deleting leaves every object readable under the new name; the error names what is
  left under the old one.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass

import trio

from phfs.core.inodes import Directory, File, Inode
from phfs.core.names import check_new_name, is_path
from phfs.core.objects import ETag, ObjectInfo, Stored
from phfs.errors import (
    CrossDevice,
    Exists,
    Invalid,
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
    Unsupported,
)
from phfs.s3.copying import copy_object
from phfs.vfs.changes import Changes
from phfs.vfs.files import Files
from phfs.vfs.namespace import Namespace
from phfs.vfs.tasks import for_each

log = logging.getLogger(__name__)

COPIES_AT_ONCE = 16
"""Objects copied at the same time while a directory is renamed: each is one short request."""

UNDO_SECONDS = 30.0
"""How long removing the copies of a failed rename may take."""

MOST_NAMED = 5
"""Keys named in the sentence of a partial failure."""


@dataclass(frozen=True)
class RenameLimits:
    """Above either, renaming a directory answers ``CrossDevice`` and mv(1) copies by itself."""

    objects: int
    size: int


class Renamer:
    """Renames files and directories."""

    def __init__(
        self, namespace: Namespace, files: Files, changes: Changes, limits: RenameLimits
    ) -> None:
        self._namespace = namespace
        self._files = files
        self._changes = changes
        self._limits = limits

    async def rename(
        self, parent: Directory, name: str, new_parent: Directory, new_name: str, *, replace: bool
    ) -> None:
        """Give a name another path, over what is there when ``replace`` is set."""
        namespace = self._namespace
        check_new_name(new_parent.key, new_name, namespace.max_key)
        source = await namespace.lookup(parent, name)
        target: Inode | None
        try:
            target = await namespace.lookup(new_parent, new_name)
        except NotFound:
            target = None
        if target is not None and target is not source and not replace:
            namespace.inodes.drop_unused(target)
            raise Exists(f"{target.path} exists already.")
        try:
            if target is not source:
                await self._rename(source, new_parent, new_name, target)
        finally:
            if target is not None:
                namespace.inodes.drop_unused(target)

    async def _rename(
        self, source: Inode, new_parent: Directory, new_name: str, target: Inode | None
    ) -> None:
        if isinstance(source, Directory):
            if isinstance(target, File):
                raise NotDirectory(f"{target.path} is a file; a directory cannot replace it.")
            await self._rename_directory(source, new_parent, new_name, target)
        else:
            assert isinstance(source, File)
            if isinstance(target, Directory):
                raise IsDirectory(f"{target.path} is a directory; a file cannot replace it.")
            assert target is None or isinstance(target, File)
            await self._rename_file(source, new_parent, new_name, target)

    # -- files ---------------------------------------------------------------------------------

    async def _rename_file(
        self, source: File, parent: Directory, name: str, target: File | None
    ) -> None:
        namespace, moving = self._namespace, self._files.moving
        moving.refuse_written(source, target)
        await self._files.settle(source)
        old_parent, old_name, old_key = source.parent, source.name, source.key
        if old_parent is None:
            raise NotFound(f"There is no {source.path}.")
        before = Stored(source.etag, source.mtime)
        new_key = parent.key + name
        with moving.hold(old_key, new_key):
            moving.refuse_written(source, target)
            try:
                stored = await copy_object(
                    namespace.store, old_key, new_key, size=source.size, if_match=source.etag
                )
            except StoreError as error:
                namespace.doubt_name(parent, name)  # the copy may be there and its answer lost
                if isinstance(error, PreconditionFailed | NoSuchKey):
                    namespace.doubt(source)
                    raise Stale(f"{source.path} was replaced or deleted meanwhile.") from error
                raise
            # Before the old object goes, so that reads under way find the new one.
            self._relocate(source, parent, name, stored)
            try:
                await self._delete_old(old_key, None if target is not None else new_key)
            except PhfsError:
                self._relocate(source, old_parent, old_name, before)
                for place, known_as in ((parent, name), (old_parent, old_name)):
                    namespace.doubt_name(place, known_as)
                raise
            namespace.removed(old_parent, old_name)
            namespace.committed(source)
            if target is not None:
                await moving.discard(target)

    def _relocate(self, file: File, parent: Directory, name: str, stored: Stored) -> None:
        self._namespace.inodes.move(file, parent, name)
        self._moved(file, stored)

    async def _delete_old(self, old_key: str, copy: str | None) -> None:
        """Delete the source of a copy; on failure the copy instead, unless that could lose both."""
        store = self._namespace.store
        try:
            await store.delete(old_key)
        except StoreError as error:
            try:
                await store.head(old_key)
            except NoSuchKey:
                return  # the deletion took effect, only its answer was lost
            except StoreError:
                copy = None
            if copy is not None and not isinstance(error, TransientError):
                await self._undo([copy])
                raise
            raise OperationFailed(
                f"/{old_key} was copied to its new name but could not be removed: {error}",
                "Remove the old file once the store allows it.",
            ) from error

    def _moved(self, inode: File, stored: Stored) -> None:
        self._files.moving.moved(inode, stored.etag)
        inode.mtime = stored.modified

    # -- directories ---------------------------------------------------------------------------

    async def _rename_directory(
        self, source: Directory, parent: Directory, name: str, target: Inode | None
    ) -> None:
        namespace = self._namespace
        old_parent, old_name = source.parent, source.name
        old_key, new_key = source.key, f"{parent.key}{name}/"
        if old_parent is None:
            raise NotFound(f"There is no {source.path}.")
        if new_key.startswith(old_key):
            raise Invalid(f"{source.path} cannot be moved into itself.")
        if isinstance(target, Directory):
            await self._changes.check_empty(target)
        self._files.moving.refuse_written_beneath(old_key, new_key)
        for handle in self._files.handles:
            if handle.file.inode.key.startswith(old_key):
                await self._files.settle(handle.file.inode)
        with self._files.moving.hold(old_key, new_key):
            self._files.moving.refuse_written_beneath(old_key, new_key)
            objects = await self._objects(source)
            stored = await self._copy_all(objects, old_key, new_key, keep=target is not None)
            if not objects:
                await self._changes.put_marker(new_key)
            namespace.inodes.move(source, parent, name)
            versions = {new_key + info.key[len(old_key) :]: info.etag for info in objects}
            self._moved_beneath(source, versions, stored)
            namespace.renamed_directory(old_parent, old_name, source)
            await self._delete_all([info.key for info in objects], old_parent, old_name)

    async def _objects(self, directory: Directory) -> list[ObjectInfo]:
        """Everything under a directory's key. Raises ``CrossDevice``, ``Unsupported``."""
        objects: list[ObjectInfo] = []
        size, token, more = 0, None, True
        while more:
            page = await self._namespace.store.list_page(directory.key, token=token)
            objects += page.objects
            size += sum(info.size for info in page.objects)
            if len(objects) > self._limits.objects or size > self._limits.size:
                raise CrossDevice(
                    f"{directory.path} holds more than {self._limits.objects} objects or "
                    f"{self._limits.size >> 30} GiB, which is too much for one rename.",
                    "mv copies it by itself; --rename-limit raises the limit.",
                )
            token = page.next_token
            more = token is not None
        for info in objects:
            if not is_path(info.key):
                raise Unsupported(
                    f"{directory.path} holds the object {info.key!r}, whose key is no path and "
                    "cannot be moved.",
                    "Remove that object with an S3 tool, or move the files one by one.",
                )
        return objects

    async def _copy_all(
        self, objects: list[ObjectInfo], old_key: str, new_key: str, *, keep: bool
    ) -> dict[str, Stored]:
        """Copy every object; the result by new key. Removes the copies when one fails, all but the
        marker of a directory that was there before (``keep``)."""
        stored: dict[str, Stored] = {}
        begun: list[str] = []

        async def copy(info: ObjectInfo) -> None:
            key = new_key + info.key[len(old_key) :]
            begun.append(key)
            stored[key] = await copy_object(
                self._namespace.store, info.key, key, size=info.size, if_match=info.etag
            )

        try:
            await for_each(objects, copy, at_once=COPIES_AT_ONCE)
        except BaseException as error:
            await self._undo([key for key in begun if not (keep and key == new_key)])
            if isinstance(error, PreconditionFailed | NoSuchKey):
                raise OperationFailed(
                    f"/{old_key} was changed by somebody else while it was being renamed; "
                    "nothing was moved.",
                    "Try again.",
                ) from error
            raise
        return stored

    async def _delete_all(self, keys: list[str], parent: Directory, name: str) -> None:
        try:
            failures = await self._namespace.store.delete_many(keys)
            left, why = [failure.key for failure in failures], [str(f.error) for f in failures]
        except StoreError as error:
            left, why = keys, [str(error)]
        if left:
            self._namespace.doubt_name(parent, name)
            names = ", ".join(f"/{key}" for key in left[:MOST_NAMED])
            more = f" and {len(left) - MOST_NAMED} more" if len(left) > MOST_NAMED else ""
            raise OperationFailed(
                f"Everything is readable under the new name, but {names}{more} could not be "
                f"removed under the old one: {why[0]}",
                "Remove the old directory once the store allows it.",
            )

    async def _undo(self, keys: list[str]) -> None:
        with trio.move_on_after(UNDO_SECONDS, shield=True):
            try:
                await self._namespace.store.delete_many(keys)
            except StoreError as error:
                log.warning("copies under /%s were left behind: %s", keys[0], error)

    def _moved_beneath(
        self, directory: Directory, versions: dict[str, ETag], stored: dict[str, Stored]
    ) -> None:
        """Files follow their objects. ``versions``: what was copied, by new key; an inode that
        stands for another version has lost its object."""
        directory.cache.clear()
        for inode in list(directory.children.values()):
            if isinstance(inode, Directory):
                self._moved_beneath(inode, versions, stored)
            elif isinstance(inode, File) and inode.committed:
                if versions.get(inode.key) == inode.etag:
                    self._moved(inode, stored[inode.key])
                else:
                    self._namespace.inodes.unlink(inode)
