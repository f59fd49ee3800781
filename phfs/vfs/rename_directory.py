"""Renaming a directory: every object beneath it is copied, then the old ones are deleted.

Owns the order of steps, the limits, and what is undone when one fails. Called by ``rename``, which
has settled what may replace what.
"""

from __future__ import annotations

from dataclasses import dataclass

from phfs.core.inodes import Directory, File, Inode
from phfs.core.names import is_path
from phfs.core.objects import ETag, ObjectInfo, Stored
from phfs.errors import (
    CrossDevice,
    Invalid,
    NoSuchKey,
    NotFound,
    OperationFailed,
    PhfsError,
    PreconditionFailed,
    StoreError,
    TransientError,
    Unsupported,
)
from phfs.s3 import looking
from phfs.s3.copying import copy_object
from phfs.vfs.changes import Changes
from phfs.vfs.copies import Copies, named
from phfs.vfs.files import Files
from phfs.vfs.namespace import Namespace
from phfs.vfs.tasks import for_each

COPIES_AT_ONCE = 16
"""Objects copied at the same time while a directory is renamed: each is one short request."""


@dataclass(frozen=True)
class RenameLimits:
    """Above either, renaming a directory answers ``CrossDevice`` and mv(1) copies by itself."""

    objects: int
    size: int


class DirectoryRenamer:
    """Renames directories."""

    def __init__(
        self,
        namespace: Namespace,
        files: Files,
        changes: Changes,
        copies: Copies,
        limits: RenameLimits,
    ) -> None:
        self._namespace = namespace
        self._files = files
        self._changes = changes
        self._copies = copies
        self._limits = limits

    async def rename(
        self, source: Directory, parent: Directory, name: str, target: Inode | None
    ) -> None:
        """Give a directory another path; ``target`` is what is there, an empty directory.

        Raises ``Invalid``, ``NotEmpty``, ``Busy``, ``CrossDevice``, ``Unsupported``.
        """
        namespace, moving = self._namespace, self._files.moving
        old_parent, old_name = source.parent, source.name
        old_key, new_key = source.key, f"{parent.key}{name}/"
        if old_parent is None:
            raise NotFound(f"There is no {source.path}.")
        if new_key.startswith(old_key):
            raise Invalid(f"{source.path} cannot be moved into itself.")
        if isinstance(target, Directory):
            await self._changes.check_empty(target)
        await moving.await_release_beneath(old_key, new_key)
        moving.refuse_written_beneath(old_key, new_key)
        for handle in self._files.handles:
            if handle.file.inode.key.startswith(old_key):
                await self._files.settle(handle.file.inode)
        with moving.hold(old_key, new_key):
            moving.refuse_written_beneath(old_key, new_key)
            objects = await self._objects(source)
            try:
                stored = await self._copy_all(objects, old_key, new_key, keep=target is not None)
            except PhfsError:
                namespace.doubt_name(parent, name)  # copies may be there all the same
                if isinstance(target, Directory):
                    target.cache.clear()
                raise
            namespace.inodes.move(source, parent, name)
            versions = {new_key + info.key[len(old_key) :]: info.etag for info in objects}
            self._moved_beneath(source, versions, stored)
            namespace.renamed_directory(old_parent, old_name, source)
            try:
                await self._delete_all([info.key for info in objects], new_key)
                # A listing that began meanwhile may have seen what was not deleted yet.
                namespace.removed(old_parent, old_name)
            except PhfsError:
                namespace.doubt_name(old_parent, old_name)
                raise

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
        """Copy every object, or put a marker if there is none; the results by new key.

        When one fails the copies are removed, all but the marker of a directory that was there
        before (``keep``); the error names those that may be left.
        """
        begun: list[str] = []
        try:
            stored = await self._copy_each(objects, old_key, new_key, begun)
            if not objects:
                begun.append(new_key)
                await self._changes.put_marker(new_key)
        except BaseException as error:
            left = await self._copies.remove([k for k in begun if not (keep and k == new_key)])
            if isinstance(error, StoreError):
                raise _not_moved(error, old_key, left) from error
            raise
        return stored

    async def _copy_each(
        self, objects: list[ObjectInfo], old_key: str, new_key: str, begun: list[str]
    ) -> dict[str, Stored]:
        """After a failure no copy is begun, and those under way end first: cut off, they could
        still be made after they were removed."""
        stored: dict[str, Stored] = {}
        errors: list[StoreError] = []

        async def copy(info: ObjectInfo) -> None:
            if errors:
                return
            key = new_key + info.key[len(old_key) :]
            begun.append(key)
            try:
                stored[key] = await copy_object(
                    self._namespace.store, info.key, key, size=info.size, if_match=info.etag
                )
            except StoreError as error:
                errors.append(error)

        await for_each(objects, copy, at_once=COPIES_AT_ONCE)
        if errors:
            raise errors[0]
        return stored

    async def _delete_all(self, keys: list[str], new_key: str) -> None:
        """Raises ``OperationFailed`` naming what is left, or what the store refused it with."""
        failed: StoreError | None = None
        try:
            failures = await self._namespace.store.delete_many(keys)
            left = [failure.key for failure in failures]
            failed = failures[0].error if failures else None
        except StoreError as error:
            left, failed = await self._still_there(keys), error
        if left and failed is not None:
            kind = OperationFailed if isinstance(failed, TransientError) else type(failed)
            raise kind(
                f"Everything is readable under /{new_key.removesuffix('/')}, but {named(left)} "
                f"could not be removed under the old name: {failed}",
                "Remove those once the store allows it.",
            )

    async def _still_there(self, keys: list[str]) -> list[str]:
        """Those of ``keys`` whose deletion has not taken effect, as far as the store says."""
        try:
            there = await looking.remaining(self._namespace.store, keys)
        except StoreError:
            there = None
        return [key for key in keys if there is None or key in there]

    def _moved_beneath(
        self, directory: Directory, versions: dict[str, ETag], stored: dict[str, Stored]
    ) -> None:
        """Files follow their objects. ``versions``: what was copied, by new key; an inode that
        stands for another version has lost its object."""
        waiting = [directory]
        while waiting:
            current = waiting.pop()
            current.cache.clear()
            for inode in list(current.children.values()):
                if isinstance(inode, Directory):
                    waiting.append(inode)
                elif isinstance(inode, File) and inode.committed:
                    if versions.get(inode.key) == inode.etag:
                        self._files.moving.moved(inode, stored[inode.key])
                    else:
                        self._namespace.inodes.unlink(inode)


def _not_moved(error: StoreError, old_key: str, left: list[str]) -> PhfsError:
    """Why nothing was moved, and which copies may be left of the attempt."""
    kind: type[PhfsError] = type(error)
    why, advice = error.why, error.advice
    if isinstance(error, PreconditionFailed | NoSuchKey):
        kind = OperationFailed
        why = f"/{old_key} was changed by somebody else while it was being renamed."
        advice = "Try again."
    if left:
        why = f"Nothing was moved, but copies may be left, {named(left)}: {why}"
        advice = f"/{old_key} is whole; remove the copies once the store allows it."
    return kind(why, advice)
