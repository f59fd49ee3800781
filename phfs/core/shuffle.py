"""Files of a directory read in no order, each of them once, and which to fetch before that.

Decides and never fetches. Called by ``vfs/siblings``, beside ``succession``.

A training set that is shuffled is read in an order that nobody can foresee, and yet it is known
what will be read: all of it. It makes then no difference which file is fetched first; readers do
not wait as often as the file they want is one of those that wait in memory. A program that reads a
few files at random finds some of them there as well, so that success is no sign of anything: as
many are fetched ahead as were read, at most.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import deque
from collections.abc import Callable, Sequence
from posixpath import splitext

LEAST_READ = 16
"""Files read before others are fetched: fewer may have been opened by hand."""

BACKWARDS = 4
"""One read in so many goes back in the order of names; otherwise there is an order that
``succession`` does not know: every tenth file, say. In no order it is one in two."""

SHARE = 4
"""Of the files that are left, memory has to hold one in so many: it is filled for too little
otherwise."""

AT_ONCE = 4
"""Files fetched for each that is read: one in its place, one because one more is believed, and two
until there are as many as are believed."""

LOOKED_AT = 64
"""Names looked at for each file that is read."""

MOST_NAMES = 10_000
"""A directory of more is not followed: it is remembered what was read."""

RECENT = 32
REPEATED = 24
"""Of so many reads so many were of files that had been read before: another pass has begun. Who
opens each file twice, or some file all the time, is still at the first one."""


class _Pass:
    """One time through the files; of ``seen`` it is known that they were read."""

    __slots__ = ("_backwards", "_bytes", "_last", "_reads", "kinds", "seen", "unfetched")

    def __init__(self, seen: set[str]) -> None:
        self.seen = seen
        self.kinds = {_kind(name) for name in seen}
        """What the names end with."""
        self.unfetched = ""
        """No name before this one is fetched any more."""
        self._reads = 0
        self._bytes = 0
        self._backwards = 0
        self._last = ""

    def note(self, name: str, size: int) -> None:
        """A file of so many bytes is read for the first time in this pass."""
        self.seen.add(name)
        self.kinds.add(_kind(name))
        self._reads += 1
        self._bytes += size
        self._backwards += name < self._last
        self._last = name

    @property
    def unordered(self) -> bool:
        """Whether enough was read, and in no order."""
        return len(self.seen) >= LEAST_READ and self._backwards * BACKWARDS >= self._reads

    def held_in(self, memory: int) -> int:
        """How many files like those that were read so many bytes hold."""
        return memory * self._reads // max(1, self._bytes)


class Shuffle:
    """How the files of one directory are read, if in no order."""

    def __init__(self) -> None:
        self._pass = _Pass(set())
        self._recent: deque[tuple[str, bool]] = deque(maxlen=RECENT)
        """The last reads, and whether each was of a file read before."""

    @property
    def going(self) -> bool:
        """Whether the rest is believed to be read in no order."""
        return self._pass.unordered

    @property
    def remembered(self) -> int:
        """How many names are."""
        return len(self._pass.seen)

    def read(
        self,
        names: Sequence[str],
        name: str,
        size: int,
        waiting: int,
        memory: int,
        worth: Callable[[str], bool],
    ) -> Sequence[str]:
        """A file begins to be read: those to fetch.

        ``names`` are the directory's, sorted; ``size`` the bytes of memory the file takes;
        ``waiting``: how many of the directory's files are fetched and not read; ``memory``: bytes
        of memory for those, 0 if the file was read in some order; ``worth`` tells of a file whether
        there is something to fetch. What is returned counts as fetched but for ``gave_up``.
        """
        if len(names) > MOST_NAMES or self.remembered > MOST_NAMES:
            self._pass = _Pass(set())
            return ()
        self._note(name, size)
        now = self._pass
        most = now.held_in(memory)
        wanted = min(AT_ONCE, min(len(now.seen), most) - waiting)
        if not now.unordered or wanted <= 0 or len(names) - len(now.seen) > SHARE * most:
            return ()
        found: list[str] = []
        begin = bisect_left(names, now.unfetched)
        for each in names[begin : begin + LOOKED_AT]:
            now.unfetched = each + "\0"
            if each not in now.seen and _kind(each) in now.kinds and worth(each):
                found.append(each)
                if len(found) == wanted:
                    break
        return found

    def gave_up(self, name: str) -> None:
        """Of what the last ``read`` returned, ``name`` and what follows was not fetched."""
        self._pass.unfetched = name

    def dropped(self) -> None:
        """Something that was fetched is there no more, and was not read: all names are looked at
        again."""
        self._pass.unfetched = ""

    def _note(self, name: str, size: int) -> None:
        again = name in self._pass.seen
        self._recent.append((name, again))
        if sum(repeated for _, repeated in self._recent) >= REPEATED:
            self._pass = _Pass({recent for recent, _ in self._recent})
        elif not again:
            self._pass.note(name, size)


def _kind(name: str) -> str:
    """What a name ends with: images are read without their labels. A number is no kind."""
    ending = splitext(name)[1]
    return "" if ending[1:].isdigit() else ending
