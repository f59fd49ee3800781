"""The cursors of one file: which of them a read continues, and which are no longer read.

Owns the list of them. Plans nothing and knows no blocks: what cursors no longer want is left for
``readahead``, which calls it, to look at.
"""

from __future__ import annotations

from collections.abc import Iterator

from phfs.core.ahead import LARGEST, Options
from phfs.core.cursor import Cursor
from phfs.core.objects import ByteRange
from phfs.core.strides import Strides


class Cursors:
    """The cursors of one version of one file of ``size`` bytes, and the strides they take."""

    def __init__(self, size: int) -> None:
        self.strides = Strides(size)
        self.left: list[ByteRange] = []
        """Where cursors have wanted what they want no more; for the caller to clear."""
        self.before = 0
        """Where the cursor stood that the last read has moved."""
        self._cursors: list[Cursor] = []
        """The one used last comes first."""
        self._options = Options()
        self._reads = 0

    def __iter__(self) -> Iterator[Cursor]:
        return iter(self._cursors)

    def follow(self, read: ByteRange, options: Options, *, covered: bool) -> Cursor | None:
        """Move the cursor this read continues, or begin one; None for a repetition. ``covered``:
        all of it is in blocks."""
        self._options = options
        self._reads += 1
        cursors = self._cursors
        for cursor in cursors:
            if cursor.start <= read.start <= cursor.position < read.stop:
                self._advance(cursor, read)
                cursors.remove(cursor)
                break
        else:
            if covered and any(
                cursor.start <= read.start and read.stop <= cursor.position for cursor in cursors
            ):
                return None
            cursor = self._begin(read.start)
            self._advance(cursor, read)
            if len(cursors) >= self._options.cursors:
                self.left.append(cursors.pop().reach(self._options))
        cursors.insert(0, cursor)
        cursor.used = self._reads
        if cursor.outran(read.size, options):
            self._rest(cursor)
        return cursor

    def _begin(self, start: int) -> Cursor:
        cursor = Cursor(start, self._credit(start))
        self.strides.begun(cursor)
        if cursor.expected and self.strides.dense(self._options):
            cursor.credit = self.strides.earned
            cursor.requests = 1
            cursor.expected = 0
        cursor.planned = start + cursor.expected
        cursor.begun = self._reads
        return cursor

    def _rest(self, stream: Cursor) -> None:
        """Give up what lies ahead of cursors that have not moved while a new one became a stream:
        its reader is theirs."""
        self.strides.abandon()
        for cursor in self._cursors:
            if cursor.used < stream.begun:
                self.left.append(cursor.reach(self._options))
                cursor.requests = 0
                cursor.planned = cursor.position

    def _advance(self, cursor: Cursor, read: ByteRange) -> None:
        """Move a cursor on, over the cursors that begin where it now stands.

        A new cursor takes over none: a file that is read backwards is no stream. What is shorter
        than a request of the largest size before it is the rest of the same read(2).
        """
        self.before = cursor.position
        cursor.position = read.stop
        if cursor.follower is not None:  # This one goes on, and says nothing of that one's end.
            cursor.follower.expected = 0
            cursor.follower = None
        if not read.size < LARGEST <= cursor.last:
            cursor.requests += 1
        cursor.last = read.size
        while cursor.requests > 1 and (
            follower := next(
                (other for other in self._cursors if other.start == cursor.position), None
            )
        ):
            cursor.position = follower.position
            cursor.requests += follower.requests
            cursor.planned = max(cursor.planned, follower.planned)
            self._cursors.remove(follower)
            self.strides.forget(follower)
            self.left.append(follower.reach(self._options))

    def _credit(self, start: int) -> int:
        """What a new cursor is believed to have read: a reader that begins at the beginning will
        likely go on; one that skips ahead inside a stream's window is likely the same stream."""
        if start == 0:
            return self._options.first
        return max(
            (
                (cursor.position - cursor.start + cursor.credit) // 2
                for cursor in self._cursors
                if cursor.position < start <= cursor.position + cursor.window(self._options)
            ),
            default=0,
        )
