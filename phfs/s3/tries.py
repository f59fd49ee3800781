"""The tries of one call: when the next one is due, and when there is none.

Owns the schedule. The wait before a new try is drawn evenly from nothing to 0.1 s, doubled with
each failure to at most 5 s ("full jitter", AWS Architecture Blog, "Exponential Backoff And
Jitter"). Never waits itself. Called by ``retry``.
"""

from __future__ import annotations

import random

import trio

from phfs.errors import Throttled, TransientError
from phfs.s3.watch import LEAST_PROGRESS

FIRST_WAIT = 0.1
"""Longest wait before the second try, in seconds."""

LONGEST_WAIT = 5.0
"""Longest wait before any try, in seconds."""

_RANDOM = random.SystemRandom()


class Tries:
    """Tries for ``deadline`` seconds of trio's time from now on.

    ``unsure`` is true once an answer was lost: an earlier try may have taken effect (a store that
    asks for fewer requests has refused). No try begins later than ``give_up``, a moment.
    """

    def __init__(self, deadline: float) -> None:
        self.unsure = False
        self.last: TransientError | None = None
        """What the last try that has ended failed with."""
        self._deadline = deadline
        self._begun = trio.current_time()
        self.give_up = self._begun + deadline
        self._count = 0
        self._in_a_row = 0
        self._moved = 0

    def progressed(self, count: int) -> None:
        """``count`` bytes came that stay. Enough of them, by the rule of ``watch``, and the
        deadline counts from now; a peer that sends a few each time does not move it."""
        self._moved += count
        if self._moved >= LEAST_PROGRESS:
            self._moved = self._in_a_row = 0
            self.give_up = trio.current_time() + self._deadline

    def wait_after(self, error: TransientError) -> float | None:
        """Seconds to wait after a failed try, None if that would reach the deadline."""
        self.last = error
        self._count += 1
        self._in_a_row += 1
        self.unsure = self.unsure or not isinstance(error, Throttled)
        # Bounded, because a float has no room for the doublings of a long night.
        longest = FIRST_WAIT * 2 ** min(self._in_a_row - 1, 16)
        seconds = _RANDOM.uniform(0, min(longest, LONGEST_WAIT))
        return seconds if trio.current_time() + seconds < self.give_up else None

    def summary(self, error: TransientError) -> TransientError:
        """``error`` again, its sentence saying how often and how long it was tried."""
        tries = "1 try" if self._count == 1 else f"{self._count} tries"
        seconds = trio.current_time() - self._begun
        return type(error)(f"{error.why} ({tries} in {seconds:.0f} s)", error.advice)
