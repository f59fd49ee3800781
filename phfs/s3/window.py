"""A sink for a stretch of another sink's range: what a get uses that goes on where one broke.

Owns the arithmetic between the two. Called by ``retry`` and ``faults``.
"""

from __future__ import annotations

from phfs.s3.store import Sink


class SinkWindow:
    """The bytes of ``sink``'s range from ``start`` on, as a ``Sink`` of their own.

    Everything before ``start`` is taken as filled. ``filled`` says how far this window has come.
    """

    def __init__(self, sink: Sink, start: int) -> None:
        self.filled = 0
        self._sink = sink
        self._start = start

    def space(self, start: int, stop: int) -> memoryview:
        """What the sink has for the bytes, which it counts from ``start`` of the window on."""
        return self._sink.space(self._start + start, self._start + stop)

    @property
    def cancelled(self) -> bool:
        """Whether the sink itself is no longer wanted."""
        return self._sink.cancelled

    @property
    def awaited(self) -> int:
        """What is awaited of the sink, as far as it lies in the window."""
        return max(0, self._sink.awaited - self._start)

    def advance(self, filled: int) -> None:
        """Pass the progress on, counted from the start of the sink."""
        self.filled = filled
        self._sink.advance(self._start + filled)
