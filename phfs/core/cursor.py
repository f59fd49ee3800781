"""Cursors: the stretches of a file that were read without a gap.

Owns what is known of one of them. Decides nothing: ``cursors`` moves them on, ``strides`` compares
where they began, ``readahead`` asks how far ahead of them to look.
"""

from __future__ import annotations

from phfs.core.ahead import Options
from phfs.core.objects import ByteRange


class Cursor:
    """The bytes ``start <= i < position`` were read; ``credit`` counts as read, too."""

    __slots__ = (
        "begun",
        "credit",
        "expected",
        "follower",
        "last",
        "planned",
        "position",
        "repeated_by",
        "repeats",
        "requests",
        "start",
        "used",
    )

    def __init__(self, start: int, credit: int = 0) -> None:
        self.start = start
        self.position = start
        self.credit = credit
        self.begun = 0
        self.used = 0
        """The how many-eth read of the file began it, and moved it last."""
        self.expected = 0
        """How many bytes were read from a place that this one repeats (``strides``); 0: unknown."""
        self.repeats = False
        """Whether it began one stride after another (``strides``)."""
        self.repeated_by: int | None = None
        """Where another began one stride after this one."""
        self.follower: Cursor | None = None
        """That one, if this one was thought to have ended by then."""
        self.requests = 0
        self.last = 0
        """Bytes of the last request."""
        self.planned = start
        """Up to where something was planned ahead of it."""

    @property
    def stretch(self) -> int:
        """How many bytes are read from here, as far as is known."""
        return max(self.position - self.start, self.expected)

    def outran(self, size: int, options: Options) -> bool:
        """Whether its last ``size`` bytes took it a window farther than was expected: whatever else
        was read before, this is a stream now."""
        over = self.position - self.start - self.expected - options.window
        return 0 < over <= size

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
