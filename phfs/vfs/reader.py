"""The reader of one version of one file: from "these bytes" to bytes.

Owns the blocks kept for that version. What to fetch is decided by ``core/readahead``, fetching is
``fetcher``'s. One per open version, shared by all its handles, so that their reads are seen
together; called by the file system's read and, after a rename, by whoever renamed.
"""

from __future__ import annotations

from collections.abc import Callable

from phfs.core.ahead import PAGE
from phfs.core.objects import ByteRange, ETag
from phfs.core.readahead import Plan, ReadAhead
from phfs.errors import BadHandle, NoSuchKey, PreconditionFailed, Stale
from phfs.vfs.blocks import Block
from phfs.vfs.fetcher import Fetcher


class Reader:
    """Reads the version ``etag`` of the object ``key``, ``size`` bytes long."""

    def __init__(self, fetcher: Fetcher, key: str, size: int, etag: ETag) -> None:
        self.key = key
        self.etag = etag
        self.size = size
        self._fetcher = fetcher
        self._readahead = ReadAhead(size, fetcher.options)
        self._blocks: dict[int, Block] = {}
        """By the offset each starts at; those the read-ahead counts as there."""
        self._closed = False
        self.emptied: Callable[[], None] | None = None
        """Called when the last block was lost: for who keeps a reader for its blocks only."""

    async def read(self, offset: int, size: int) -> bytes | memoryview:
        """Return the ``size`` bytes at ``offset``; fewer only at the end of the file.

        Returns as soon as those bytes have come, without a checkpoint when they are there. A
        memoryview is valid until the caller's next checkpoint: its buffer is reused by a later
        step of the loop at the earliest.

        Raises ``Stale`` when the version is no longer in the store, any other ``StoreError`` as
        it came, ``OutOfMemory`` when the read is larger than the budget.
        """
        self._check_open()
        stop = min(offset + size, self.size)
        if offset >= stop:
            return b""
        self._fetcher.used(self)
        self._readahead.options = self._fetcher.options
        plan = self._readahead.plan(offset, stop - offset)
        for span in plan.drop:
            self._let_go(self._blocks.pop(span.start))
        blocks = self._hold(plan)
        if blocks is None:
            blocks = await self._hold_scarce(ByteRange(offset, stop))
        try:
            for block in blocks:
                await block.wait(min(stop, block.span.stop))
            if len(blocks) == 1:
                return blocks[0].view(offset, stop)
            return b"".join(
                block.view(max(offset, block.span.start), min(stop, block.span.stop))
                for block in blocks
            )
        except (NoSuchKey, PreconditionFailed) as error:
            raise Stale(
                f"{self.key} was replaced or deleted by somebody else while it was read."
            ) from error
        finally:
            self._unpin(blocks)

    def fetch_whole(self) -> bool:
        """Fetch all of the file ahead of any read; False when others need the means more."""
        span = self._readahead.whole()
        blocks = self._fetcher.start_ahead(self, [span])
        if not blocks:
            self._readahead.forget(span)
            return False
        self._blocks[span.start] = blocks[0]
        self._fetcher.used(self)
        return True

    def move(self, key: str, etag: ETag) -> None:
        """The object was renamed through this mount: the same bytes are there under ``key``.

        To be called before the old key is deleted: requests under way that find it gone ask again
        under the new one.
        """
        self.key = key
        self.etag = etag

    def close(self) -> None:
        """Give up everything; requests nobody waits for are cancelled."""
        self._closed = True
        blocks, self._blocks = self._blocks, {}
        for block in blocks.values():
            self._let_go(block)
        self._fetcher.closed(self)

    def lost(self, block: Block) -> None:
        """A kept block has failed: the next read of it asks anew."""
        del self._blocks[block.span.start]
        self._readahead.forget(block.span)
        if self.emptied is not None and not self._blocks:
            self.emptied()

    def give_up(self, wanted: int) -> int:
        """Free idle blocks of about ``wanted`` bytes, the farthest first; return bytes freed."""
        freed = 0
        for start in sorted(self._blocks, reverse=True):
            if freed >= wanted:
                break
            block = self._blocks[start]
            if block.idle:
                freed += self._fetcher.discard(block)
                self.lost(block)
        return freed

    def _check_open(self) -> None:
        if self._closed:
            raise BadHandle(f"{self.key} was closed while it was read.")

    def _hold(self, plan: Plan) -> list[Block] | None:
        """Pin the plan's blocks, start those that are missing and then what is worth it ahead.

        None, and nothing pinned, when there is no memory for all of it now.
        """
        for span in plan.blocks:
            if span.start in self._blocks:
                block = self._blocks[span.start]
                block.pins += 1
                self._fetcher.reached(block)
        short = False
        for span in plan.needed:
            started = None if short else self._fetcher.start(self, span)
            if started is None:
                short = True
                self._readahead.forget(span)
            else:
                started.pins = 1
                self._blocks[span.start] = started
        for run in plan.prefetch:
            ahead = [] if short else self._fetcher.start_ahead(self, run)
            self._blocks.update((block.span.start, block) for block in ahead)
            for span in run[len(ahead) :]:
                short = True
                self._readahead.forget(span)
        blocks = [self._blocks[span.start] for span in plan.blocks if span.start in self._blocks]
        if len(blocks) == len(plan.blocks):
            return blocks
        self._unpin(blocks)
        return None

    async def _hold_scarce(self, span: ByteRange) -> list[Block]:
        """Wait for memory and pin the blocks of ``span``.

        Holds nothing while it waits, so that readers cannot wait for each other in a circle, and
        asks for no more than is read and keeps none of it, so that all get their turn.
        """
        aligned = ByteRange(span.start // PAGE * PAGE, span.stop)
        buffer = await self._fetcher.buffer(aligned.size)
        spans = self._readahead.covers(span.start, span.size)
        if self._closed or spans is not None:
            self._fetcher.give_back(buffer)
            self._check_open()
        if spans is None:
            block = self._fetcher.start_in(self, aligned, buffer)
            block.kept = False
            blocks = [block]
        else:
            blocks = [self._blocks[span.start] for span in spans]
        for block in blocks:
            block.pins += 1
            self._fetcher.reached(block)
        return blocks

    def _let_go(self, block: Block) -> None:
        block.kept = False
        self._fetcher.settle(block)

    def _unpin(self, blocks: list[Block]) -> None:
        for block in blocks:
            block.pins -= 1
            self._fetcher.settle(block)
