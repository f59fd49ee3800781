"""Sub-directories of a directory entered one after the other, and which are worth listing ahead.

Decides and never lists: ``entered`` names those that will likely be entered soon. Times are
monotonic seconds handed in. Called by ``vfs/refreshing``.

Who copies, searches or removes a tree enters its directories in the order of their names and waits
for a listing in each. How many are listed ahead depends on the pace: a listing that is used later
than half of the TTL after it began has been made for little.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from phfs.core.succession import Succession

LEAST_WALK = 3
"""Directories entered in a row before the next ones are listed: who looks into two looks around."""

MOST_AHEAD = 16
"""Directories listed ahead: over a link of 10 ms a thousand in a second."""

MOST_CUT = 4
"""Directories in a row of more than a page, after which none are listed ahead: their first page is
for nothing."""


class Walk:
    """The walk through the sub-directories of one directory."""

    __slots__ = ("_cut", "_entered", "_pace", "_succession")

    def __init__(self) -> None:
        self._succession = Succession(least=LEAST_WALK)
        self._cut = 0
        """Listings in a row that were longer than a page."""
        self._entered = float("-inf")
        self._pace = 0.0
        """Seconds from one directory to the next, on an average of the last four or so."""

    def entered(
        self,
        names: Sequence[str],
        name: str,
        number: Callable[[str], int],
        now: float,
        ttl: float,
    ) -> Sequence[str]:
        """The sub-directory ``name`` is entered: those of ``names`` to list now, the nearest first.
        ``names`` and ``number`` are as for ``Succession.read``; ``ttl``: seconds for which a
        listing may be believed."""
        took = min(now - self._entered, ttl)
        self._entered = now
        self._pace = (3 * self._pace + took) / 4
        most = min(MOST_AHEAD, int(ttl / 2 / self._pace)) if self._pace else MOST_AHEAD
        if self._cut >= MOST_CUT:
            return ()
        return self._succession.read(names, name, number, most)

    def listed(self, *, whole: bool) -> None:
        """A directory was listed ahead; ``whole``: its first page was all."""
        self._cut = 0 if whole else self._cut + 1
