"""The bytes of an object or a part as chunks, with the checksum the store will verify.

Owns the sum, taken of each piece as it is added: the bytes are then in the processor's cache, where
it costs a third of what it does when they are sent, and they are protected from that moment on.
Filled by ``vfs/partbuffer``, read by ``headers``.
"""

from __future__ import annotations

from awscrt.checksums import crc32c  # type: ignore[import-untyped]

Chunk = bytes | bytearray | memoryview


class SummedBody(list[Chunk]):
    """A ``Body`` that knows its CRC32C. What is in it must not change but by its own methods."""

    def __init__(self) -> None:
        super().__init__()
        self.crc = 0

    def add(self, chunk: Chunk) -> None:
        """Append a chunk."""
        self.append(chunk)
        self.crc = crc32c(chunk, self.crc)

    def extend_last(self, chunk: Chunk, added: Chunk) -> None:
        """Put ``chunk`` in the last one's place: the same bytes, and ``added`` behind them."""
        self[-1] = chunk
        self.crc = crc32c(added, self.crc)
