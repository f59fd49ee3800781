"""The fetcher: turns ranges worth having into blocks, by requests within the memory budget.

Owns the requests under way and how many of them run ahead of any read. Decides nothing about which
bytes are worth having (``core/readahead`` does) and keeps no block (a ``Reader`` does). One per
mount; called by ``reader``, on the trio thread.

Demand comes before prefetch: there is no queue. What is read now is asked for at once; what is
fetched ahead only when there is memory nobody else uses and a free place among ``max_ahead``
requests, otherwise not at all: the next read plans it again.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from typing import Protocol

import trio

from phfs.core.ahead import MAX_AHEAD, Options
from phfs.core.objects import ByteRange, ETag
from phfs.errors import NoSuchKey, PreconditionFailed, StoreError, TimedOut
from phfs.s3.store import Store
from phfs.s3.window import SinkWindow
from phfs.vfs.blocks import Block, Buffer, Pool, capacity_for
from phfs.vfs.budget import Budget
from phfs.vfs.run import Run

MOST_UNREAD = 128 * 1024**2
"""Bytes fetched ahead that no read has reached, for the whole mount: four streams' windows. With
more streams each gets less: there are then enough requests under way, and memory that is written
long before it is read is out of the processor's cache."""

IDLE_SECONDS = 1.0
"""Who has not read for so long may lose what was fetched ahead for him to those who do."""

ANSWERS = 16
"""Requests whose quickest beginning of an answer is taken for the store's latency: one of them has
not waited for the processor or for the bytes of others."""


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
    to fetch, by default what suits the budget and the store's latency.
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
        self._fixed = options
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
        self._max_ahead = max_ahead
        self._ahead = 0
        self._clock = trio.lowlevel.current_clock().current_time  # for any thread
        self._answers: deque[float] = deque(maxlen=ANSWERS)
        self._latency = 0.0
        """The quickest of those, in seconds."""
        self._most_unread = min(MOST_UNREAD, budget.limit // 4)
        # What lies ahead comes and goes: four streams of 256 MiB made 170 MiB anew without these.
        self._pool = Pool(budget, self._token, spare_limit=self._most_unread)
        self._sources: dict[Source, float] = {}
        """When each was used, by the clock; the one used last comes last."""
        self._streams = 0
        """Sources that are not fetched whole."""
        budget.add_reclaimer(self._reclaim)

    def used(self, source: Source) -> None:
        """``source`` is being read: of all sources it is the last to give up idle blocks."""
        if source in self._sources:
            del self._sources[source]
        else:
            self._count_stream(source, 1)
        self._sources[source] = self._clock()

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
        return None if buffer is None else self.start_in(source, span, buffer)

    def start_ahead(self, source: Source, spans: Sequence[ByteRange]) -> list[Block]:
        """Fetch consecutive ranges that will likely be read, by one request.

        The first of them only, perhaps none, when others need the means more.
        """
        size = sum(capacity_for(span.size) for span in spans)
        if self._ahead >= self._max_ahead or not self._makes_room(size):
            return []
        blocks: list[Block] = []
        for span in spans:
            buffer = self._pool.take(span.size, reclaim=False)
            if buffer is None:
                break
            self.unread += len(buffer)
            blocks.append(Block(span, buffer, self._token, ahead=True))
        if blocks:
            self._ahead += 1
            self._launch(source, blocks, ahead=True)
        return blocks

    def leaves_half(self, size: int) -> bool:
        """Whether half of what may be ahead is left to others when so many bytes are fetched."""
        requests, unread = self._max_ahead // 2, self._most_unread // 2
        return self._ahead < requests and self.unread + size <= unread

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
        block = Block(span, buffer, self._token, ahead=False)
        self._launch(source, [block], ahead=False)
        return block

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
            self._share()

    def _share(self) -> None:
        """Set the options for the streams of the moment, and the latency of late."""
        if self._fixed is None:
            self._alone = Options.for_memory(self._budget.limit, self._latency)
        streams = max(1, self._streams)
        share, ahead = self._budget.limit // 2 // streams, self._most_unread // streams
        self.options = self._alone.shared(share, ahead)

    def _launch(self, source: Source, blocks: list[Block], *, ahead: bool) -> None:
        run = Run(blocks, self._token, self._loaded, self._clock, ahead=ahead)
        self.asked += run.span.size
        self._nursery.start_soon(self._fetch, source, run)

    async def _fetch(self, source: Source, run: Run) -> None:
        """One request, from its start to its end."""
        error: StoreError | None = TimedOut(f"{source.key}: the mount was stopped meanwhile.")
        began = self._clock()
        try:
            await self._get(source, run)
            error = None
        except StoreError as failure:
            error = failure
        finally:
            self._ahead -= run.ahead
            for block in run.left:
                if block.filled == block.span.size:
                    self._loaded(block)
                    continue
                block.finish(error)
                if block.kept:
                    block.kept = False
                    source.lost(block)
                self.settle(block)
            if run.answered is not None:
                self._heard(run.answered - began)

    def _heard(self, seconds: float) -> None:
        """The store has begun an answer after so long."""
        self._answers.append(seconds)
        quickest = min(self._answers)
        if quickest != self._latency:
            self._latency = quickest
            self._share()

    def _loaded(self, block: Block) -> None:
        """A block has all its bytes."""
        block.finish(None)
        self.settle(block)

    async def _get(self, source: Source, run: Run) -> None:
        """Ask for the run's range, for the rest of it when the object was renamed meanwhile."""
        while True:
            self.requests += 1
            key, etag = source.key, source.etag
            done = run.filled
            rest = ByteRange(run.span.start + done, run.span.stop)
            whole = rest == (0, source.size)
            sink = SinkWindow(run, done)
            try:
                return await self._store.get(key, rest, sink, if_match=etag, whole=whole)
            except (NoSuchKey, PreconditionFailed):
                if (key, etag) == (source.key, source.etag):
                    raise

    def _makes_room(self, size: int) -> bool:
        """Whether so many bytes more may lie ahead, if need be at the cost of who has not read for
        a while."""
        room = self._most_unread - size
        if self.unread > room:
            recently = self._clock() - IDLE_SECONDS
            for source, used in list(self._sources.items()):
                if used > recently or self.unread <= room:
                    break
                source.give_up(self.unread - room)
        return self.unread <= room

    def _reclaim(self, wanted: int) -> int:
        """Free idle blocks, those of the source not read for longest first."""
        freed = 0
        for source in list(self._sources):
            if freed >= wanted:
                break
            freed += source.give_up(wanted - freed)
        return freed
