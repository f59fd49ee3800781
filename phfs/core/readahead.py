"""Read-ahead: from the reads of one inode to the ranges worth asking the store for.

Decides and never fetches: ``plan`` says what has to be there, what is worth fetching ahead and
which blocks nobody needs any more. Called by ``vfs/reader``, which tells back by ``forget`` what it
could not get or has given up.

A *cursor* is one stretch of bytes that was read without a gap. Cursors belong to the inode, not to
a handle: a mapping read at four places, or several processes on one file, are several cursors.
The kernel's own read-ahead arrives out of order: a request ahead of a cursor becomes a cursor of
its own, and the two are one as soon as the gap between them was read. How far ahead is fetched
depends only on how much was read without a gap, so a random read fetches little more than it asked
for, and a stream doubles its window with each window it has read. One read(2) of more than the
kernel asks for at once comes as several requests; the short one at its end is no sign of a stream.

What was read is in the kernel's page cache: a block that was wholly read is dropped.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterator
from typing import NamedTuple

from phfs.core.ahead import LARGEST, PAGE, Options, page_up
from phfs.core.cursor import Cursor
from phfs.core.cursors import Cursors
from phfs.core.objects import ByteRange


class Plan(NamedTuple):
    """What one read needs; each list in order of offset. ``blocks`` together hold the bytes read;
    those of them in ``needed`` have to be fetched now. ``prefetch`` are worth fetching ahead, each
    run of blocks by one request. Blocks in ``drop`` are wanted by no cursor any more."""

    blocks: list[ByteRange]
    needed: list[ByteRange]
    prefetch: list[list[ByteRange]]
    drop: list[ByteRange]


class ReadAhead:
    """The cursors of one version of one file of ``size`` bytes, and the blocks planned for them."""

    def __init__(self, size: int, options: Options) -> None:
        self._size = size
        self.options = options  # may be replaced between two plans
        self._cursors = Cursors(size)
        self._starts: list[int] = []
        self._stops: list[int] = []
        """Blocks planned and not forgotten, disjoint, by offset."""
        self._suspects: list[ByteRange] = []  # where blocks may have become useless meanwhile
        self._foreseen: list[ByteRange] = []

    def plan(self, offset: int, length: int) -> Plan:
        """Plan the read of ``length`` > 0 bytes at ``offset``, all of them inside the file.
        Blocks named by earlier plans count as there until they were in a ``drop`` or forgotten."""
        wanted = ByteRange(offset, offset + length)
        assert 0 <= wanted.start < wanted.stop <= self._size
        drop = self._sweep(wanted) if self._suspects else []
        blocks, gaps = self._cover(wanted)
        cursor = self._cursors.follow(wanted, self.options, covered=not gaps)
        if cursor is None:
            return Plan(blocks, [], [], drop)
        self._suspect(cursor)
        window = cursor.window(self.options)
        needed = [self._add(self._widen(gap, wanted, window)) for gap in gaps]
        if needed:
            blocks, gaps = self._cover(wanted)
            assert not gaps
        prefetch = self._ahead(cursor, window)
        if prefetch:
            cursor.planned = max(cursor.planned, prefetch[-1][-1].stop)
        if cursor.start == wanted.start:
            self._cursors.strides.foresee(self.options)
        places = self._cursors.strides.places
        if places != self._foreseen:
            prefetch += self._elsewhere(places)
        return Plan(blocks, needed, prefetch, drop)

    def whole(self) -> ByteRange:
        """Plan a file none of which was planned yet as one block, before any read of it."""
        assert not self._starts
        return self._add(ByteRange(0, self._size))

    def covers(self, offset: int, length: int) -> list[ByteRange] | None:
        """The blocks that hold these bytes; None when some are in no block."""
        blocks, gaps = self._cover(ByteRange(offset, offset + length))
        return None if gaps else blocks

    def forget(self, block: ByteRange) -> None:
        """A block of an earlier plan is not there (any more): plan it anew when it is read."""
        index = bisect_left(self._starts, block.start)
        if index < len(self._starts) and self._starts[index] == block.start:
            del self._starts[index], self._stops[index]

    def _cover(self, wanted: ByteRange) -> tuple[list[ByteRange], list[ByteRange]]:
        """The blocks that touch ``wanted`` and the gaps between them."""
        blocks: list[ByteRange] = []
        gaps: list[ByteRange] = []
        position = wanted.start
        index = bisect_right(self._stops, position)
        while index < len(self._starts) and self._starts[index] < wanted.stop:
            block = ByteRange(self._starts[index], self._stops[index])
            if position < block.start:
                gaps.append(ByteRange(position, block.start))
            blocks.append(block)
            position = block.stop
            index += 1
        if position < wanted.stop:
            gaps.append(ByteRange(position, wanted.stop))
        return blocks, gaps

    def _widen(self, gap: ByteRange, wanted: ByteRange, window: int) -> ByteRange:
        """The range to ask for so that ``gap`` is there, within the neighbouring blocks.

        A random read of the kernel's largest size is likely longer, by the page that its unaligned
        ends share: the columns of a table are read like that.
        """
        if self._size <= self.options.first:
            return ByteRange(0, self._size)
        start = gap.start // PAGE * PAGE
        size = min(self._request(window), self.options.block)
        if wanted.start == 0:
            size = max(size, self.options.first)
        index = bisect_right(self._stops, gap.start)
        if index:
            start = max(start, self._stops[index - 1])
        limit = self._starts[index] if index < len(self._starts) else self._size
        rest = self.options.least if wanted.size >= LARGEST and not window else 0
        return ByteRange(start, min(max(start + size, page_up(gap.stop) + rest), limit))

    def _request(self, window: int) -> int:
        """Request size for a window: two of them fit into it."""
        return self.options.request_within(window // 2)

    def _suspect(self, cursor: Cursor) -> None:
        """Blocks may have become useless where cursors were given up, and behind one that has read
        a block to its end."""
        self._suspects += self._cursors.left
        self._cursors.left.clear()
        behind = ByteRange(self._cursors.before - self.options.first, cursor.position)
        if bisect_right(self._stops, behind.start) != bisect_right(self._stops, behind.stop):
            self._suspects.append(behind)

    def _elsewhere(self, places: list[ByteRange]) -> list[list[ByteRange]]:
        """What is in no block yet of the places foreseen now."""
        self._suspects += set(self._foreseen).difference(places)
        self._foreseen = places
        runs = []
        for place in places:
            gaps = self._cover(place)[1]
            if 2 * sum(gap.size for gap in gaps) <= place.size:
                continue  # It was planned before, from a little farther away.
            for gap in gaps:
                for start in range(gap.start, gap.stop, self.options.request):
                    stop = min(start + self.options.request, gap.stop)
                    runs.append([self._add(block) for block in self._cut(start, stop)])
        return runs

    def _ahead(self, cursor: Cursor, window: int) -> list[list[ByteRange]]:
        """What of the window after the cursor is in no block yet, in whole requests. Ends where
        another stream began, for what that has read is in the page cache, and where the cursor is
        expected to end."""
        position = cursor.position
        prefetch: list[list[ByteRange]] = []
        if not window:
            return prefetch
        size = self._request(window)
        barrier = min(
            (c.start for c in self._cursors if c.start >= position and c.position - c.start > size),
            default=self._size,
        )
        expected = self._cursors.strides.end(cursor, self.options)
        if expected is not None:
            barrier = min(barrier, page_up(expected))
        end = min(barrier, position + window)
        index = bisect_right(self._stops, position)
        while position < end:
            if index < len(self._starts) and self._starts[index] <= position:
                position = self._stops[index]
            else:
                limit = self._starts[index] if index < len(self._starts) else barrier
                stop = min((position + size) // size * size, limit, barrier)
                if stop > end:
                    break
                run = [self._add(block) for block in self._cut(position, stop)]
                prefetch.append(run)
                position = stop
                index += len(run) - 1
            index += 1
        return prefetch

    def _cut(self, start: int, stop: int) -> Iterator[ByteRange]:
        """A request's blocks; all but the ends lie at multiples of their size in the file."""
        block = self.options.block
        while start < stop:
            end = min((start + block) // block * block, stop)
            yield ByteRange(start, end)
            start = end

    def _add(self, block: ByteRange) -> ByteRange:
        index = bisect_left(self._starts, block.start)
        self._starts.insert(index, block.start)
        self._stops.insert(index, block.stop)
        return block

    def _sweep(self, reading: ByteRange) -> list[ByteRange]:
        """Forget and return the blocks that no cursor wants, but those being read now."""
        suspects, self._suspects = self._suspects, []
        reaches = [(c.start, c.position, *c.reach(self.options)) for c in self._cursors]
        reaches += [(0, 0, *place) for place in self._foreseen]
        drop: list[ByteRange] = []
        for suspect in suspects:
            index = bisect_right(self._stops, suspect.start)
            while index < len(self._starts) and self._starts[index] < suspect.stop:
                block = ByteRange(self._starts[index], self._stops[index])
                index += 1
                if any(
                    first < block.stop
                    and block.start < last
                    and not (start <= block.start and block.stop <= position)
                    for start, position, first, last in reaches
                ):
                    continue
                if block.start < reading.stop and reading.start < block.stop:
                    self._suspects.append(block)
                    continue
                drop.append(block)
                index -= 1
                del self._starts[index], self._stops[index]
        return drop
