"""The bytes of one part while they are written: a list of chunks that is never joined.

Owns the chunks; counts what they really allocate, so that the memory budget is true for a million
writes of ten bytes too. Never sends and never waits. Called by ``writer``.
"""

from __future__ import annotations

from phfs.s3.body import SummedBody

OWN_CHUNK = 64 * 1024
"""Bytes from which a write is kept as it came instead of being copied into an open chunk."""


class PartBuffer:
    """Chunks in order; the last one may be open for more small writes."""

    def __init__(self) -> None:
        self.chunks = SummedBody()
        self.size = 0
        self.allocated = 0
        self._open: bytearray | None = None
        self._filled = 0

    def cost(self, length: int) -> int:
        """Bytes that ``append`` of ``length`` bytes will allocate."""
        if length >= OWN_CHUNK or self.size == 0:
            return length
        room = OWN_CHUNK - self._filled if self._open is not None else 0
        return 0 if length <= room else OWN_CHUNK

    def append(self, data: bytes) -> None:
        """Take the bytes of one write."""
        length = len(data)
        self.allocated += self.cost(length)
        if length >= OWN_CHUNK or self.size == 0:
            self._open = None
            self.chunks.add(data)
        else:
            self._append_small(data)
        self.size += length

    def _append_small(self, data: bytes) -> None:
        if self._open is not None:
            room = OWN_CHUNK - self._filled
            self._fill(data[:room])
            data = data[room:]
        if data:
            self._open = bytearray(OWN_CHUNK)
            self._filled = 0
            self.chunks.add(b"")
            self._fill(data)

    def _fill(self, data: bytes) -> None:
        assert self._open is not None
        end = self._filled + len(data)
        self._open[self._filled : end] = data
        self._filled = end
        self.chunks.extend_last(memoryview(self._open)[:end], data)
