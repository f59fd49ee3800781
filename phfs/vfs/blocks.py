"""Blocks: ranges of an object in memory, and the buffers they are made of.

Owns who may touch a buffer when: a ``Block`` counts who holds it (the store that fills it, readers
that wait for it, the reader that keeps it), the ``Pool`` keeps buffers nobody holds for the next
block. Asks nobody for bytes. Called by ``fetcher`` and ``reader``, on the trio thread, but for
``Block.advance``, ``awaited`` and ``cancelled``, which ``run`` calls from a store's worker threads.
"""

from __future__ import annotations

import mmap
import sys

import trio

from phfs.core.objects import ByteRange
from phfs.errors import StoreError
from phfs.vfs.budget import Budget

KIB = 1024
GRANULE = 64 * KIB
"""Buffers of this size and more are a multiple of it, so that blocks of similar size share them."""

HUGE_PAGE = 2 * 1024 * KIB
"""From this size on a buffer is made of huge pages where the kernel has them: one fault instead of
512."""

SPARE_SECONDS = 5.0
"""Who has taken no buffer for so long does not read at the moment."""

POOLED = 256 * KIB
"""Smaller buffers are not kept: malloc serves them without touching fresh pages."""

NOBODY = sys.maxsize
"""The fill that is awaited when nobody waits."""

Buffer = bytearray | mmap.mmap
"""The memory behind a block. The large ones are mappings: those are not zeroed by the thread that
makes them, their pages are touched first by the worker that reads the socket into them, and the
system has them back when they are dropped."""


class Block:
    """The bytes ``span`` of one version of an object, arriving from the front.

    ``kept``: a reader keeps it for later reads. ``pins``: reads that wait for its bytes.
    ``loading``: the store may still write into it. When none of them holds, its buffer is free.
    """

    __slots__ = (
        "_token",
        "_waiters",
        "_wanted",
        "buffer",
        "error",
        "filled",
        "kept",
        "loading",
        "pins",
        "span",
        "store_buffer",
        "unread",
    )

    def __init__(
        self,
        span: ByteRange,
        store_buffer: Buffer,
        token: trio.lowlevel.TrioToken,
        *,
        ahead: bool,
    ) -> None:
        self.span = span
        self.store_buffer = store_buffer
        self.buffer = memoryview(store_buffer)[: span.size]
        self.unread = ahead
        """Fetched ahead, and no read has reached it yet."""
        self.filled = 0
        self.error: StoreError | None = None
        self.kept = True
        self.loading = True
        self.pins = 0
        self._token = token
        self._waiters: list[tuple[int, trio.Event]] = []
        self._wanted: int = NOBODY
        """Fewest bytes anybody waits for; read by the store's threads."""

    @property
    def capacity(self) -> int:
        """Bytes of memory behind the block."""
        return len(self.store_buffer)

    @property
    def cancelled(self) -> bool:
        """Nobody wants the bytes any more. Once true it stays so: a block that is not kept is
        found by no later read."""
        return not self.kept and not self.pins

    @property
    def free(self) -> bool:
        """Nobody holds the buffer."""
        return not (self.kept or self.pins or self.loading)

    @property
    def idle(self) -> bool:
        """Only kept for a read that may come."""
        return self.kept and not (self.pins or self.loading)

    @property
    def awaited(self) -> int:
        """Read by a store's thread: the least fill somebody waits for, 0 if nobody."""
        wanted = self._wanted
        return 0 if wanted == NOBODY else wanted

    def advance(self, filled: int) -> None:
        """Called by a store's thread: the first ``filled`` bytes are there."""
        self.filled = filled
        if filled >= self._wanted:
            self._token.run_sync_soon(self._wake, idempotent=True)

    def finish(self, error: StoreError | None) -> None:
        """The store has let go; with ``error`` the missing bytes will not come."""
        self.loading = False
        self.error = error
        self._wake()

    async def wait(self, stop: int) -> None:
        """Return when all bytes before offset ``stop`` of the object are there.

        Raises the store's error when they will not come. The caller holds a pin.
        """
        wanted = stop - self.span.start
        while self.filled < wanted:
            if not self.loading:
                raise self.error or AssertionError("a store returned before the range was filled")
            event = trio.Event()
            self._waiters.append((wanted, event))
            # The threshold is published before the count is read again, and a store's thread
            # does the reverse: one of the two sees the other.
            self._wanted = min(self._wanted, wanted)
            if self.filled < wanted:
                await event.wait()

    def view(self, start: int, stop: int) -> memoryview:
        """The bytes ``start <= i < stop`` of the object, not copied."""
        base = self.span.start
        return self.buffer[start - base : stop - base]

    def _wake(self) -> None:
        """Let those go on whose bytes have come, or all when no more will."""
        waiting = []
        for wanted, event in self._waiters:
            if self.filled >= wanted or not self.loading:
                event.set()
            else:
                waiting.append((wanted, event))
        self._waiters = waiting
        self._wanted = min((wanted for wanted, _ in waiting), default=NOBODY)


class Pool:
    """Buffers for blocks, counted by the budget from the moment they exist until they are gone.

    The first touch of a fresh buffer's pages was measured at 0.6 ms per MiB, as much as the
    transfer of the bytes; so free buffers are kept, the newest up to ``spare_limit`` bytes, and
    given up when the budget asks, or when nobody has taken one for ``SPARE_SECONDS``.
    """

    def __init__(self, budget: Budget, token: trio.lowlevel.TrioToken, *, spare_limit: int) -> None:
        self._budget = budget
        self._token = token
        self._spare_limit = spare_limit
        self._spare: list[Buffer] = []
        self._spare_size = 0
        self._returned: list[Buffer] = []
        self._owed = 0
        """Bytes made anew since as many of spare buffers were given up."""
        self._takes = 0
        self._watched = False
        budget.add_reclaimer(self.trim)

    def take(self, size: int, *, reclaim: bool) -> Buffer | None:
        """A buffer of at least ``size`` bytes, or None when there is no memory for it now.

        ``reclaim``: idle blocks may be given up for it; spare buffers always are.
        """
        self._takes += 1
        spare = self._fitting(size)
        if spare is not None:
            return spare
        capacity = capacity_for(size)
        if capacity >= POOLED:
            self._make_up_for(capacity)
        if not self._budget.try_acquire(capacity, for_write=False, reclaim=False):
            self.trim(capacity)
            if not self._budget.try_acquire(capacity, for_write=False, reclaim=reclaim):
                return None
        return _allocate(capacity)

    async def wait(self, size: int) -> Buffer:
        """A buffer of at least ``size`` bytes, as soon as there is memory for it."""
        capacity = capacity_for(size)
        await self._budget.acquire(capacity, for_write=False)
        return _allocate(capacity)

    def give_back(self, buffer: Buffer) -> None:
        """Take a buffer nobody holds.

        It is not given out again before the running task has reached a checkpoint: a view of it
        returned in this step is still being copied to the kernel.
        """
        self._returned.append(buffer)
        if len(self._returned) == 1:
            self._token.run_sync_soon(self._keep_returned)

    def trim(self, wanted: int) -> int:
        """Give up spare buffers of about ``wanted`` bytes in all; return how many were freed.

        Buffers are dropped, not reused: a view somebody still has keeps its memory valid.
        """
        freed = 0
        while freed < wanted and (self._spare or self._returned):
            buffer = (self._spare or self._returned).pop()
            freed += len(buffer)
        self._spare_size = sum(map(len, self._spare))
        if freed:
            self._budget.release(freed, for_write=False)
        return freed

    def _fitting(self, size: int) -> Buffer | None:
        """The smallest spare buffer of ``size`` bytes or at most twice as many."""
        best = min(
            (buffer for buffer in self._spare if size <= len(buffer) <= 2 * size),
            key=len,
            default=None,
        )
        if best is not None:
            self._spare = [buffer for buffer in self._spare if buffer is not best]
            self._spare_size -= len(best)
        return best

    def _keep_returned(self) -> None:
        """Keep what was given back in earlier steps, as far as the limit goes."""
        returned, self._returned = self._returned, []
        small = 0
        for buffer in returned:
            if len(buffer) >= POOLED:
                self._spare.append(buffer)
                self._spare_size += len(buffer)
            else:
                small += len(buffer)
        if small:
            self._budget.release(small, for_write=False)
        self._drop_oldest(self._spare_limit)
        self._budget.reconsider()
        if self._spare and not self._watched:
            self._watched = True
            trio.lowlevel.spawn_system_task(self._give_up_idle)

    def _make_up_for(self, capacity: int) -> None:
        """A fresh buffer is made while spare ones do not fit: give up as much of those, so that
        what is kept and what is used never add up to more than was used at one time."""
        self._owed = self._owed + capacity if self._spare else 0
        while self._spare and self._owed >= len(self._spare[0]):
            self._owed -= len(self._spare[0])
            self._drop_oldest(self._spare_size - len(self._spare[0]))

    def _drop_oldest(self, most: int) -> None:
        """Keep spare buffers of so many bytes at most."""
        dropped = 0
        while self._spare_size > most:
            oldest = self._spare.pop(0)
            self._spare_size -= len(oldest)
            dropped += len(oldest)
        if dropped:
            self._budget.release(dropped, for_write=False)

    async def _give_up_idle(self) -> None:
        """Wait until nobody needs spare buffers any more."""
        while self._spare:
            takes = self._takes
            await trio.sleep(SPARE_SECONDS)
            if takes == self._takes:
                self._drop_oldest(0)
        self._watched = False


def capacity_for(size: int) -> int:
    """Bytes of the buffer made for a block of ``size`` bytes."""
    return size if size < GRANULE else -(-size // GRANULE) * GRANULE


def _allocate(capacity: int) -> Buffer:
    if capacity < POOLED:
        return bytearray(capacity)
    buffer = mmap.mmap(-1, capacity, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
    if capacity >= HUGE_PAGE:
        buffer.madvise(mmap.MADV_HUGEPAGE)
    return buffer
