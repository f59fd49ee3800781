"""How many requests run at once, and in which order the others wait.

Owns one queue per kind of request, so that none waits behind requests of another kind: a name is
looked up and a small file is put while hundreds of large transfers wait for a slow link. Runs
nothing. Called by ``requests``, on the trio thread.
"""

from __future__ import annotations

from collections import deque

import trio

from phfs.errors import TimedOut
from phfs.s3.watch import LEAST_PROGRESS, Watch


class Lane:
    """``places`` requests at once; the others wait, first come, first served.

    Whoever waits gives up when in ``patience`` seconds all requests of the lane together have moved
    hardly a byte: the store hangs, and waiting longer than a request may take helps nobody. On a
    slow link it waits on.
    """

    def __init__(self, places: int, patience: float) -> None:
        self._patience = patience
        self._least = LEAST_PROGRESS * places // 4
        self._free = places
        self._running: set[Watch] = set()
        self._waiting: deque[trio.Event] = deque()
        self._moved = 0
        """Bytes of requests that have ended."""

    @property
    def waiting(self) -> int:
        """Requests that wait for a place."""
        return len(self._waiting)

    async def enter(self, watch: Watch) -> None:
        """Take a place; a checkpoint only if none is free. Raises ``TimedOut``."""
        if self._free:
            self._free -= 1
        else:
            await self._queue(watch.subject)
        self._running.add(watch)

    def leave(self, watch: Watch) -> None:
        """Give the place to whoever waits for it longest."""
        self._running.discard(watch)
        self._moved += watch.transferred
        self._pass_on()

    async def _queue(self, subject: str) -> None:
        turn = trio.Event()
        self._waiting.append(turn)
        try:
            while not turn.is_set():
                before = self._progress()
                with trio.move_on_after(self._patience):
                    await turn.wait()
                if not turn.is_set():
                    self._demand_progress(subject, before)
        except BaseException:
            if turn.is_set():
                self._pass_on()
            else:
                self._waiting.remove(turn)
            raise

    def _demand_progress(self, subject: str, before: int) -> None:
        if self._progress() - before < self._least:
            raise TimedOut(
                f"{subject}: {len(self._running)} requests before it have had no answer for "
                f"{self._patience:g} seconds"
            )

    def _pass_on(self) -> None:
        if self._waiting:
            self._waiting.popleft().set()
        else:
            self._free += 1

    def _progress(self) -> int:
        return self._moved + sum(watch.transferred for watch in self._running)
