"""A store in memory that can fail and wait, and a mount over it.

A test asks for ``autojump_clock`` itself: pytest-trio does not see the clock of a fixture.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping

import pytest
import trio

from phfs.core.objects import Attributes
from phfs.s3.faults import FaultyStore
from phfs.s3.memory import MemoryStore
from tests.support.volume import Volume, open_volume


@pytest.fixture
def memory() -> MemoryStore:
    """The bucket, as somebody else sees it."""
    return MemoryStore(now=trio.current_time, min_part=1)


@pytest.fixture
def faulty(memory: MemoryStore) -> FaultyStore:
    """The way to the bucket: a millisecond long, and it can be broken."""
    store = FaultyStore(memory)
    store.latency = 0.001
    return store


@pytest.fixture
async def volume(faulty: FaultyStore) -> AsyncIterator[Volume]:
    """A mount by path."""
    async with open_volume(faulty) as opened:
        yield opened


async def put_all(memory: MemoryStore, objects: Mapping[str, bytes]) -> None:
    """Put objects behind the mount's back."""
    for key, data in objects.items():
        await memory.put(key, [data], Attributes())


def contents(memory: MemoryStore) -> dict[str, bytes]:
    """Everything in the bucket."""
    return {key: kept.data for key, kept in memory.objects.items()}
