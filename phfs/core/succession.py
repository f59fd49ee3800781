"""Names of a directory gone through one after the other, and which of them come next.

Decides and never fetches: told of each file that begins to be read, or each directory that is
entered, it names those that will likely be soon. Called by ``vfs/siblings`` and ``core/walk``.

A *run* is one reader that goes through the names in listing order, perhaps leaving some out.
Several run at a time: the workers of a data loader each take a stretch of their own. Names in
random order continue a run by accident once in twenty reads, and do so three times before anything
is fetched once in thousands.

Some programs (``cp -r`` first of all) sort what they go through by inode number, because that is
the order on a disk. Names that come in no order are therefore looked at in that one, too.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import deque
from collections.abc import Callable, Sequence
from enum import Enum

SKIPPED = 2
"""Names a reader may leave out and still be the same run: the label beside each image, say."""

EACH_SKIPPED = 32
"""Names a directory has for each that may be left out: in a small one everything is near."""

LEAST_RUN = 4
"""Files read in a row before the next ones are fetched."""

MOST_AHEAD = 32
"""Files fetched ahead of a run: over a link of 10 ms that is 3,000 a second, more than the kernel
and the programs above it open."""

FIRST_AHEAD = 4
DOUBLINGS = 3
"""A run has so many fetched ahead at first, and twice as many so many times."""

MOST_RUNS = 16
"""Runs told apart in one directory."""

MOST_NUMBERED = 2_000
"""Names that are sorted by their numbers, at 2 µs each."""

MOST_TRIES = 32
"""Names in no order after which that is no longer done."""


class Order(Enum):
    """How names are gone through."""

    NAME = "name"
    NUMBER = "number"


class _Run:
    """``last``: the name read last; ``unfetched``: no name from here on was fetched; ``credit``:
    names that are believed to be read, because as many were in the directory before."""

    __slots__ = ("credit", "last", "length", "unfetched")

    def __init__(self, name: str) -> None:
        self.last = name
        self.unfetched = name
        self.length = 1
        self.credit = 0


class _Runs:
    """The runs in one order, the one used last first."""

    def __init__(self, least: int) -> None:
        self.length = 0
        """Names read one after the other up to the last one, if they are enough to count: all there
        are, or as many as it takes."""
        self.going = False
        """Whether the last name was one of a run that has names fetched ahead."""
        self.believed = 0
        """Names that who begins with the first one is believed to read; for once."""
        self._least = least
        self._runs: list[_Run] = []

    def read(self, names: Sequence[str], name: str, most: int) -> Sequence[str]:
        """See ``Succession.read``; ``names`` sorted."""
        position = _position(names, name)
        if position is None:
            self.length, self.going = 0, False
            return ()
        run = self._follow(names, name, position)
        self.length = run.length if run.length >= min(self._least, max(3, len(names))) else 0
        doublings = min(run.length - self._least, DOUBLINGS)
        depth = min(most, max(run.credit, 0 if doublings < 0 else FIRST_AHEAD << doublings))
        self.going = depth > 0
        begin = max(position + 1, bisect_left(names, run.unfetched))
        found = names[begin : position + 1 + depth] if depth else ()
        if found:
            run.unfetched = found[-1] + "\0"
        return found

    def gave_up(self, name: str) -> None:
        """See ``Succession.gave_up``."""
        self._runs[0].unfetched = name

    def _follow(self, names: Sequence[str], name: str, position: int) -> _Run:
        """The run the name continues, or a new one."""
        skipped = min(SKIPPED, len(names) // EACH_SKIPPED)
        for run in self._runs:
            if run.last < name and position - bisect_left(names, run.last) <= skipped + 1:
                run.last = name
                run.length += 1
                self._runs.remove(run)
                break
        else:
            run = _Run(name)
            if position == 0:
                run.credit, self.believed = self.believed, 0
            del self._runs[MOST_RUNS - 1 :]
        self._runs.insert(0, run)
        return run


class Succession:
    """How the names of one directory are gone through.

    ``least``: names in a row before the next ones are returned.
    """

    def __init__(self, *, least: int = LEAST_RUN) -> None:
        self._least = least
        self._by_name = _Runs(least)
        self._by_number = _Runs(least)
        self._used = self._by_name
        self._seen: set[str] = set()
        """What was read since something was read for the second time."""
        self._tries = 0
        """Names that came in no order since some did."""
        self._unordered: deque[str] = deque(maxlen=least)
        """The last of those."""
        self._names: Sequence[str] = ()
        self._texts: list[str] = []
        """Of the names ``_names``: a text of each that sorts by number, and ends with the name."""
        self._text: dict[str, str] = {}

    @property
    def order(self) -> Order | None:
        """In which order the names were gone through of late."""
        if not self._used.length:
            return None
        return Order.NAME if self._used is self._by_name else Order.NUMBER

    def follow(self, before: Succession) -> None:
        """Whoever begins with the first name will go through as many as he went through in the
        directory before, in the same order."""
        self._by_name.believed = before._by_name.length if before.order is Order.NAME else 0
        self._by_number.believed = before._by_number.length if before.order is Order.NUMBER else 0

    def read(
        self,
        names: Sequence[str],
        name: str,
        number: Callable[[str], int],
        most: int = MOST_AHEAD,
    ) -> Sequence[str]:
        """A file begins to be read, or a directory to be listed: those that will be next, ``most``
        at a time, the nearest first.

        ``names`` are the directory's as they are known, in listing order: another object after
        another listing; ``number`` tells the inode number of each. What is returned counts
        as fetched but for ``gave_up``.
        """
        if name in self._seen or len(self._seen) >= MOST_NUMBERED:
            self._seen.clear()
        self._seen.add(name)
        found = self._next(names, name, number, most)
        return [each for each in found if each not in self._seen]

    def gave_up(self, name: str) -> None:
        """Of what the last ``read`` returned, ``name`` and what follows was not fetched."""
        self._used.gave_up(name if self._used is self._by_name else self._text[name])

    def _next(
        self, names: Sequence[str], name: str, number: Callable[[str], int], most: int
    ) -> Sequence[str]:
        """What comes next in the one order or the other: first in that of before."""
        few = 1 < len(names) <= MOST_NUMBERED
        numbered = few and (self._by_number.believed or self._by_number.going)
        if numbered:
            found = self._next_numbered(names, name, number, most)
            if self._by_number.going:
                return found
        self._used = self._by_name
        found = self._by_name.read(names, name, most)
        if self._by_name.length:
            self._tries = 0
            self._unordered.clear()
        elif few and not numbered and self._tries < MOST_TRIES:
            self._tries += 1
            self._unordered.append(name)
            if self._tries >= self._least:
                return self._next_numbered(names, name, number, most) or found
        return found

    def _next_numbered(
        self, names: Sequence[str], name: str, number: Callable[[str], int], most: int
    ) -> Sequence[str]:
        """What comes next by number, of the names that are still there."""
        if self._names is not names or name not in self._text:
            self._names = names
            self._texts = sorted(f"{number(each):013x}/{each}" for each in names)
            self._text = {text.partition("/")[2]: text for text in self._texts}
        if self._tries == self._least:
            for earlier in list(self._unordered)[:-1]:
                self._by_number.read(self._texts, self._text.get(earlier, ""), 0)
        found = self._by_number.read(self._texts, self._text.get(name, ""), most)
        self._used = self._by_number
        if self._by_number.length:
            self._tries = 0
            self._unordered.clear()
        following = (text.partition("/")[2] for text in found)
        return [each for each in following if _position(names, each) is not None]


def _position(names: Sequence[str], name: str) -> int | None:
    """Where a name is among others that are sorted; None if it is not."""
    position = bisect_left(names, name)
    there = position < len(names) and names[position] == name
    return position if there else None
