"""A sink in memory, for who wants all of a range and looks at nothing before it has come.

Called by ``sweep``, ``files`` and ``doctor``; a mount has sinks of its own, which tell how far the
bytes have come. ``pour`` is for stores that have all of them at hand, ``memory`` for one.
"""

from __future__ import annotations

from phfs.s3.store import Sink


class Bytes:
    """A ``Sink`` that fills ``buffer``, which is writable and as long as the range."""

    cancelled = False
    awaited = 0

    def __init__(self, buffer: memoryview) -> None:
        self.buffer = buffer

    @classmethod
    def of(cls, size: int) -> Bytes:
        """One with a buffer of its own, of ``size`` bytes."""
        return cls(memoryview(bytearray(size)))

    def space(self, start: int, stop: int) -> memoryview:
        """That part of ``buffer``."""
        return self.buffer[start:stop]

    def advance(self, filled: int) -> None:
        """Nobody waits for a part of it."""


def pour(data: memoryview, sink: Sink) -> None:
    """Give a sink the first bytes of its range in one step."""
    done = 0
    while done < len(data):
        space = sink.space(done, len(data))
        space[:] = data[done : done + len(space)]
        done += len(space)
    sink.advance(done)
