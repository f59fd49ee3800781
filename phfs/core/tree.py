"""What is known of one directory's names, how old it is, and which of two answers is newer.

Owns the merge rule: whatever this mount did or learnt after a request began is newer than the
request's answer. Never asks the store and reads no clock: times are monotonic seconds handed in.
Called by ``vfs/namespace``.
"""

from __future__ import annotations

from bisect import bisect_left, insort
from collections.abc import Mapping

from phfs.core.listing import Child

ORDERED = 4
"""Names asked for in listing order, one after the other, before the next one makes it likely that
more will follow. Names in random order do that once in 120 times."""


class DirectoryCache:
    """The children of one directory, as far as they are known."""

    def __init__(self) -> None:
        self._asked = ""
        self._run = 0
        self.children: dict[str, Child] = {}
        self._files: list[str] | None = None
        self._directories: list[str] | None = None
        self.listed: float | None = None
        """When the last complete listing began."""
        self._absent: dict[str, float] = {}

    def __len__(self) -> int:
        return len(self.children) + len(self._absent)

    def get(self, name: str, oldest: float) -> Child | None:
        """The child, if what is known of it is from ``oldest`` or later."""
        child = self.children.get(name)
        return child if child is not None and child.seen >= oldest else None

    def asked_in_order(self, name: str) -> bool:
        """A name is about to be asked for: whether ``ORDERED`` before it came in listing order."""
        self._run = self._run + 1 if name > self._asked else 1
        self._asked = name
        return self._run > ORDERED

    def files_in_order(self) -> list[str]:
        """The names of the files that are known, in listing order."""
        if self._files is None:
            self._files = sorted(name for name, it in self.children.items() if not it.is_dir)
        return self._files

    def directories_in_order(self) -> list[str]:
        """The names of the sub-directories that are known, in listing order."""
        if self._directories is None:
            self._directories = sorted(name for name, it in self.children.items() if it.is_dir)
        return self._directories

    def is_absent(self, name: str, oldest: float) -> bool:
        """Whether the name is known, since ``oldest`` or later, not to exist."""
        if self.get(name, oldest) is not None:
            return False
        if self._absent.get(name, float("-inf")) >= oldest:
            return True
        return self.listed is not None and self.listed >= oldest

    def is_complete(self, oldest: float) -> bool:
        """Whether a complete listing from ``oldest`` or later is known."""
        return self.listed is not None and self.listed >= oldest

    def put(self, name: str, child: Child) -> None:
        """This mount has just made ``child``: it is what is there, whatever was known."""
        self._absent.pop(name, None)
        known = self.children.get(name)
        if known is None or known.is_dir != child.is_dir:
            self._pop(name)
            order = self._directories if child.is_dir else self._files
            if order is not None:
                insort(order, name)
        self.children[name] = child

    def learn(self, name: str, child: Child) -> Child | None:
        """Take an answer about one name; return what is now known, which may be newer."""
        known = self.children.get(name)
        if known is None:
            if self.removed_since(name, child.seen) or self._listed_after(child.seen):
                return None
        elif known.seen > child.seen:
            return known
        child = _with_known_mtime(child, known)
        self.put(name, child)
        return child

    def removed_since(self, name: str, begun: float) -> bool:
        """Whether the name went away at or after ``begun``."""
        return self._absent.get(name, float("-inf")) >= begun

    def remove(self, name: str, now: float) -> None:
        """This mount has removed the name at ``now``: it is not there, whatever was known."""
        self._pop(name)
        self._absent[name] = now

    def _pop(self, name: str) -> None:
        child = self.children.pop(name, None)
        if child is None:
            return
        order = self._directories if child.is_dir else self._files
        if order is not None:
            del order[bisect_left(order, name)]

    def learn_absent(self, name: str, begun: float) -> Child | None:
        """Take the answer of a request begun at ``begun`` that there is no such name; return what
        is now known, which may be newer."""
        known = self.children.get(name)
        if known is not None and known.seen >= begun:
            return known
        self.remove(name, max(begun, self._absent.get(name, begun)))
        return None

    def merge(self, listed: Mapping[str, Child], begun: float) -> None:
        """Take a complete listing that began at ``begun``, each child as old as its page."""
        if self._listed_after(begun):
            return
        merged = {
            name: _with_known_mtime(child, self.children.get(name))
            for name, child in listed.items()
            if not self.removed_since(name, child.seen)
        }
        for name, child in self.children.items():
            if child.seen > (merged[name].seen if name in merged else begun):
                merged[name] = child
        self.children = merged
        self._files = self._directories = None
        self._absent = {name: time for name, time in self._absent.items() if time >= begun}
        self.listed = begun

    def _listed_after(self, begun: float) -> bool:
        return self.listed is not None and self.listed > begun

    def doubt(self, name: str) -> None:
        """Nothing known of this name may be believed, a complete listing neither."""
        self._pop(name)
        self._absent.pop(name, None)
        self.listed = None

    def clear(self) -> None:
        """Forget everything."""
        self.children, self._absent, self.listed = {}, {}, None
        self._files = self._directories = None

    def expire(self, oldest: float) -> None:
        """Forget names known not to exist that nobody may believe any more."""
        if len(self._absent) > 1000:  # below that the sweep costs more than the memory
            self._absent = {name: time for name, time in self._absent.items() if time >= oldest}


def _with_known_mtime(child: Child, known: Child | None) -> Child:
    """One version has one mtime, whoever tells it first."""
    if known is None or known.etag != child.etag or known.mtime == child.mtime:
        return child
    return child._replace(mtime=known.mtime)
