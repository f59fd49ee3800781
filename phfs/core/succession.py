"""Files of a directory read one after the other, and which of them come next.

Decides and never fetches: told of each file that begins to be read, it names those that will
likely be read soon. Called by ``vfs/siblings``.

A *run* is one reader that goes through the names in listing order, perhaps leaving some out.
Several run at a time: the workers of a data loader each take a stretch of their own. Names in
random order continue a run by accident once in twenty reads, and do so three times before anything
is fetched once in thousands.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence

SKIPPED = 2
"""Names a reader may leave out and still be the same run: the label beside each image, say."""

LEAST_RUN = 4
"""Files read in a row before the next ones are fetched."""

MOST_AHEAD = 32
"""Files fetched ahead of a run: over a link of 10 ms that is 3,000 a second, more than the kernel
and the programs above it open."""

MOST_RUNS = 16
"""Runs told apart in one directory."""


class _Run:
    """``last``: the name read last; ``unfetched``: no name from here on was fetched."""

    __slots__ = ("last", "length", "unfetched")

    def __init__(self, name: str) -> None:
        self.last = name
        self.unfetched = name
        self.length = 1


class Succession:
    """The runs in one directory, the one used last first."""

    def __init__(self) -> None:
        self._runs: list[_Run] = []

    def read(self, names: Sequence[str], name: str) -> Sequence[str]:
        """A file begins to be read: those to fetch, nearest first.

        ``names`` are the directory's files as they are known, in listing order. What is returned
        counts as fetched but for ``gave_up``.
        """
        position = bisect_left(names, name)
        if position == len(names) or names[position] != name:
            return ()
        run = self._follow(names, name, position)
        if run.length < LEAST_RUN:
            return ()
        begin = max(position + 1, bisect_left(names, run.unfetched))
        depth = min(MOST_AHEAD, 4 << min(run.length - LEAST_RUN, 8))
        found = names[begin : position + 1 + depth]
        if found:
            run.unfetched = found[-1] + "\0"
        return found

    def gave_up(self, name: str) -> None:
        """Of what the last ``read`` returned, ``name`` and what follows was not fetched."""
        self._runs[0].unfetched = name

    def _follow(self, names: Sequence[str], name: str, position: int) -> _Run:
        """The run the name continues, or a new one."""
        for run in self._runs:
            if run.last < name and position - bisect_left(names, run.last) <= SKIPPED + 1:
                run.last = name
                run.length += 1
                self._runs.remove(run)
                break
        else:
            run = _Run(name)
            del self._runs[MOST_RUNS - 1 :]
        self._runs.insert(0, run)
        return run
