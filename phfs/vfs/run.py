"""Runs: consecutive blocks that one request fills, one after the other.

Owns which of them the bytes that come belong to. What was filled is given back block by block while
the rest still comes, so that a request may be larger than what is kept of it. Keeps no block that
was filled and asks nobody. Made by ``fetcher``; called by a store, from one thread at a time.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence

import trio

from phfs.core.objects import ByteRange
from phfs.vfs.blocks import Block


class Run:
    """The blocks of one request: a store's ``Sink``.

    ``loaded`` is called on the trio thread with each block whose last byte has come before that of
    the request. ``ahead``: fetched ahead of any read. ``clock`` gives seconds, in any thread.
    """

    def __init__(
        self,
        blocks: Sequence[Block],
        token: trio.lowlevel.TrioToken,
        loaded: Callable[[Block], None],
        clock: Callable[[], float],
        *,
        ahead: bool,
    ) -> None:
        self.left = deque(blocks)
        """The blocks that have not all their bytes, and the last. The others are nobody's here: who
        has read one gives its memory back while the rest still comes."""
        self.span = ByteRange(blocks[0].span.start, blocks[-1].span.stop)
        self.ahead = ahead
        self.filled = 0
        """How many bytes have come."""
        self.answered: float | None = None
        """When the store began to answer, by the clock."""
        self._clock = clock
        self._token = token
        self._loaded = loaded
        self._base = 0
        """Where in the run the first block left starts."""

    @property
    def cancelled(self) -> bool:
        """Nobody wants any of what is still to come."""
        return all(block.cancelled for block in self.left)

    @property
    def awaited(self) -> int:
        """Up to where in the run somebody waits, 0 if nobody does."""
        base = self._base
        for block in self.left:
            if block.awaited:
                return base + block.awaited
            base += block.span.size
        return 0

    def space(self, start: int, stop: int) -> memoryview:
        """The part of the block that ``start`` lies in."""
        if self.answered is None:
            self.answered = self._clock()
        assert self.filled <= start < self.span.size
        base = self._base
        for block in self.left:
            if start < base + block.span.size:
                break
            base += block.span.size
        return block.buffer[start - base : stop - base]

    def advance(self, filled: int) -> None:
        """The first ``filled`` bytes of the run are there."""
        self.filled = filled
        while True:
            block = self.left[0]
            size = block.span.size
            block.advance(min(filled - self._base, size))
            if filled < self._base + size or len(self.left) == 1:
                return
            self._base += size
            self._token.run_sync_soon(self._loaded, self.left.popleft())
            if filled == self._base:
                return
