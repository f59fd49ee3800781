"""Small files fetched whole before they are opened, because of how those beside them are read.

Owns the readers that nobody has opened yet. Which files are worth it is decided by
``core/succession`` and ``core/shuffle``; fetching is ``fetcher``'s, within the memory that nobody
else uses. A reader is of one version: whoever opens the file has looked up its name, and gets the
bytes only if they are of the version found. Called by ``files``.
"""

from __future__ import annotations

from collections import OrderedDict
from functools import partial
from math import inf

import trio

from phfs.core.inodes import Directory, File, number_of
from phfs.core.shuffle import Shuffle
from phfs.core.succession import Succession
from phfs.vfs.blocks import capacity_for
from phfs.vfs.fetcher import Fetcher
from phfs.vfs.reader import Reader

MOST_DIRECTORIES = 64
"""Directories whose reads are followed at a time."""

MOST_SEEN = 20_000
"""Names remembered as read, at 200 bytes each, beside those of the directory that is read."""

LEAST_CHARGED = 16 * 1024
"""Bytes that a file waiting takes of the window, however small it is: objects of Python take 4,500
for each."""

IDLE_SECONDS = 3.0
"""What waits of a directory not read for so long gives way to what is read in no order; and for so
long after the memory of something that waits was needed, nothing is fetched for that."""


class _Ways:
    """How the files of one directory are gone through, and how many of them wait."""

    __slots__ = ("shuffle", "succession", "used", "waiting")

    def __init__(self) -> None:
        self.succession = Succession()
        self.shuffle = Shuffle()
        self.used = -inf
        self.waiting = 0


class Siblings:
    """The files fetched ahead, the oldest first, and how each directory is read."""

    def __init__(self, fetcher: Fetcher) -> None:
        self._fetcher = fetcher
        self._waiting: OrderedDict[str, tuple[Reader, _Ways]] = OrderedDict()
        self._charged = 0
        self._ways: OrderedDict[int, _Ways] = OrderedDict()
        self._lost = -inf
        """When somebody needed the memory of a file that waits."""

    def __len__(self) -> int:
        """Files fetched that nobody has opened yet."""
        return len(self._waiting)

    def reader(self, inode: File) -> Reader:
        """A reader for a file that begins to be read; those that will be next are fetched."""
        key = inode.key
        if key in self._waiting and self._waiting[key][0].etag != inode.etag:
            self._drop(key)
        reader = self._take(key) if key in self._waiting else None
        if inode.parent is not None and inode.size <= self._fetcher.options.first:
            self._fetch_next(inode.parent, inode)
        return reader or Reader(self._fetcher, key, inode.size, inode.etag)

    def _fetch_next(self, directory: Directory, file: File) -> None:
        ways = self._ways_through(directory)
        succession, shuffle = ways.succession, ways.shuffle
        names = directory.cache.files_in_order()
        worth = partial(self._worth, directory)
        following = succession.read(names, file.name, partial(number_of, directory))
        memory = self._fetcher.options.window if succession.order is None else 0
        if len(self._waiting) > ways.waiting:
            self._drop_idle()
        others = shuffle.read(names, file.name, _charge(file.size), ways.waiting, memory, worth)
        for way, found in ((succession, following), (shuffle, others)):
            for name in found:
                if worth(name) and not self._fetch(directory, name, ways):
                    way.gave_up(name)
                    break

    def _ways_through(self, directory: Directory) -> _Ways:
        last = next(reversed(self._ways.values()), None)
        ways = self._ways.pop(directory.number, None) or _Ways()
        ways.used = trio.current_time()
        self._ways[directory.number] = ways
        if last is not None and last is not ways:
            ways.succession.follow(last.succession)
            self._forget_ways()
        return ways

    def _forget_ways(self) -> None:
        """Follow those used last only."""
        seen = sum(ways.shuffle.remembered for ways in self._ways.values())
        while len(self._ways) > MOST_DIRECTORIES or (seen > MOST_SEEN and len(self._ways) > 1):
            _, ways = self._ways.popitem(last=False)
            seen -= ways.shuffle.remembered
            self._drop_all(ways)

    def _drop_idle(self) -> None:
        """Nobody reads the directory any more: its files wait in vain."""
        idle = trio.current_time() - IDLE_SECONDS
        for ways in self._ways.values():
            if ways.used > idle:
                break
            if ways.waiting:
                self._drop_all(ways)

    def _worth(self, directory: Directory, name: str) -> bool:
        """Whether the file is small, and neither empty, open nor there."""
        child = directory.cache.children.get(name)
        open_now = directory.children.get(name)
        return (
            child is not None
            and 0 < child.size <= self._fetcher.options.first
            and not (open_now is not None and open_now.users)
            and directory.key + name not in self._waiting
        )

    def _fetch(self, directory: Directory, name: str, ways: _Ways) -> bool:
        """Fetch a file; False if there are no means.

        What is next in some order takes the place of the oldest. What is read in no order takes
        nobody's, nor does an order found in that: it is one by accident.
        """
        child = directory.cache.children[name]
        key = directory.key + name
        charge = _charge(child.size)
        room = self._fetcher.options.window - charge
        if ways.shuffle.going and not self._undisputed(room, charge):
            return False
        reader = Reader(self._fetcher, key, child.size, child.etag)
        reader.emptied = partial(self._lose, key)
        if not reader.fetch_whole():
            reader.close()
            return False
        while self._waiting and self._charged > room:
            self._drop(next(iter(self._waiting)))
        self._waiting[key] = reader, ways
        self._charged += charge
        ways.waiting += 1
        return True

    def _undisputed(self, room: int, charge: int) -> bool:
        """Whether there is memory that nobody needs, and nobody did a moment ago."""
        lately = trio.current_time() - IDLE_SECONDS
        return self._charged <= room and self._lost < lately and self._fetcher.leaves_half(charge)

    def _take(self, key: str) -> Reader:
        """The reader that waits for whoever opens the file."""
        reader, ways = self._waiting.pop(key)
        self._charged -= _charge(reader.size)
        ways.waiting -= 1
        return reader

    def _lose(self, key: str) -> None:
        self._lost = trio.current_time()
        self._drop(key)

    def _drop(self, key: str) -> None:
        if key in self._waiting:
            self._waiting[key][1].shuffle.dropped()
            self._take(key).close()

    def _drop_all(self, ways: _Ways) -> None:
        for key in [key for key, (_, whose) in self._waiting.items() if whose is ways]:
            self._drop(key)


def _charge(size: int) -> int:
    """Bytes of the window that a file of ``size`` bytes takes."""
    return max(LEAST_CHARGED, capacity_for(size))
