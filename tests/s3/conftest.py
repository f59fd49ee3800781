"""Stores that several tests of ``phfs/s3`` speak to; a file may have others under these names."""

from __future__ import annotations

import pytest

from phfs.s3.faults import FaultyStore
from phfs.s3.memory import MemoryStore
from phfs.s3.retry import RetryingStore


@pytest.fixture
def memory() -> MemoryStore:
    """An empty store that takes parts of any size."""
    return MemoryStore(lambda: 0.0, min_part=1)


@pytest.fixture
def faulty(memory: MemoryStore) -> FaultyStore:
    """``memory``, failing where a test says so."""
    return FaultyStore(memory)


@pytest.fixture
def store(faulty: FaultyStore) -> RetryingStore:
    """``faulty``, asked again when it fails."""
    return RetryingStore(faulty)
