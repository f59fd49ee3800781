"""A sink that remembers what it was told."""

from __future__ import annotations

from phfs.core.objects import ByteRange, ETag
from phfs.s3.store import Store


class BytesSink:
    """A sink of ``size`` bytes; ``advances`` lists the progress reported, ``cancelled`` is set by
    the test."""

    def __init__(self, size: int) -> None:
        self.buffer = memoryview(bytearray(size))
        self.cancelled = False
        self.awaited = 0
        self.advances: list[int] = []

    def advance(self, filled: int) -> None:
        self.advances.append(filled)

    @property
    def filled(self) -> bytes:
        """The bytes said to be valid."""
        return bytes(self.buffer[: self.advances[-1] if self.advances else 0])


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
