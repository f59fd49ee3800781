"""What the tests of the read path share: an object with recognisable bytes and readers on it."""

from __future__ import annotations

import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import cache

import trio
from trio.testing import wait_all_tasks_blocked

from phfs.core.ahead import MIB, Options
from phfs.core.objects import Attributes, ETag
from phfs.s3.faults import FaultyStore
from phfs.s3.memory import MemoryStore
from phfs.vfs.budget import Budget
from phfs.vfs.fetcher import Fetcher
from phfs.vfs.reader import Reader

PATTERN = random.Random(1).randbytes(MIB - 3)


@cache
def content(size: int) -> bytes:
    """``size`` bytes that differ from block to block."""
    return (PATTERN * (size // len(PATTERN) + 1))[:size]


class Rig:
    """A memory store behind faults, a budget, a fetcher, and the object ``data``."""

    def __init__(
        self,
        nursery: trio.Nursery,
        *,
        size: int,
        limit: int,
        options: Options | None,
        max_ahead: int,
    ) -> None:
        self.data = content(size)
        self.memory = MemoryStore(lambda: 0.0)
        self.store = FaultyStore(self.memory)
        self.budget = Budget(limit, read_reserve=limit // 4)
        self.fetcher = Fetcher(
            self.store,
            self.budget,
            nursery,
            options=options,
            max_ahead=max_ahead,
        )
        self.etag = ETag("")

    async def put(self, key: str, data: bytes) -> ETag:
        """Store an object behind the faults' back."""
        return (await self.memory.put(key, [data], Attributes())).etag

    def reader(self, key: str = "data") -> Reader:
        """A reader of the object, or of the same bytes under another name."""
        return Reader(self.fetcher, key, len(self.data), self.etag)

    async def read(self, reader: Reader, offset: int, size: int) -> bytes:
        """Read, and check the bytes."""
        found = bytes(await reader.read(offset, size))
        assert found == self.data[offset : offset + size]
        return found

    async def read_through(self, reader: Reader, start: int, stop: int, step: int) -> None:
        """Read one after the other, each from a step of the loop of its own, as requests come."""
        for offset in range(start, stop, step):
            await trio.lowlevel.checkpoint()
            await self.read(reader, offset, min(step, stop - offset))


@asynccontextmanager
async def rig(
    size: int = 16 * MIB,
    *,
    limit: int = 512 * MIB,
    options: Options | None = None,
    max_ahead: int = 16,
) -> AsyncIterator[Rig]:
    """A rig whose budget must be empty once its readers are closed, and is checked to be."""
    async with trio.open_nursery() as nursery:
        made = Rig(nursery, size=size, limit=limit, options=options, max_ahead=max_ahead)
        made.etag = await made.put("data", made.data)
        yield made
        made.fetcher.close()
    await wait_all_tasks_blocked()
    made.fetcher.close()
    assert made.budget.usage.peak <= limit
    assert made.budget.usage[1:2] + made.budget.usage[3:] == (0, 0, 0, 0)
