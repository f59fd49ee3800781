"""The memory budget: every byte of a read block, a spare block or a write buffer is counted here.

Owns the figures and the queue of those who wait. Allocates nothing and never looks inside a
buffer. Called by ``fetcher``, ``files`` and ``writer``, on the trio thread only; no method but
``acquire`` has a checkpoint.

Three kinds of bytes:

* *Read* bytes always come back by themselves: a block is served and dropped, an idle one is given
  up by a reclaimer. Whoever asks for read bytes must hold none that others cannot reclaim while it
  waits; then waiting for them cannot be circular.
* *Write* bytes are ``held`` (a half-written buffer only its own writer can finish) or *in flight*
  (an upload under way frees them without its writer's help). Writers together never have more than
  ``limit - read_reserve``, so reads always proceed. When nothing is in flight and the writers'
  share cannot take a request, waiting could be for ever: ``OutOfMemory``.
* *Arrived* bytes came with a write that is not answered yet, and lie in the buffers in which
  libfuse has received requests under way. They are there whether or not there is room for them, so
  the others make room: fewer reads begin, and while an upload is in flight the writers' share is
  smaller. Half of ``read_reserve`` is left to reads whatever has arrived, and no write is refused
  because of what came with others.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from itertools import count
from typing import NamedTuple

import trio

from phfs.errors import OutOfMemory
from phfs.s3.store import MIN_PART

MIB = 1024 * 1024

EXCESS = 8 * MIB
"""Bytes of freed write buffers that the allocator may keep beyond the limit."""


class Usage(NamedTuple):
    """The budget's figures, in bytes, but ``waiting``: requests that wait for memory."""

    limit: int
    used: int
    peak: int
    write_used: int
    in_flight: int
    waiting: int


class _Waiter:
    """One ``acquire`` that could not be served at once."""

    __slots__ = ("error", "granted", "size", "ticket", "wake")

    def __init__(self, size: int, ticket: int) -> None:
        self.size = size
        self.ticket = ticket
        self.wake = trio.Event()
        self.granted = False
        self.error: OutOfMemory | None = None


class _Request:
    """One request under way; see ``Budget.request``."""

    __slots__ = ("_budget", "_size")

    def __init__(self, budget: Budget, size: int) -> None:
        self._budget = budget
        self._size = size

    def __enter__(self) -> None:
        self._budget._began(self._size)

    def __exit__(self, *_: object) -> None:
        self._budget._ended(self._size)


class Budget:
    """A hard limit on buffer bytes, shared by all readers and writers of a mount.

    ``limit``: bytes in all. ``read_reserve``: bytes of it that writers never get, by default a
    quarter. ``give_back`` makes the allocator return what it keeps of freed write buffers; called
    when that and the buffers together could be ``EXCESS`` beyond the limit.

    The oldest waiter is served first, of readers and writers alike; only a writer whose share is
    spent does not hold up the readers behind it.
    """

    def __init__(
        self,
        limit: int,
        *,
        read_reserve: int | None = None,
        give_back: Callable[[], None] = lambda: None,
    ) -> None:
        read_reserve = limit // 4 if read_reserve is None else read_reserve
        if not 0 < read_reserve < limit:
            raise ValueError(f"read_reserve {read_reserve} is not between 0 and limit {limit}")
        self.limit = limit
        self.write_limit = limit - read_reserve
        self._most_beside_reads = limit - read_reserve // 2
        self._arrived = 0
        self._requests = 0
        self._largest = 0
        """The most that ever came with one request: so much any receive buffer may hold."""
        self._used = 0
        self._peak = 0
        self._write_used = 0
        self._in_flight = 0
        self._most_written = 0
        """The most bytes of writes since ``give_back``, those of unanswered ones included: so much
        the allocator may hold for them."""
        self._give_back = give_back
        self._reclaimers: list[Callable[[int], int]] = []
        self._tickets = count()
        self._readers: deque[_Waiter] = deque()
        self._writers: deque[_Waiter] = deque()
        self._serving = False

    @property
    def usage(self) -> Usage:
        """The figures of this moment."""
        waiting = len(self._readers) + len(self._writers)
        return Usage(self.limit, self._used, self._peak, self._write_used, self._in_flight, waiting)

    def add_reclaimer(self, callback: Callable[[int], int]) -> None:
        """Ask ``callback(wanted)`` for idle memory before anybody waits.

        It frees up to about ``wanted`` bytes by ``release`` and returns how many it freed. Called
        in the order added, on the trio thread; must not wait.
        """
        self._reclaimers.append(callback)

    def try_acquire(self, size: int, *, for_write: bool, reclaim: bool = True) -> bool:
        """Take ``size`` bytes at once, or none and return False.

        Never overtakes a waiter that may use the same bytes. ``reclaim=False`` leaves idle memory
        alone: for what is only fetched ahead.
        """
        if for_write and (self._writers or not self._share_fits(size)):
            return False
        if self._readers or (self._writers and self._share_fits(self._writers[0].size)):
            return False
        missing = self._missing(size, for_write=for_write)
        if missing > 0 and not (reclaim and self._reclaim(size, for_write=for_write)):
            return False
        self._take(size, for_write=for_write)
        return True

    async def acquire(self, size: int, *, for_write: bool) -> None:
        """Take ``size`` bytes, waiting for them if need be; a checkpoint only when it waits.

        Raises ``OutOfMemory`` when only files that other calls have to finish hold what is missing
        (at once or later, when the last upload in flight has ended without freeing enough), or
        when ``size`` is more than there will ever be.
        """
        if self.try_acquire(size, for_write=for_write):
            return
        if size > (self.write_limit if for_write else self.limit):
            raise self._out_of_memory()
        queue = self._writers if for_write else self._readers
        waiter = _Waiter(size, next(self._tickets))
        queue.append(waiter)
        self._serve()
        try:
            await waiter.wake.wait()
        except trio.Cancelled:
            if waiter.granted:
                self.release(size, for_write=for_write)
            elif waiter in queue:
                queue.remove(waiter)
                self._serve()
            raise
        if waiter.error is not None:
            raise waiter.error

    def release(self, size: int, *, for_write: bool, in_flight: bool = False) -> None:
        """Give ``size`` bytes back; ``in_flight`` when they are marked so."""
        self._used -= size
        if for_write:
            self._write_used -= size
            if in_flight:
                self._in_flight -= size
        assert 0 <= self._in_flight <= self._write_used <= self._used
        self._serve()

    def request(self, arrived: int = 0) -> _Request:
        """Around a request that may wait and has brought ``arrived`` bytes: a context manager."""
        return _Request(self, arrived)

    def mark_in_flight(self, size: int) -> None:
        """``size`` held write bytes now belong to an upload that frees them by itself."""
        self._in_flight += size
        assert self._in_flight <= self._write_used

    def mark_held(self, size: int) -> None:
        """``size`` bytes in flight are their writer's again (an upload ended and kept them)."""
        self._in_flight -= size
        assert self._in_flight >= 0
        self._serve()

    def reconsider(self) -> None:
        """Idle memory has appeared that a reclaimer could free: serve those who wait."""
        self._serve()

    def _began(self, arrived: int) -> None:
        self._requests += 1
        self._arrived += arrived
        self._largest = max(self._largest, arrived)

    def _ended(self, arrived: int) -> None:
        self._requests -= 1
        self._arrived -= arrived
        assert self._requests >= 0 <= self._arrived
        self._serve()

    @property
    def _unasked(self) -> int:
        """Bytes that nobody took: what has arrived, and the buffers it was received in."""
        return self._arrived + self._requests * self._largest

    def _missing(self, size: int, *, for_write: bool) -> int:
        """How many read bytes have to become free before ``size`` can be taken; 0 or less: none."""
        written, read = self._write_used, self._used - self._write_used
        most_beside_reads = self._most_beside_reads
        if for_write:
            written += size
        else:
            read += size
            most_beside_reads = min(most_beside_reads, self.limit - size)
        return read + max(written, min(written + self._unasked, most_beside_reads)) - self.limit

    def _share_fits(self, size: int) -> bool:
        """Whether the writers' share can take it. What has arrived, which is there twice, counts
        only while uploads in flight will make up for it."""
        share = self.write_limit
        if self._in_flight:
            share = min(share, self._most_beside_reads - 2 * self._arrived)
        return self._write_used + size <= share

    def _take(self, size: int, *, for_write: bool) -> None:
        self._used += size
        self._peak = max(self._peak, self._used)
        if for_write:
            self._write_used += size
        written = self._write_used + self._arrived
        self._most_written = max(self._most_written, written)
        kept = self._most_written - written
        if kept > EXCESS and self._used + self._unasked + kept > self.limit + EXCESS:
            self._most_written = written
            self._give_back()

    def _reclaim(self, size: int, *, for_write: bool) -> bool:
        """Make room for ``size`` bytes out of idle memory; False when there is not enough."""
        for reclaimer in self._reclaimers:
            missing = self._missing(size, for_write=for_write)
            if missing <= 0:
                return True
            reclaimer(missing)
        return self._missing(size, for_write=for_write) <= 0

    def _serve(self) -> None:
        """Serve waiters, oldest first, as far as the bytes go; refuse those nobody will help."""
        if not (self._readers or self._writers) or self._serving:
            return
        self._serving = True
        try:
            while queue := self._next_queue():
                waiter, for_write = queue[0], queue is self._writers
                if not self._reclaim(waiter.size, for_write=for_write):
                    return
                queue.popleft()
                self._take(waiter.size, for_write=for_write)
                waiter.granted = True
                waiter.wake.set()
        finally:
            self._serving = False

    def _next_queue(self) -> deque[_Waiter] | None:
        """The queue whose head is next; writers the share cannot take are passed or refused."""
        while self._writers and not self._share_fits(self._writers[0].size):
            if self._in_flight:
                return self._readers or None
            waiter = self._writers.popleft()
            waiter.error = self._out_of_memory()
            waiter.wake.set()
        queues = [queue for queue in (self._readers, self._writers) if queue]
        return min(queues, key=lambda queue: queue[0].ticket, default=None)

    def _out_of_memory(self) -> OutOfMemory:
        files = max(1, self.write_limit // MIN_PART)
        return OutOfMemory(
            f"The memory for files being written ({self.write_limit // MIB} MiB) is held by "
            f"files that are open and not yet large enough to be sent; it carries about {files} "
            "of them at a time.",
            "Close some of the files being written, or mount with a larger --memory-limit.",
        )
