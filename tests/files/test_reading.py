"""A file is read in order, a few ranges ahead, and never as two versions."""

from __future__ import annotations

import pytest
import trio

from phfs.core.objects import Attributes, ByteRange, ETag
from phfs.errors import AccessDenied, Stale
from phfs.files.looking import find
from phfs.files.paths import Remote
from phfs.files.reading import AHEAD, RANGE, pour
from phfs.first_reason import first_reason
from phfs.s3.memory import MemoryStore
from phfs.s3.store import Sink


class Slow(MemoryStore):
    """The first ranges take the longest, so that later ones come first."""

    def __init__(self) -> None:
        super().__init__(lambda: 1e9)
        self.now = self.most = 0

    async def get(
        self, key: str, byte_range: ByteRange, sink: Sink, *, if_match: ETag, whole: bool = False
    ) -> None:
        self.now += 1
        self.most = max(self.most, self.now)
        for _ in range(60 - byte_range.start // RANGE):
            await trio.lowlevel.checkpoint()
        await super().get(key, byte_range, sink, if_match=if_match, whole=whole)
        self.now -= 1


async def poured(store: MemoryStore, path: str) -> bytes:
    out: list[bytes] = []

    async def write(data: memoryview) -> None:
        await trio.lowlevel.checkpoint()
        out.append(bytes(data))

    await pour(store, await find(store, Remote(path)), write)
    return b"".join(out)


@pytest.mark.parametrize("size", [0, 1, RANGE, RANGE + 1, 20 * RANGE + 5])
async def test_the_bytes_come_in_order(size: int) -> None:
    store = Slow()
    data = b"".join(number.to_bytes(4, "big") for number in range(size // 4 + 1))[:size]
    await store.put("a", [data], Attributes())
    assert await poured(store, "a") == data
    assert store.most <= AHEAD
    assert size < 2 * AHEAD * RANGE or store.most > 2, "ranges are fetched ahead"


async def test_a_version_that_is_replaced_is_said() -> None:
    store = Slow()
    await store.put("a", [bytes(10 * RANGE)], Attributes())
    entry = await find(store, Remote("a"))
    out: list[int] = []

    async def write(data: memoryview) -> None:
        if not out:
            await store.put("a", [bytes(10 * RANGE - 1)], Attributes())
        out.append(len(data))

    with pytest.raises(Stale, match=r"phfs:///a was replaced or removed"), first_reason():
        await pour(store, entry, write)
    assert sum(out) < 10 * RANGE


async def test_what_may_not_be_read_is_said() -> None:
    class Refusing(MemoryStore):
        async def get(self, *_: object, **__: object) -> None:
            raise AccessDenied("no")

    store = Refusing(lambda: 1e9)
    await store.put("a", [b"x"], Attributes())
    with pytest.raises(AccessDenied, match=r"may not read phfs:///a\."), first_reason():
        await poured(store, "a")
