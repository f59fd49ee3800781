"""Paths, as the bucket and this mount know them: lookup, freshness, what was seen and when.

Owns the inode table's contents and the directory caches; asks the store by HEAD and LIST. Never
touches an object's bytes and never changes the bucket. Called by ``filesystem``, ``files``,
``directories`` and ``rename``.

Freshness: an answer may be used until it is ``ttl`` seconds old, counted from when its request
began. What this mount did is known at once and is newer than any answer begun before it.
"""

from __future__ import annotations

from collections.abc import Callable

import trio

from phfs.core.inodes import Directory, File, Inode, InodeTable
from phfs.core.listing import NO_ETAG, Child, directory_child
from phfs.core.names import EXPLANATIONS, MAX_NAME, is_name
from phfs.errors import NameTooLong, NotDirectory, NotFound, Stale
from phfs.s3.store import Store
from phfs.vfs.asking import Asking
from phfs.vfs.known import Known, confirm
from phfs.vfs.refreshing import Refreshing
from phfs.vfs.values import Stat


class Namespace:
    """The tree of names over one store."""

    def __init__(
        self,
        store: Store,
        nursery: trio.Nursery,
        *,
        ttl: float,
        max_key: int,
        now: Callable[[], float],
    ) -> None:
        """``nursery`` runs listings ahead of need."""
        self.store = store
        self.ttl = ttl
        self.max_key = max_key
        self.inodes = InodeTable(int(now()))
        self.known = Known()
        self._asking = Asking(store, self.known, ttl=ttl)
        self._refreshing = Refreshing(store, self.known, nursery, ttl=ttl)
        self._now = now

    # -- inodes --------------------------------------------------------------------------------

    def inode(self, number: int) -> Inode:
        """The inode. Raises ``Stale`` for one nobody knows."""
        inode = self.inodes.get(number)
        if inode is None:
            raise Stale(f"Inode {number} is not known to this mount.")
        return inode

    def directory(self, number: int) -> Directory:
        """The directory. Raises ``NotDirectory``, and ``Stale`` when it was removed."""
        inode = self.inode(number)
        if not isinstance(inode, Directory):
            raise NotDirectory(f"{inode.path} is a file, not a directory.")
        if not inode.linked:
            raise Stale(f"{inode.path} was removed or replaced.")
        return inode

    def stat(self, inode: Inode) -> Stat:
        """The attributes, and how long they may be believed."""
        ttl = max(0.0, self.ttl - (trio.current_time() - inode.seen))
        if isinstance(inode, File):
            ttl = 0.0 if inode.uncommitted or not inode.linked else ttl
            return Stat(inode.number, False, inode.length, inode.mtime, ttl)  # noqa: FBT003
        assert isinstance(inode, Directory)
        if inode is self.inodes.root:
            ttl = self.ttl
        return Stat(inode.number, True, 0, inode.mtime, ttl)  # noqa: FBT003

    async def lookup(self, parent: Directory, name: str) -> Inode:
        """The inode that stands for a name now. Raises ``NotFound``, ``NameTooLong``."""
        known = self._uncommitted(parent, name)
        if known is not None:
            return known
        try:
            child = await self.child(parent, name)
        except NotFound:
            known = self._uncommitted(parent, name)  # somebody may have created it meanwhile
            if known is None:
                raise
            return known
        return self._uncommitted(parent, name) or self.inodes.bind(parent, name, child)

    def _uncommitted(self, parent: Directory, name: str) -> File | None:
        known = parent.children.get(name)
        return known if isinstance(known, File) and known.uncommitted else None

    async def revalidate(self, inode: Inode) -> None:
        """Make sure the inode still stands for its path. Raises ``Stale`` if it does not."""
        if inode is self.inodes.root:
            return
        if isinstance(inode, File) and (inode.uncommitted or inode.users):
            return  # a version does not change while somebody holds it
        if inode.parent is not None:
            if trio.current_time() - inode.seen < self.ttl:
                return
            try:
                found = await self.lookup(inode.parent, inode.name)
                if found is inode:
                    return
                self.inodes.drop_unused(found)
            except NotFound:
                self.inodes.unlink(inode)
        raise Stale(f"{inode.path} was replaced or deleted by somebody else.")

    def opened(self, inode: File) -> None:
        """A file is opened: a use of its directory, where the kernel knew the name from a listing
        and did not ask for it."""
        if inode.parent is not None:
            self._refreshing.asked(inode.parent)

    def entered(self, directory: Directory) -> None:
        """A directory begins to be read: others may be, next."""
        self._refreshing.entered(directory)

    async def listed_ahead(self, directory: Directory) -> None:
        """Wait for the directory's listing if one is on its way already."""
        await self._refreshing.ahead(directory)

    def check_current(self, inode: File) -> None:
        """Raises ``Stale`` when the inode is known not to be what its path stands for."""
        if inode.parent is not None and not inode.uncommitted:
            newest = inode.parent.cache.children.get(inode.name)
            if newest is not None and newest.etag != inode.etag and newest.seen > inode.seen:
                self.inodes.unlink(inode)
        doubted = inode.seen == float("-inf") and not inode.uncommitted
        if doubted or not inode.linked:
            raise Stale(f"{inode.path} was replaced by another version.")

    # -- one name ------------------------------------------------------------------------------

    async def child(self, parent: Directory, name: str) -> Child:
        """What a name stands for, at most ``ttl`` old. Raises ``NotFound``, ``NameTooLong``."""
        key = parent.key + name
        if len(name.encode()) > MAX_NAME or len(key.encode()) > self.max_key:
            raise NameTooLong(f"The path /{key} is longer than an object's key can be.")
        if not is_name(name) or key == EXPLANATIONS:
            raise NotFound(f"There is no /{key}.")
        oldest = trio.current_time() - self.ttl
        child = parent.cache.get(name, oldest)
        if child is None and not parent.cache.is_absent(name, oldest):
            child = await self._asking.ask(parent, name)
            # The answer may be another asker's, and older than what this mount did since.
            newest = parent.cache.children.get(name)
            if (
                child is None
                or parent.cache.removed_since(name, child.seen)
                or (newest is not None and newest.seen > child.seen)
            ):
                child = newest
        self._refreshing.asked(parent)
        if child is None:
            raise NotFound(f"There is no /{key}.")
        return child

    # -- what this mount did -------------------------------------------------------------------

    def committed(self, file: File) -> None:
        """The file's current figures are what the bucket has now."""
        file.seen = trio.current_time()
        if file.parent is not None:
            child = Child(
                is_dir=False, size=file.size, etag=file.etag, mtime=file.mtime, seen=file.seen
            )
            file.parent.cache.put(file.name, child)
            confirm(file.parent, file.seen)
            self._touch(file.parent)
        self._doubt_lost(file)

    def _doubt_lost(self, inode: Inode) -> None:
        """Something was stored under a path of which names had gone away: they may be back."""
        above: Inode | None = inode
        while above is not None:
            if above.parent is None and above.last_parent is not None:
                above.last_parent.cache.doubt(above.name)
            above = above.parent or above.last_parent

    def new_file(self, parent: Directory, name: str) -> File:
        """A file that only this mount knows, until it is committed."""
        child = Child(
            is_dir=False, size=0, etag=NO_ETAG, mtime=int(self._now()), seen=trio.current_time()
        )
        inode = self.inodes.bind(parent, name, child)
        assert isinstance(inode, File)
        return inode

    def made_directory(self, parent: Directory, name: str) -> Directory:
        """A directory has just been made."""
        child = directory_child(trio.current_time())
        parent.cache.put(name, child)
        inode = self.inodes.bind(parent, name, child)
        assert isinstance(inode, Directory)
        inode.cache.merge({}, child.seen)
        self._touch(parent)
        return inode

    def removed(self, parent: Directory, name: str) -> None:
        """A name has just been removed from the bucket."""
        parent.cache.remove(name, trio.current_time())
        if self.known.no_longer_shadowed(parent.key + name):
            parent.cache.doubt(name)  # the file that the directory hid shows now
        known = parent.children.get(name)
        if known is not None:
            self.inodes.unlink(known)
        self.known.kept.add(parent.key)
        self._touch(parent)

    def doubt(self, inode: Inode) -> None:
        """What is known of this path was shown to be wrong: ask the store next time."""
        inode.seen = float("-inf")
        if inode.parent is not None:
            inode.parent.cache.doubt(inode.name)

    def doubt_name(self, parent: Directory, name: str) -> None:
        """What stands at this name is not known any more: ask the store next time."""
        parent.cache.doubt(name)
        known = parent.children.get(name)
        if known is not None:
            known.seen = float("-inf")

    def renamed_directory(self, old_parent: Directory, old_name: str, moved: Directory) -> None:
        """A directory hangs at its new place; its old name is free."""
        assert moved.parent is not None
        self.known.kept.move(f"{old_parent.key}{old_name}/", moved.key)
        self.removed(old_parent, old_name)
        self.made_directory(moved.parent, moved.name)
        moved.cache.clear()

    def _touch(self, directory: Directory) -> None:
        directory.mtime = int(self._now())
