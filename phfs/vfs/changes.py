"""Making and removing names: mkdir, rmdir, unlink.

Owns the order of steps between the bucket, the directory caches and open files. Renaming is in
``rename``. Called by ``filesystem``.
"""

from __future__ import annotations

from contextlib import nullcontext

from phfs.core.content_type import DIRECTORY
from phfs.core.inodes import Directory, File
from phfs.core.names import check_new_name
from phfs.core.objects import Attributes
from phfs.errors import Exists, IsDirectory, NotDirectory, NotEmpty, NotFound, StoreError
from phfs.vfs.files import Files
from phfs.vfs.namespace import Namespace


class Changes:
    """Changes of the tree that need no copy."""

    def __init__(self, namespace: Namespace, files: Files, *, dir_markers: bool) -> None:
        self._namespace = namespace
        self._files = files
        self._dir_markers = dir_markers

    async def make_directory(self, parent: Directory, name: str) -> Directory:
        """Make a directory: a marker object, or without markers a memory of this mount.

        Raises ``Exists`` and what ``check_new_name`` raises.
        """
        namespace = self._namespace
        check_new_name(parent.key, name, namespace.max_key)
        try:
            there = await namespace.lookup(parent, name)
        except NotFound:
            pass
        else:
            namespace.inodes.drop_unused(there)
            raise Exists(f"{there.path} exists already.")
        self._files.moving.refuse(f"{parent.key}{name}/")
        await self.put_marker(f"{parent.key}{name}/")
        return namespace.made_directory(parent, name)

    async def put_marker(self, key: str) -> None:
        """Make sure the directory with this key is there though nothing is in it."""
        if self._dir_markers:
            await self._namespace.store.put(key, (), Attributes(content_type=DIRECTORY))
        else:
            self._namespace.known.kept.add(key)

    async def check_empty(self, directory: Directory) -> None:
        """Ask the bucket. Raises ``NotEmpty``."""
        key = directory.key
        page = await self._namespace.store.list_page(key, limit=2)
        kept = any(True for _ in self._namespace.known.kept.names_in(key))
        if kept or any(info.key != key or info.size for info in page.objects):
            raise NotEmpty(f"{directory.path} is not empty.")  # a marker may have bytes as well
        for inode in directory.children.values():
            if isinstance(inode, File) and inode.uncommitted:
                raise NotEmpty(f"{inode.path} is being written.")

    async def remove_directory(self, parent: Directory, name: str) -> None:
        """Remove an empty directory. Raises ``NotDirectory``, ``NotEmpty``."""
        namespace = self._namespace
        inode = await namespace.lookup(parent, name)
        if not isinstance(inode, Directory):
            raise NotDirectory(f"{inode.path} is a file, not a directory.")
        key = inode.key
        with self._files.moving.hold(key):
            await self.check_empty(inode)
            try:
                await namespace.store.delete(key)
            except StoreError:
                namespace.doubt(inode)  # it may have taken effect and its answer be lost
                raise
            namespace.known.kept.discard(key)
            namespace.removed(parent, name)

    async def unlink(self, parent: Directory, name: str) -> None:
        """Remove a file. Raises ``IsDirectory``, ``Busy`` while it is renamed."""
        namespace = self._namespace
        inode = await namespace.lookup(parent, name)
        if not isinstance(inode, File):
            raise IsDirectory(f"{inode.path} is a directory.")
        file = self._files.handles.find(inode)
        owner = file.owner if file is not None else None
        with self._files.moving.hold(inode.key):
            async with nullcontext() if owner is None else owner.lock:
                if inode.committed:
                    try:
                        await namespace.store.delete(inode.key)
                    except StoreError:
                        namespace.doubt(inode)  # it may have taken effect and its answer be lost
                        raise
                namespace.removed(parent, name)
                if not inode.committed:
                    namespace.doubt_name(parent, name)  # somebody else may have put one meanwhile
                await self._files.moving.discard(inode)
