"""Sinks that remember what they were told."""

from __future__ import annotations

from phfs.core.objects import ByteRange, ETag
from phfs.s3.sink import Bytes
from phfs.s3.store import Store


class BytesSink(Bytes):
    """A sink of ``size`` bytes; ``advances`` lists the progress reported, ``cancelled`` is set by
    the test."""

    def __init__(self, size: int) -> None:
        super().__init__(memoryview(bytearray(size)))
        self.advances: list[int] = []

    def advance(self, filled: int) -> None:
        self.advances.append(filled)

    @property
    def filled(self) -> bytes:
        """The bytes said to be valid."""
        return bytes(self.buffer[: self.advances[-1] if self.advances else 0])


class Scattered:
    """A sink whose bytes go to buffers of ``each`` bytes, that is never told more than it has."""

    cancelled = False
    awaited = 0

    def __init__(self, size: int, each: int) -> None:
        self.places = [bytearray(min(each, size - start)) for start in range(0, size, each)]
        self.filled = 0
        self._each = each

    def space(self, start: int, stop: int) -> memoryview:
        index, offset = divmod(start, self._each)
        return memoryview(self.places[index])[offset : offset + stop - start]

    def advance(self, filled: int) -> None:
        assert self.filled < filled
        self.filled = filled


async def read(store: Store, key: str, start: int = 0, stop: int | None = None) -> bytes:
    """The bytes of the current version of an object."""
    info = (await store.head(key)).info
    return await read_version(store, key, info.etag, start, info.size if stop is None else stop)


async def read_version(store: Store, key: str, etag: ETag, start: int, stop: int) -> bytes:
    """The bytes ``start <= i < stop`` of one version; none at all are not asked for."""
    if start == stop:
        return b""
    sink = BytesSink(stop - start)
    await store.get(key, ByteRange(start, stop), sink, if_match=etag)
    return sink.filled
