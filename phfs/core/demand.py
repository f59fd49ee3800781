"""How a directory is used, and when that makes it worth listing ahead of need.

Decides and never lists: ``asked`` says whether to begin, ``begun`` and ``ended`` are told what came
of it. Times are monotonic seconds handed in. Called by ``vfs/refreshing``.

A name that is not known costs two requests, a listing one for a thousand names. A directory of
which many names are asked for is therefore listed as a whole, and again before the listing is too
old to be believed, so that nobody waits for it.
"""

from __future__ import annotations

LEAST_ASKED = 8
"""Names asked for since the last listing, per page it takes, from which on the next one pays: eight
names would cost sixteen requests."""

MOST_PAGES = 20
"""Longest listing, in pages of a thousand names: more take longer than they can be believed."""

REST = 60.0
"""Seconds until a directory that proved too large is tried again."""


class Demand:
    """What is asked of one directory. ``ttl``: seconds for which a listing may be believed."""

    __slots__ = ("_asked", "_begun", "_not_before", "_pages", "_took", "_underway")

    def __init__(self) -> None:
        self._asked = 0
        self._pages = 1
        self._took = 0.0
        self._begun = 0.0
        self._underway = False
        self._not_before = 0.0

    def asked(self, now: float, listed: float | None, ttl: float) -> bool:
        """A name is asked for, ``listed`` being when the listing that is known began: whether to
        list the directory now."""
        self._asked += 1
        if self._underway or now < self._not_before:
            return False
        if self._asked < LEAST_ASKED * self._pages:
            return False
        margin = min(ttl / 2, max(ttl / 4, 4 * self._took))
        return listed is None or now - listed >= ttl - margin

    def walked(self, now: float) -> bool:
        """Somebody will likely enter the directory: whether to list it."""
        return not self._underway and self._pages == 1 and now >= self._not_before

    def begun(self, now: float) -> None:
        """The directory is being listed."""
        self._underway = True
        self._begun = now
        self._asked = 0

    def too_long(self, now: float, ttl: float) -> bool:
        """Whether a listing that goes on is to be given up."""
        return now - self._begun > ttl / 2

    def cut(self, now: float) -> None:
        """The one page that was listed for a walk was not all, or failed: no more walks, but names
        may be asked for."""
        self._stop(now)
        self._pages = max(self._pages, 2)

    def ended(self, now: float, pages: int | None) -> None:
        """All ``pages`` have come; None: it was given up, or failed."""
        self._stop(now)
        if pages is None:
            self._not_before = now + REST
        else:
            self._pages = pages

    def _stop(self, now: float) -> None:
        self._underway = False
        self._took = now - self._begun
