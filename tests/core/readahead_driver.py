"""A reader's part in read-ahead, for its tests: keeps the blocks and checks every plan."""

from __future__ import annotations

import itertools

from phfs.core.ahead import KIB, PAGE, Options
from phfs.core.objects import ByteRange
from phfs.core.readahead import Plan, ReadAhead

OPTIONS = Options()
SMALL = Options(
    first=64 * KIB,
    least=8 * KIB,
    block=16 * KIB,
    request=64 * KIB,
    window=256 * KIB,
    growth=2,
    cursors=4,
)


class Driver:
    """Keeps the blocks as a reader would and checks every plan against them."""

    def __init__(self, size: int, options: Options = OPTIONS) -> None:
        self.size = size
        self.options = options
        self.readahead = ReadAhead(size, options)
        self.blocks: set[ByteRange] = set()
        self.fetched = 0
        self.read_bytes = 0
        self.needed: list[ByteRange] = []
        self.prefetched: list[ByteRange] = []
        self.runs: list[ByteRange] = []
        self.most_kept = 0

    def read(self, offset: int, length: int) -> Plan:
        length = min(length, self.size - offset)
        plan = self.readahead.plan(offset, length)
        for block in plan.drop:
            self.blocks.remove(block)
        ahead = [block for run in plan.prefetch for block in run]
        for run in plan.prefetch:
            assert sum(block.size for block in run) <= self.options.request
            assert all(block.stop == after.start for block, after in itertools.pairwise(run))
        for block in plan.needed + ahead:
            assert 0 <= block.start < block.stop <= self.size
            assert not any(block.start < b.stop and b.start < block.stop for b in self.blocks)
            assert block.size <= max(self.options.block, self.options.first, length + 2 * PAGE)
            self.blocks.add(block)
            self.fetched += block.size
        assert set(plan.needed) <= set(plan.blocks) <= self.blocks
        assert not set(plan.needed) & set(ahead)
        position = offset
        for block in plan.blocks:
            assert block.start <= position < block.stop
            position = block.stop
        assert position >= offset + length
        assert self.readahead.covers(offset, length) == plan.blocks
        self.read_bytes += length
        self.needed += plan.needed
        self.prefetched += ahead
        self.runs += [ByteRange(run[0].start, run[-1].stop) for run in plan.prefetch]
        self.most_kept = max(self.most_kept, sum(block.size for block in self.blocks))
        return plan

    def read_through(self, start: int, stop: int, step: int) -> None:
        for offset in range(start, stop, step):
            self.read(offset, min(step, stop - offset))
