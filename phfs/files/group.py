"""What a copy works with: the group's store, what is remembered of uploads, and the bounds.

Owns the memory that all parts under way share. Called by ``upload``, ``download``, ``transfer``.
"""

from __future__ import annotations

from collections import deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import trio

from phfs.files.mounted import NOWHERE, Views
from phfs.files.outcome import Reporter, Silent
from phfs.s3.resumable import Records
from phfs.s3.store import Store

MEBIBYTE = 1024 * 1024

PART = 8 * MEBIBYTE
"""Bytes of a part that is sent, and of a range that is fetched; more for files above 78 GiB."""

MEMORY = 128 * MEBIBYTE
"""Bytes of file data held at once, unless one part alone has more."""

FILES = 32
"""Files at once: small ones are dominated by the store's answers."""

PARTS = 8
"""Parts of one file at once."""


class Memory:
    """Buffers of at most ``limit`` bytes together; whoever asks first gets first. One larger than
    the limit is lent when no other is."""

    def __init__(self, limit: int = MEMORY) -> None:
        self._limit = limit
        self._used = 0
        self._spare: dict[int, list[bytearray]] = {}
        self._waiting: deque[tuple[int, trio.Event]] = deque()

    @asynccontextmanager
    async def lent(self, size: int) -> AsyncIterator[memoryview]:
        """A buffer of ``size`` bytes with anything in it."""
        await self._reserve(size)
        buffer = self._buffer(size)
        try:
            with memoryview(buffer) as view:
                yield view
        finally:
            # A new one costs as much as filling it: the kernel has to clear its pages.
            if size >= MEBIBYTE:
                self._spare.setdefault(size, []).append(buffer)
            self._give_back(size)

    def _buffer(self, size: int) -> bytearray:
        spare = self._spare.get(size)
        if spare:
            return spare.pop()
        if self._used + sum(each * len(kept) for each, kept in self._spare.items()) > self._limit:
            self._spare.clear()
        return bytearray(size)

    async def _reserve(self, size: int) -> None:
        if not self._waiting and self._fits(size):
            self._used += size
            return
        turn = trio.Event()
        self._waiting.append((size, turn))
        try:
            await turn.wait()
        except BaseException:
            if turn.is_set():
                self._give_back(size)
            else:
                self._waiting.remove((size, turn))
            raise

    def _give_back(self, size: int) -> None:
        self._used -= size
        while self._waiting and self._fits(self._waiting[0][0]):
            wanted, turn = self._waiting.popleft()
            self._used += wanted
            turn.set()

    def _fits(self, size: int) -> bool:
        return self._used == 0 or self._used + size <= self._limit


@dataclass(frozen=True)
class Group:
    """A group's files, and how they are copied.

    ``prefix`` stands before every key in the bucket. ``records`` None: what is interrupted cannot
    be gone on with, and leaves nothing. ``durable``: a copy is on the disk, not only in its cache,
    before it counts as made. ``overwrite`` false: what is there stays. ``views``: where this
    machine shows the group.
    """

    store: Store
    prefix: str = ""
    records: Records | None = None
    reporter: Reporter = field(default_factory=Silent)
    memory: Memory = field(default_factory=Memory)
    part_size: int = PART
    overwrite: bool = True
    durable: bool = False
    views: Views = NOWHERE
