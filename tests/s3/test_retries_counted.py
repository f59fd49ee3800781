"""How often a call was tried again is counted, for those who look after a mount."""

from __future__ import annotations

import pytest

from phfs.core.objects import Attributes
from phfs.errors import AccessDenied, ServerFault
from phfs.s3.faults import FaultyStore
from phfs.s3.memory import MemoryStore
from phfs.s3.retry import RetryingStore


async def test_tries_after_the_first_are_counted(autojump_clock: object) -> None:
    inner = MemoryStore(lambda: 0.0)
    await inner.put("a", [b"x"], Attributes())
    faulty = FaultyStore(inner)
    store = RetryingStore(faulty)
    await store.head("a")
    assert store.retries == 0
    faulty.fail(ServerFault("ill"), times=3)
    await store.head("a")
    assert store.retries == 3
    faulty.fail(AccessDenied("no"))
    with pytest.raises(AccessDenied):
        await store.head("a")
    assert store.retries == 3
