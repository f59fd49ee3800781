"""A store that fails when it is told to, and remembers every content there ever was.

Owns the record only. Used by the tests that judge what became of contents, not of single calls.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TypeVar

from phfs.s3.faults import Call, FaultyStore
from phfs.s3.memory import MemoryStore
from phfs.s3.store import Body

T = TypeVar("T")


class RecordingStore(FaultyStore):
    """``history``: for each key all contents it had after some call."""

    def __init__(self, store: MemoryStore) -> None:
        super().__init__(store)
        self.memory = store
        self.history: dict[str, set[bytes]] = {}

    def note(self) -> None:
        """Record what is there now."""
        for key, kept in self.memory.objects.items():
            self.history.setdefault(key, set()).add(kept.data)

    def contents(self) -> dict[str, bytes]:
        """What is there now."""
        return {key: kept.data for key, kept in self.memory.objects.items()}

    async def _pass(self, call: Call, method: Callable[[], Awaitable[T]], body: Body = ()) -> T:
        self.note()
        try:
            return await super()._pass(call, method, body)
        finally:
            self.note()
