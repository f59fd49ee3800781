"""Small files fetched whole before they are opened, because those beside them are read in order.

Owns the readers that nobody has opened yet. Which files are worth it is decided by
``core/succession``; fetching is ``fetcher``'s, within the memory that nobody else uses. A reader is
of one version: whoever opens the file has looked up its name, and gets the bytes only if they are
of the version found. Called by ``files``.
"""

from __future__ import annotations

from collections import OrderedDict
from functools import partial

from phfs.core.inodes import Directory, File, number_of
from phfs.core.succession import Succession
from phfs.vfs.fetcher import Fetcher
from phfs.vfs.reader import Reader

MOST_DIRECTORIES = 64
"""Directories whose reads are followed at a time."""


class Siblings:
    """The files fetched ahead, the oldest first, and how each directory is read."""

    def __init__(self, fetcher: Fetcher) -> None:
        self._fetcher = fetcher
        self._waiting: OrderedDict[str, Reader] = OrderedDict()
        self._size = 0
        self._successions: OrderedDict[int, Succession] = OrderedDict()

    def __len__(self) -> int:
        """Files fetched that nobody has opened yet."""
        return len(self._waiting)

    def reader(self, inode: File) -> Reader:
        """A reader for a file that begins to be read; those next in line are fetched."""
        reader = self._take(inode)
        if inode.parent is not None and inode.size <= self._fetcher.options.first:
            self._fetch_next(inode.parent, inode.name)
        return reader

    def _take(self, inode: File) -> Reader:
        reader = self._waiting.pop(inode.key, None)
        if reader is not None:
            self._size -= reader.size
            if reader.etag == inode.etag:
                return reader
            reader.close()
        return Reader(self._fetcher, inode.key, inode.size, inode.etag)

    def _fetch_next(self, directory: Directory, name: str) -> None:
        last = next(reversed(self._successions.values()), None)
        succession = self._successions.pop(directory.number, None) or Succession()
        if last is not None and last is not succession:
            succession.follow(last)
        self._successions[directory.number] = succession
        if len(self._successions) > MOST_DIRECTORIES:
            self._successions.popitem(last=False)
        names = directory.cache.files_in_order()
        for sibling in succession.read(names, name, partial(number_of, directory)):
            if not self._fetch(directory, sibling):
                succession.gave_up(sibling)
                return

    def _fetch(self, directory: Directory, name: str) -> bool:
        """Fetch a file unless it is large, empty, open or there; False if there are no means."""
        child = directory.cache.children.get(name)
        key = directory.key + name
        open_now = directory.children.get(name)
        if (
            child is None
            or not 0 < child.size <= self._fetcher.options.first
            or (open_now is not None and open_now.users)
            or key in self._waiting
        ):
            return True
        reader = Reader(self._fetcher, key, child.size, child.etag)
        if not reader.fetch_whole():
            reader.close()
            return False
        self._waiting[key] = reader
        self._size += child.size
        while self._size > self._fetcher.options.window:
            self._drop_oldest()
        return True

    def _drop_oldest(self) -> None:
        _, reader = self._waiting.popitem(last=False)
        self._size -= reader.size
        reader.close()
