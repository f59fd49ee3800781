"""The fetcher: turns ranges worth having into blocks, one request each, within the memory budget.

Owns the requests under way and how many of them run ahead of any read. Decides nothing about which
bytes are worth having (``core/readahead`` does) and keeps no block (a ``Reader`` does). One per
mount; called by ``reader``, on the trio thread.

Demand comes before prefetch: there is no queue. What is read now is asked for at once; what is
fetched ahead only when there is memory nobody else uses and a free place among ``max_ahead``
requests, otherwise not at all: the next read plans it again.
"""

from __future__ import annotations

from typing import Protocol

import trio

from phfs.core.objects import ByteRange, ETag
from phfs.core.readahead import Options
from phfs.errors import NoSuchKey, PreconditionFailed, StoreError, TimedOut
from phfs.s3.store import Store
from phfs.vfs.blocks import Block, Buffer, Pool, capacity_for
from phfs.vfs.budget import Budget

MAX_AHEAD = 16
"""Requests fetched ahead at a time, for the whole mount."""

MOST_UNREAD = 96 * 1024**2
"""Bytes fetched ahead that no read has reached, for the whole mount: four streams' windows. With
more streams each gets less: there are then enough requests under way, and memory that is written
long before it is read is out of the processor's cache."""


class Source(Protocol):
    """The version of an object whose blocks are fetched, and who keeps them."""

    key: str
    etag: ETag
    size: int

    def lost(self, block: Block) -> None:
        """A block the source keeps has failed: forget it."""

    def give_up(self, wanted: int) -> int:
        """Free idle blocks of about ``wanted`` bytes in all; return how many bytes were freed."""

    def close(self) -> None:
        """Give up all blocks."""


class Fetcher:
    """All ranged requests of a mount.

    ``nursery`` runs the requests; it must outlive every reader. ``options`` tell readers how much
    to fetch, by default what suits the budget.
    """

    def __init__(
        self,
        store: Store,
        budget: Budget,
        nursery: trio.Nursery,
        *,
        options: Options | None = None,
        max_ahead: int = MAX_AHEAD,
    ) -> None:
        self._alone = options or Options.for_memory(budget.limit)
        self.options = self._alone
        """Of each reader at the moment: they share the memory."""
        self.requests = 0
        """Ranges asked for since the mount began."""
        self.asked = 0
        """Bytes of those."""
        self.unread = 0
        """Bytes fetched ahead that no read has reached."""
        self._store = store
        self._budget = budget
        self._nursery = nursery
        self._token = trio.lowlevel.current_trio_token()
        self._pool = Pool(budget, self._token, spare_limit=self._alone.window)
        self._max_ahead = max_ahead
        self._ahead = 0
        self._most_unread = min(MOST_UNREAD, budget.limit // 4)
        self._sources: dict[Source, None] = {}
        """The one used last comes last."""
        self._streams = 0
        """Sources that are not fetched whole."""
        budget.add_reclaimer(self._reclaim)

    def used(self, source: Source) -> None:
        """``source`` is being read: of all sources it is the last to give up idle blocks."""
        if source in self._sources:
            del self._sources[source]
        else:
            self._count_stream(source, 1)
        self._sources[source] = None

    def close(self) -> None:
        """The mount ends: close every source that was read, and free what nobody holds."""
        for source in list(self._sources):
            source.close()
        self._pool.trim(self._budget.limit)

    def closed(self, source: Source) -> None:
        """``source`` keeps no block any more."""
        if source in self._sources:
            del self._sources[source]
            self._count_stream(source, -1)

    def start(self, source: Source, span: ByteRange) -> Block | None:
        """Fetch a range that is read now; None when it would have to wait for memory."""
        buffer = self._pool.take(span.size, reclaim=True)
        return None if buffer is None else self._launch(source, span, buffer, ahead=False)

    def start_ahead(self, source: Source, span: ByteRange) -> Block | None:
        """Fetch a range that will likely be read; None when others need the means more."""
        size = capacity_for(span.size)
        if self._ahead >= self._max_ahead or self.unread + size > self._most_unread:
            return None
        buffer = self._pool.take(span.size, reclaim=False)
        if buffer is None:
            return None
        self._ahead += 1
        self.unread += len(buffer)
        return self._launch(source, span, buffer, ahead=True)

    def reached(self, block: Block) -> None:
        """The block is read, or given up: it is no longer one that lies ahead."""
        if block.unread:
            block.unread = False
            self.unread -= block.capacity

    async def buffer(self, size: int) -> Buffer:
        """Wait for memory for ``size`` bytes. The caller must hold no pin meanwhile."""
        return await self._pool.wait(size)

    def start_in(self, source: Source, span: ByteRange, buffer: Buffer) -> Block:
        """Fetch a range that is read now into a buffer that was waited for."""
        return self._launch(source, span, buffer, ahead=False)

    def give_back(self, buffer: Buffer) -> None:
        """Return a buffer that was waited for and is not needed."""
        self._pool.give_back(buffer)

    def settle(self, block: Block) -> None:
        """Somebody has let go of the block: its buffer may be free, or reclaimable."""
        if not block.kept:
            self.reached(block)
        if block.free:
            self._pool.give_back(block.store_buffer)
        elif block.idle:
            self._budget.reconsider()

    def discard(self, block: Block) -> int:
        """Free an idle block's memory at once; return how many bytes that is."""
        assert block.idle
        block.kept = False
        self.reached(block)
        self._budget.release(block.capacity, for_write=False)
        return block.capacity

    def _count_stream(self, source: Source, change: int) -> None:
        if source.size > self._alone.first:
            self._streams += change
            share = self._budget.limit // 2 // max(1, self._streams)
            self.options = self._alone.shared(share)

    def _launch(self, source: Source, span: ByteRange, buffer: Buffer, *, ahead: bool) -> Block:
        self.asked += span.size
        block = Block(span, buffer, self._token, ahead=ahead)
        self._nursery.start_soon(self._fetch, source, block)
        return block

    async def _fetch(self, source: Source, block: Block) -> None:
        """One block's request, from its start to its end."""
        error: StoreError | None = TimedOut(f"{source.key}: the mount was stopped meanwhile.")
        try:
            await self._get(source, block)
            error = None
        except StoreError as failure:
            error = failure
        finally:
            self._ahead -= block.ahead
            block.finish(error)
            if error is not None and block.kept:
                block.kept = False
                source.lost(block)
            self.settle(block)

    async def _get(self, source: Source, block: Block) -> None:
        """Ask for the block's range, again when the object was renamed meanwhile."""
        while True:
            self.requests += 1
            key, etag = source.key, source.etag
            whole = block.span == (0, source.size)
            try:
                return await self._store.get(key, block.span, block, if_match=etag, whole=whole)
            except (NoSuchKey, PreconditionFailed):
                if (key, etag) == (source.key, source.etag):
                    raise

    def _reclaim(self, wanted: int) -> int:
        """Free idle blocks, those of the source not read for longest first."""
        freed = 0
        for source in self._sources:
            if freed >= wanted:
                break
            freed += source.give_up(wanted - freed)
        return freed
