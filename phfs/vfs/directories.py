"""Open directories: listings that stay right while the directory changes.

Owns directory handles. A handle is a snapshot that grows page by page as the kernel reads on, so
that the first names of a large directory come after one request; a name that was there all along
comes exactly once. Called by ``filesystem``.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Mapping

import trio

from phfs.core.inodes import Directory, File, Inode
from phfs.core.listing import NO_ETAG, Child, ListingFold
from phfs.errors import BadHandle
from phfs.vfs.namespace import Namespace
from phfs.vfs.values import Entry

FIRST_HANDLE = 1 << 32
"""Handles of directories begin here, so that they are told from those of files."""

DOTS = 2
"""Offsets taken by the entries for the directory itself and its parent."""

UNCOMMITTED = Child(is_dir=False, size=0, etag=NO_ETAG, mtime=0, seen=float("-inf"))
"""Stands for a file that only this mount knows, until it is looked at."""


class _Listing:
    """One pass over a directory: what was found so far, and how to find more."""

    def __init__(self, namespace: Namespace, directory: Directory) -> None:
        self.entries: list[tuple[str, Child]] = []
        self.complete = False
        self._namespace = namespace
        self._directory = directory
        self._names: set[str] = set()
        self._listed: dict[str, Child] = {}
        self._token: str | None = None
        self._lock = trio.Lock()
        self._fold = ListingFold(directory.key, trio.current_time())
        self._use_known()

    async def fetch(self, wanted: int) -> None:
        """Read pages until more than ``wanted`` entries are known, or all of them."""
        async with self._lock:
            if self._token is None and not self.complete:
                await self._namespace.listed_ahead(self._directory)
                self._use_known()
            while not self.complete and len(self.entries) <= wanted:
                await self._fetch_page()

    def _use_known(self) -> None:
        """Ask nobody if what is known is all there is, and young enough."""
        if self._directory.cache.is_complete(trio.current_time() - self._namespace.ttl):
            self._finish()

    async def _fetch_page(self) -> None:
        directory, fold = self._directory, self._fold
        begun, key = trio.current_time(), directory.key
        page = await self._namespace.store.list_page(key, delimiter="/", token=self._token)
        if directory.key != key:
            # It was renamed meanwhile, and what came may be of the old place when it was empty.
            self._token, self._listed = None, {}
            self._fold = ListingFold(directory.key, trio.current_time())
            return
        self._token = page.next_token
        children = fold.add(page, begun)
        self._listed.update(children)
        if page.next_token is None:
            self._namespace.known.listed(directory, self._listed, fold)
            self._finish()
        else:
            self._namespace.known.note_listing(fold)
            self._add(children)

    def _add(self, children: Mapping[str, Child]) -> None:
        for name, child in children.items():
            if name not in self._names:
                self._names.add(name)
                self.entries.append((name, child))

    def _finish(self) -> None:
        """The rest: what the whole listing settled, then files that only this mount knows."""
        directory = self._directory
        self._add(directory.cache.children)
        for name, inode in directory.children.items():
            if isinstance(inode, File) and inode.uncommitted:
                self._add({name: UNCOMMITTED})
        self.complete = True
        self._listed = {}


class Directories:
    """All open directories."""

    def __init__(self, namespace: Namespace) -> None:
        self._namespace = namespace
        self._open: dict[int, tuple[Directory, _Listing]] = {}
        self._next = FIRST_HANDLE

    def __len__(self) -> int:
        return len(self._open)

    def open(self, directory: Directory) -> int:
        """Open a directory; its entries are asked for when they are read."""
        handle = self._next
        self._next += 1
        self._open[handle] = (directory, _Listing(self._namespace, directory))
        self._namespace.inodes.use(directory)
        return handle

    def close(self, handle: int) -> None:
        """Close a directory."""
        opened = self._open.pop(handle, None)
        if opened is not None:
            self._namespace.inodes.unuse(opened[0])

    def directory(self, handle: int) -> Directory:
        """The directory a handle is open for. Raises ``BadHandle``."""
        if handle not in self._open:
            raise BadHandle("The directory is not open.")
        return self._open[handle][0]

    async def read(self, handle: int, offset: int) -> AsyncGenerator[Entry, None]:
        """The entries from ``offset`` on; offset 0 looks at the directory anew."""
        directory = self.directory(handle)
        listing = self._open[handle][1]
        if offset == 0 and (listing.entries or listing.complete):
            listing = _Listing(self._namespace, directory)
            self._open[handle] = (directory, listing)
        namespace = self._namespace
        if offset == 0:
            namespace.entered(directory)
        for index, name in ((0, "."), (1, "..")):
            if offset <= index:
                dot = directory if index == 0 else directory.parent or directory
                yield Entry(name, namespace.stat(dot), index + 1)
        position = max(0, offset - DOTS)
        while True:
            if position >= len(listing.entries):
                await listing.fetch(position)
                if position >= len(listing.entries):
                    return
            name, child = listing.entries[position]
            position += 1
            inode = self._inode(directory, name, child)
            if inode is not None:
                try:
                    yield Entry(name, namespace.stat(inode), position + DOTS)
                finally:
                    namespace.inodes.drop_unused(inode)

    def _inode(self, directory: Directory, name: str, child: Child) -> Inode | None:
        """The inode for an entry as it is now, None if it went away since it was listed."""
        known = directory.children.get(name)
        if isinstance(known, File) and known.uncommitted:
            return known
        newest = directory.cache.children.get(name, child)
        if newest.seen > child.seen:
            child = newest
        if child is UNCOMMITTED or directory.cache.removed_since(name, child.seen):
            return None
        return self._namespace.inodes.bind(directory, name, child)
