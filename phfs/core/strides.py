"""Strides: readers that skip, again and again by the same distance.

Owns the places where cursors of one file began, and the distance at which they repeat: the wanted
columns of a table lie alike in each of its row groups, the wanted chunks of an array alike in each
of its rows. Decides nothing about memory and fetches nothing. Called by ``cursors`` and
``readahead``.

A cursor that begins one *stride* after an earlier one repeats it. The distance need not be exact,
because compressed columns are not equally long: what is off by no more than a fifth of what was
read there still counts, and each repetition corrects the distance. Readers may take turns: the
order of the places does not matter. A stride is believed when all of the last ``JUDGED`` beginnings
were repetitions, which reads at random are not, and as long as ``ENOUGH`` of them are. Then each
reader is foreseen to go on by one stride, by two, and so on, and to read as much there as he has
read one stride before.
"""

from __future__ import annotations

from bisect import bisect_left, insort
from collections import deque

from phfs.core.ahead import LARGEST, MAX_AHEAD, MIB, PAGE, Options, page_up
from phfs.core.cursor import Cursor
from phfs.core.objects import ByteRange

REMEMBERED = 32
"""Beginnings that are compared with: a table of which more columns are read does not repeat itself
within them. To look through so many takes 20 µs."""

JUDGED = 6
ENOUGH = 4
"""Of 32 records at random on a grid of 128 six in a row look like repetitions in one of 200 tries;
a tenth of the beginnings in a table whose columns differ by 2 % are elsewhere."""

WIDEST = 16 * MIB
"""What was read from a place counts as no more: the start of a stream repeats nothing."""

TOLERATED = 5
"""What is off by no more than a fifth of what was read there is a repetition, and places that could
be off by more are not foreseen. Of columns that are equally long to 2 % a half more is fetched than
is read, and one of ten reads still has to wait; those that differ by 5 % are left alone."""

AVERAGED = 16
"""Repetitions over which the stride is averaged, and whose errors are remembered."""

MARGIN = 1.5
"""How much farther off than the worst of those a place may be."""


class Strides:
    """The beginnings in one version of one file of ``size`` bytes."""

    def __init__(self, size: int) -> None:
        self.believed = False
        """Whether a stride was found that the last beginnings had."""
        self.earned = 0
        """Bytes read one stride after others, less for each beginning elsewhere."""
        self._size = size
        self._past: deque[Cursor] = deque()
        self._starts: list[int] = []
        """Where those began, in order."""
        self._by_start: dict[int, Cursor] = {}
        self._stride = 0.0
        self._averaged = 0
        self._errors: deque[int] = deque(maxlen=AVERAGED)
        """By how much the places of the last repetitions were off."""
        self._origin: Cursor | None = None
        """What the last beginning repeats."""
        self._heads: dict[Cursor, tuple[ByteRange, ...]] = {}
        """The cursors that repeat another and that none repeats yet, one for each reader of a
        column, and where that will go on; he who did so last comes last."""

    @property
    def places(self) -> list[ByteRange]:
        """All that is foreseen: for the reader that went on last first, for each the nearest."""
        return [place for places in reversed(self._heads.values()) for place in places]

    def begun(self, cursor: Cursor) -> None:
        """A cursor has begun, which is none of those before."""
        self._origin = self._repeated(cursor.start, self._stride) if self._stride else None
        if self._origin is not None and self._origin.repeated_by not in (None, cursor.start):
            self._origin = None  # One place is repeated at one place.
        if self._origin is None:
            self.earned //= 2
            self._look_for(cursor.start)
        if self._origin is not None:
            self._repeat(self._origin, cursor)
        self._remember(cursor)
        right = self._repetitions()
        self.believed = right == JUDGED or (self.believed and right >= ENOUGH)

    def forget(self, cursor: Cursor) -> None:
        """The cursor was but a part of the stretch of another one."""
        if cursor in self._past:
            self._past.remove(cursor)
            self._drop(cursor)

    def dense(self, options: Options) -> bool:
        """Whether what is skipped is so little that it is better fetched, too."""
        return self.believed and self._stride <= 2 * options.least

    def end(self, cursor: Cursor, options: Options) -> int | None:
        """Where the cursor will likely end; None when nobody knows, or it has gone on."""
        if not self.believed and cursor.expected <= options.first:
            return None
        end = cursor.start + cursor.expected
        slack = min(cursor.expected // TOLERATED, LARGEST)
        return end if cursor.position <= end + slack else None

    def abandon(self) -> None:
        """Foresee nothing until another cursor begins."""
        self._heads = dict.fromkeys(self._heads, ())

    def foresee(self, options: Options) -> None:
        """Set where the reader will read whose cursor began last, and those for whom it is not set
        yet. All readers together have as much ahead of them as a stream would."""
        if not self.believed or self.dense(options):
            self.abandon()
        elif self._origin is not None and self._heads:
            left = min(options.window, options.growth * self.earned) // len(self._heads)
            most = max(1, MAX_AHEAD // len(self._heads))
            for head, places in self._heads.items():
                if not places or head is self._past[-1]:
                    wanted = max(most, len(places))
                    self._heads[head] = self._ahead_of(head, options.window, left, wanted)

    def _repeat(self, origin: Cursor, cursor: Cursor) -> None:
        """``cursor`` has begun about one stride after ``origin``, which ends that one."""
        off = round(cursor.start - origin.start - self._stride)
        read = origin.position - origin.start
        longer = read - origin.expected if origin.expected else 0
        self._errors.append(max(abs(off), abs(longer)))
        self._averaged = min(self._averaged + 1, AVERAGED)
        self._stride += off / self._averaged
        cursor.expected = read
        origin.repeated_by, origin.follower = cursor.start, cursor
        places = self._heads.pop(origin, ())
        self._heads[cursor] = places[1:]
        cursor.repeats = not places or places[0].start <= cursor.start < places[0].stop
        if cursor.repeats:
            self.earned += read
        else:
            self.earned //= 2

    def _ahead_of(self, head: Cursor, largest: int, left: int, most: int) -> tuple[ByteRange, ...]:
        """The next ``most`` places, of ``left`` bytes in all, or the first and no more than the
        ``largest`` of it. None for a reader that has gone on for longer than was expected: it has
        become a stream; nor for one of which nobody knows how far it goes."""
        places: list[ByteRange] = []
        longest = min(self._stride, head.expected + max(head.expected // TOLERATED, LARGEST))
        if not head.expected or head.stretch > longest:
            return ()
        recent = list(self._past)[-2 * len(self._heads) :]
        for step in range(1, most + 1):
            place = round(head.start + step * self._stride)
            if self._near(place) in recent:
                continue  # Another reader is there.
            off = int(MARGIN * step**0.5 * max(self._errors)) // PAGE
            if off * PAGE * TOLERATED > head.stretch:
                break
            first, last = place // PAGE - off, page_up(place + head.stretch) // PAGE + off
            start, stop = max(0, first) * PAGE, min(last * PAGE, self._size)
            if start >= stop or (places and stop - start > left):
                break
            places.append(ByteRange(start, min(stop, start + largest)))
            left -= places[-1].size
        return tuple(places)

    def _repetitions(self) -> int:
        """How many of the last beginnings were where one was expected."""
        return sum(cursor.repeats for cursor in list(self._past)[-JUDGED:])

    def _look_for(self, start: int) -> None:
        """Adopt the distance at which most of the last beginnings, with this one, repeat others;
        the shortest of several. That of before has just failed, and must be excelled or equalled.
        """
        last = list(self._past)[1 - JUDGED :]
        if not last:
            return
        most = JUDGED if self.believed else max(2, self._repetitions())
        best: tuple[Cursor, list[Cursor | None]] | None = None
        lowest = bisect_left(self._starts, start - last[-1].start)
        for first in reversed(self._starts[lowest : bisect_left(self._starts, start)]):
            stride = start - first
            if self._repeated(last[-1].start, stride) is None or self._multiple(stride):
                continue
            found = self._origins(last, stride, self._by_start[first])
            repetitions = 1 + len(found) - found.count(None)
            if repetitions >= most and found[-1] is not None:
                most = repetitions + 1
                best = self._by_start[first], found
        if best is not None:
            self._origin, found = best
            self._adopt(start - self._origin.start, list(zip(last, found, strict=True)))

    def _origins(self, cursors: list[Cursor], stride: int, taken: Cursor) -> list[Cursor | None]:
        """What each of the cursors repeats, no two of them the same."""
        found: list[Cursor | None] = []
        for cursor in cursors:
            origin = self._repeated(cursor.start, stride)
            found.append(None if origin is taken or origin in found else origin)
        return found

    def _repeated(self, start: int, stride: float) -> Cursor | None:
        """The cursor that began about one stride before this place."""
        origin = self._near(start - stride)
        return origin if origin is not None and origin.start < start else None

    def _multiple(self, stride: int) -> bool:
        """Whether this is about twice a stride that is believed, or three times, and so on."""
        if not self.believed:
            return False
        times = stride / self._stride
        return times > 1.5 and abs(times - round(times)) < 1 / TOLERATED

    def _adopt(self, stride: int, last: list[tuple[Cursor, Cursor | None]]) -> None:
        """Take another stride, by which each of the ``last`` cursors repeats one, or none."""
        self.believed = False
        self._stride, self._averaged = stride, 1
        for cursor, origin in last:
            cursor.repeats = origin is not None
        repeated = [(cursor.start, origin) for cursor, origin in last if origin is not None]
        self.earned = sum(origin.stretch for _, origin in repeated)
        self._errors.clear()
        self._errors.extend(abs(start - origin.start - stride) for start, origin in repeated)
        self._heads.clear()
        for cursor in self._past:
            cursor.repeated_by = cursor.follower = None
        for cursor in self._past:
            origin = self._repeated(cursor.start, stride)
            if origin is not None:
                origin.repeated_by = cursor.start
                self._heads.pop(origin, None)
                self._heads[cursor] = ()

    def _near(self, place: float) -> Cursor | None:
        """The beginning at about ``place``."""
        index = bisect_left(self._starts, place)
        if index < len(self._starts):
            after = self._by_start[self._starts[index]]
            if (after.start - place) * TOLERATED <= min(after.stretch, WIDEST):
                return after
        if index:
            before = self._by_start[self._starts[index - 1]]
            if (place - before.start) * TOLERATED <= min(before.stretch, WIDEST):
                return before
        return None

    def _remember(self, cursor: Cursor) -> None:
        if len(self._past) == REMEMBERED:
            self._drop(self._past.popleft())
        self._past.append(cursor)
        if cursor.start not in self._by_start:
            insort(self._starts, cursor.start)
        self._by_start[cursor.start] = cursor

    def _drop(self, cursor: Cursor) -> None:
        self._heads.pop(cursor, None)
        if self._by_start.get(cursor.start) is cursor:
            del self._by_start[cursor.start]
            del self._starts[bisect_left(self._starts, cursor.start)]
