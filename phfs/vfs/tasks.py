"""Running several requests at once, and one request for several askers.

Owns no state of the file system. Errors come out bare, never wrapped in exception groups.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Hashable, Sequence
from typing import Any, Generic, TypeVar, cast

import trio

T = TypeVar("T")
A = TypeVar("A")
B = TypeVar("B")


class Turn:
    """A lock that costs nothing while it is free: unlike trio's, taking it is then no checkpoint,
    so that a write needs no extra pass of the scheduler. Whoever waits is served in order."""

    def __init__(self) -> None:
        self._lock = trio.Lock()

    @property
    def taken(self) -> bool:
        """Whether somebody has it."""
        return self._lock.locked()

    async def __aenter__(self) -> None:
        try:
            self._lock.acquire_nowait()
        except trio.WouldBlock:
            await self._lock.acquire()

    async def __aexit__(self, *_: object) -> None:
        self._lock.release()


class _Flight(Generic[T]):
    def __init__(self) -> None:
        self.begun = trio.current_time()
        self.landed = trio.Event()
        self.value: T | None = None
        self.error: Exception | None = None
        self.abandoned = True


class SingleFlight:
    """Askers of the same thing at the same time share one request."""

    def __init__(self) -> None:
        self._flights: dict[Hashable, _Flight[Any]] = {}

    async def run(
        self, key: Hashable, request: Callable[[], Awaitable[T]], *, oldest: float = float("-inf")
    ) -> T:
        """Await ``request()``, or the one already under way for ``key``, and its error.

        One that began before ``oldest`` is waited for and its answer not taken: it may tell of a
        time that is too long ago, and several askers then share the next.
        """
        while (flight := self._flights.get(key)) is not None:
            await flight.landed.wait()
            if flight.begun < oldest:
                continue
            if flight.error is not None:
                raise flight.error
            if not flight.abandoned:
                return cast(T, flight.value)
        flight = self._flights[key] = _Flight[T]()
        try:
            flight.value = await request()
            flight.abandoned = False
            return flight.value
        except Exception as error:
            flight.error = error
            raise
        finally:
            del self._flights[key]
            flight.landed.set()


async def for_each(
    items: Sequence[A], call: Callable[[A], Awaitable[None]], *, at_once: int
) -> None:
    """Await ``call(item)`` for every item, ``at_once`` at a time.

    The first error stops what has not begun, cancels what is under way, and is raised bare.
    """
    pending = iter(items)
    errors: list[Exception] = []

    async def work(scope: trio.CancelScope) -> None:
        for item in pending:
            try:
                await call(item)
            except Exception as error:  # whatever it is, it is raised again below
                errors.append(error)
                scope.cancel()
                return

    async with trio.open_nursery() as nursery:
        for _ in range(min(at_once, len(items))):
            nursery.start_soon(work, nursery.cancel_scope)
    if errors:
        raise errors[0]


async def both(
    first: Callable[[], Awaitable[A]], second: Callable[[], Awaitable[B]]
) -> tuple[A, B]:
    """Await two requests at once."""
    answers: dict[int, Any] = {}

    async def ask(number: int) -> None:
        answers[number] = await (first, second)[number]()

    await for_each((0, 1), ask, at_once=2)
    return answers[0], answers[1]
