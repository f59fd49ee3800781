"""The bytes of one file, in order, a few ranges ahead of the reader.

Owns the order, and that all bytes are of one version. Keeps no more than ``AHEAD`` ranges. Called
by ``cli.commands.cat``.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import trio

from phfs.core.objects import ByteRange
from phfs.errors import AccessDenied, NoSuchKey, PreconditionFailed, Stale
from phfs.files.looking import Entry, may_not
from phfs.files.paths import Remote
from phfs.s3.sink import Bytes
from phfs.s3.store import Store

RANGE = 1024 * 1024
"""Bytes of a range."""

AHEAD = 8
"""Ranges that are fetched at once."""


class _Range(Bytes):
    """A range on its way, and whether all of it has come."""

    def __init__(self, start: int, size: int) -> None:
        super().__init__(memoryview(bytearray(size)))
        self.start = start
        self.complete = trio.Event()


async def pour(store: Store, entry: Entry, write: Callable[[memoryview], Awaitable[None]]) -> None:
    """Hand the file's bytes to ``write``, one range after the other.

    Raises ``Stale`` if the file is replaced or removed meanwhile, ``StoreError``, and what
    ``write`` raises; the latter inside a group.
    """
    starts = range(0, entry.size, RANGE)
    ahead, coming = trio.open_memory_channel[_Range](AHEAD - 2)  # one is fed, one read
    done = 0

    async def fetch(part: _Range) -> None:
        wanted = ByteRange(part.start, part.start + len(part.buffer))
        whole = wanted == (0, entry.size)
        try:
            await store.get(entry.path, wanted, part, if_match=entry.etag, whole=whole)
        except (PreconditionFailed, NoSuchKey) as error:
            raise Stale(
                f"{Remote(entry.path)} was replaced or removed while it was read, after {done} of "
                f"its {entry.size} bytes.",
                "Read it again.",
            ) from error
        except AccessDenied as error:
            raise may_not("read", Remote(entry.path), "s3:GetObject") from error
        part.complete.set()

    async def feed(nursery: trio.Nursery) -> None:
        async with ahead:
            for start in starts:
                part = _Range(start, min(RANGE, entry.size - start))
                nursery.start_soon(fetch, part)
                await ahead.send(part)

    async with trio.open_nursery() as nursery:
        nursery.start_soon(feed, nursery)
        async with coming:
            async for part in coming:
                await part.complete.wait()
                await write(part.buffer)
                done += len(part.buffer)
