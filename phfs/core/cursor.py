"""Cursors: the stretches of a file that were read without a gap.

Owns what is known of one of them. Decides nothing: ``readahead`` moves cursors on and asks them how
far ahead to look, ``strides`` compares where they began.
"""

from __future__ import annotations

from phfs.core.ahead import Options
from phfs.core.objects import ByteRange


class Cursor:
    """The bytes ``start <= i < position`` were read; ``credit`` counts as read, too."""

    __slots__ = (
        "credit",
        "expected",
        "last",
        "planned",
        "position",
        "repeats",
        "requests",
        "start",
    )

    def __init__(self, start: int, credit: int = 0) -> None:
        self.start = start
        self.position = start
        self.credit = credit
        self.expected = 0
        """How many bytes were read from a place that this one repeats (``strides``); 0: unknown."""
        self.repeats = False
        """Whether it began one stride after another (``strides``)."""
        self.requests = 0
        self.last = 0
        """Bytes of the last request."""
        self.planned = start
        """Up to where something was planned ahead of it."""

    @property
    def stretch(self) -> int:
        """How many bytes are read from here, as far as is known."""
        return max(self.position - self.start, self.expected)

    def window(self, options: Options) -> int:
        """Bytes to hold ahead of the position; none until a second request has followed."""
        if self.requests < 2:
            return 0
        read = self.position - self.start + self.credit
        return min(options.window, options.growth * read)

    def reach(self, options: Options) -> ByteRange:
        """Where this cursor may still read, or has skipped a short while ago."""
        slack = options.first
        end = max(self.position + max(slack, self.window(options)), self.planned)
        return ByteRange(self.position - slack, end)
