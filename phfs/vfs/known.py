"""What is known of the bucket's names beyond single inodes, and how much of it is remembered.

Owns the directories that stay without a marker, the keys no path leads to, and the bound on all
directory caches together. Never asks the store. Called by ``namespace``, ``asking`` and
``directories``.
"""

from __future__ import annotations

import logging
from collections import OrderedDict
from collections.abc import Iterable

from phfs.core.inodes import Directory, is_needed
from phfs.core.kept import KeptDirectories
from phfs.core.listing import Child, ListingFold, directory_child

log = logging.getLogger(__name__)

MOST_NAMES = 200_000
"""Names remembered over all directories (about 300 bytes each): the least recently listed
directories are forgotten first."""

LEAST_SWEPT = 1_000
"""Directories remembered before any is looked at again."""

MOST_NOTED = 1_000
"""Ignored or shadowed keys remembered for the status."""

SHADOWED = "shadowed by a directory of the same name"
IGNORED = "not shown: no part of a path"


class Known:
    """The memory of one mount's names."""

    def __init__(self) -> None:
        self.kept = KeptDirectories()
        """Directories that this mount made without a marker, or emptied."""
        self.ignored: dict[str, None] = {}
        self.shadowed: dict[str, None] = {}
        self.overlooked = False
        """Whether there were more of either than are remembered."""
        self._cached: OrderedDict[Directory, int] = OrderedDict()
        """Names counted for each directory when it was last listed, the longest ago first."""
        self._names = 0
        """The sum of those."""
        self._sweep_at = LEAST_SWEPT

    def listed(self, directory: Directory, children: dict[str, Child], fold: ListingFold) -> None:
        """A complete listing of a directory, begun at ``fold.begun``, is known."""
        if children:
            confirm(directory, fold.begun)
        for name in self.kept.names_in(directory.key):
            children[name] = directory_child(fold.begun)
        directory.cache.merge(children, fold.begun)
        self.note_listing(fold)
        self.remember(directory)

    def remember(self, directory: Directory) -> None:
        """Names were learnt; those of the directory asked for longest ago go if it is too many."""
        names = 1 + len(directory.cache)
        self._names += names - self._cached.get(directory, 0)
        self._cached[directory] = names
        self._cached.move_to_end(directory)
        while len(self._cached) > 1 and self._names > MOST_NAMES:
            oldest, counted = self._cached.popitem(last=False)
            self._names -= counted
            oldest.cache.clear()
        if len(self._cached) > self._sweep_at:
            self._sweep()

    @property
    def cached(self) -> tuple[int, int]:
        """Directories whose names are remembered, and names in all."""
        return len(self._cached), self._names

    def _sweep(self) -> None:
        """Let go of directories that nobody holds: their caches are never asked again. Done when
        their number has doubled, so that it costs little for each."""
        for directory in [it for it in self._cached if not is_needed(it)]:
            self._names -= self._cached.pop(directory)
        self._sweep_at = max(LEAST_SWEPT, 2 * len(self._cached))

    def note_shadowed(self, key: str) -> None:
        """Remember a file that a directory of the same name hides."""
        self._note(self.shadowed, [key], SHADOWED)

    def no_longer_shadowed(self, key: str) -> bool:
        """A name was removed: forget that it hid a file; True if it did."""
        return key in self.shadowed and self.shadowed.pop(key) is None

    def note_listing(self, fold: ListingFold) -> None:
        """Remember, for the status, the keys a listing could not show."""
        self._note(self.ignored, fold.ignored, IGNORED)
        self._note(self.shadowed, fold.shadowed, SHADOWED)
        fold.ignored, fold.shadowed = [], []

    def _note(self, notes: dict[str, None], keys: Iterable[str], reason: str) -> None:
        for key in keys:
            if key in notes:
                continue
            if len(notes) == MOST_NOTED:
                self.overlooked = True
                return
            notes[key] = None
            log.info("object %r is %s", key, reason)


def confirm(directory: Directory, begun: float) -> None:
    """Something is in it: it is a directory, and so are those it is in."""
    while directory.parent is not None:
        directory.seen = max(directory.seen, begun)
        directory.parent.cache.learn(directory.name, directory_child(begun))
        directory = directory.parent
