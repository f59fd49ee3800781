"""What all writers of a mount share: the store, memory, places for parts on their way.

Owns how many parts are under way, how large they are, and how long the end of an upload may take.
Moves no bytes itself. Called by ``writer``; ``ending`` says when it is enough.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import trio

from phfs.core.upload import part_size
from phfs.s3.store import MIN_PART, Store
from phfs.vfs.budget import Budget

PARTS_AT_ONCE = 8
"""Parts on their way at the same time over all files. More only share the same link, so a writer
that has filled another part waits for a place: what would lie in a queue is memory for nothing."""

ABORT_SECONDS = 10.0
"""How long ending an upload nobody wants may take; what is left then stays in the journal."""


@dataclass
class UploadService:
    """``part_size`` in bytes."""

    store: Store
    budget: Budget
    nursery: trio.Nursery
    part_size: int

    def __post_init__(self) -> None:
        self.slots = trio.CapacityLimiter(PARTS_AT_ONCE)
        self.writing = 0
        """Writers that hold bytes."""
        self.begun = 0
        self.aborted = 0
        self._over = math.inf
        self._creations: set[trio.CancelScope] = set()

    def target(self, number: int) -> int:
        """Bytes at which part ``number`` is sent: the smallest S3 takes when many files share the
        memory, and never so large that one part is half of it."""
        crowded = self.writing * self.part_size > self.budget.write_limit // 2
        first = MIN_PART if crowded else self.part_size
        return part_size(number, first, self.budget.write_limit // 4)

    @contextmanager
    def creation(self) -> Iterator[None]:
        """Around the creation of an upload, which would stay for ever if its id were lost: only
        ``give_up`` ends it."""
        with trio.CancelScope(shield=True, deadline=self._over) as scope:
            self._creations.add(scope)
            try:
                yield
            finally:
                self._creations.discard(scope)

    @contextmanager
    def abortion(self) -> Iterator[None]:
        """Around the request that ends an upload nobody wants."""
        with trio.move_on_at(min(trio.current_time() + ABORT_SECONDS, self._over)):
            yield

    def give_up(self, at: float) -> None:
        """The mount ends: from ``at`` on (trio's clock) nothing is waited for any more."""
        self._over = at
        for scope in self._creations:
            scope.deadline = at
