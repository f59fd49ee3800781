"""The event loop of the slow link: who is ready, and what is due.

Owns the epoll object and the timers, which keep to about 0.1 ms. Knows nothing of connections;
called by ``link_flow`` and ``link``.
"""

from __future__ import annotations

import heapq
import itertools
import select
from collections.abc import Callable
from pathlib import Path
from time import monotonic

TIMER_SLACK_NS = "1000"
"""How much later than asked the kernel may wake this process; its default is 50 µs."""


class Loop:
    """Calls handlers of ready descriptors and actions whose time has come, in one thread."""

    def __init__(self) -> None:
        self._epoll = select.epoll()
        self._handlers: dict[int, Callable[[int], None]] = {}
        self._timers: list[tuple[float, int, Callable[[], None]]] = []
        self._numbers = itertools.count()
        self._ended = False

    def at(self, moment: float, action: Callable[[], None]) -> None:
        """Call ``action`` once, at ``moment`` of ``time.monotonic``; equal moments in order."""
        heapq.heappush(self._timers, (moment, next(self._numbers), action))

    def watch(self, descriptor: int, events: int, handler: Callable[[int], None]) -> None:
        """Call ``handler`` with what is ready of ``events`` from now on.

        No events: not at all. The kernel tells errors and hang-ups even to those who asked for
        nothing, again and again, so such a descriptor is not even registered.
        """
        known = descriptor in self._handlers
        if not events:
            if known:
                del self._handlers[descriptor]
                self._epoll.unregister(descriptor)
        elif known:
            self._epoll.modify(descriptor, events)
        else:
            self._handlers[descriptor] = handler
            self._epoll.register(descriptor, events)

    def end(self) -> None:
        """Let ``run`` return."""
        self._ended = True

    def run(self) -> None:
        """Serve until ``end``."""
        Path("/proc/self/timerslack_ns").write_text(TIMER_SLACK_NS)
        while not self._ended:
            for descriptor, events in self._wait():
                # A handler before may have closed this one.
                handler = self._handlers.get(descriptor)
                if handler is not None:
                    handler(events)
            while self._timers and self._timers[0][0] <= monotonic():
                heapq.heappop(self._timers)[2]()

    def _wait(self) -> list[tuple[int, int]]:
        if not self._timers:
            return self._epoll.poll()
        # epoll's own timeout counts whole milliseconds; an epoll object can itself be selected.
        left = max(0.0, self._timers[0][0] - monotonic())
        select.select([self._epoll], [], [], left)
        return self._epoll.poll(0)
