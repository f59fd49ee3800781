"""Runs: consecutive blocks that one request fills, one after the other.

Owns which of them the bytes that come belong to. What was filled is given back block by block while
the rest still comes, so that a request may be larger than what is kept of it. Keeps no block and
asks nobody. Made by ``fetcher``; called by a store, from one thread at a time.
"""

from __future__ import annotations

from collections.abc import Callable

import trio

from phfs.core.objects import ByteRange
from phfs.vfs.blocks import Block


class Run:
    """The blocks of one request: a store's ``Sink``.

    ``filled`` is called on the trio thread with each block whose last byte has come before that of
    the request. ``ahead``: fetched ahead of any read. ``clock`` gives seconds, in any thread.
    """

    def __init__(
        self,
        blocks: list[Block],
        token: trio.lowlevel.TrioToken,
        filled: Callable[[Block], None],
        clock: Callable[[], float],
        *,
        ahead: bool,
    ) -> None:
        self.blocks = blocks
        self.span = ByteRange(blocks[0].span.start, blocks[-1].span.stop)
        self.ahead = ahead
        self.answered: float | None = None
        """When the store began to answer, by the clock."""
        self._clock = clock
        self._token = token
        self._filled = filled
        self._index = 0
        """The first block that has not all its bytes."""
        self._base = 0
        """Where in the run it starts."""

    @property
    def cancelled(self) -> bool:
        """Nobody wants any of what is still to come."""
        return all(block.cancelled for block in self.blocks[self._index :])

    @property
    def awaited(self) -> int:
        """Up to where in the run somebody waits, 0 if nobody does."""
        base = self._base
        for block in self.blocks[self._index :]:
            if block.awaited:
                return base + block.awaited
            base += block.span.size
        return 0

    def space(self, start: int, stop: int) -> memoryview:
        """The part of the block that ``start`` lies in."""
        if self.answered is None:
            self.answered = self._clock()
        base = self._base
        for block in self.blocks[self._index :]:
            if start < base + block.span.size:
                return block.buffer[start - base : stop - base]
            base += block.span.size
        raise AssertionError(f"{start} is behind the end of the run")

    def advance(self, filled: int) -> None:
        """The first ``filled`` bytes of the run are there."""
        while self._base < filled:
            block = self.blocks[self._index]
            size = block.span.size
            block.advance(min(filled - self._base, size))
            if filled < self._base + size:
                return
            self._base += size
            self._index += 1
            if self._index < len(self.blocks):
                self._token.run_sync_soon(self._filled, block)
