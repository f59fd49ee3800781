"""Does the same with many things, some of them at a time.

Owns what a failure does to the others. Called by ``upload`` and ``download`` for the pieces of one
file.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable
from typing import TypeVar

import trio

T = TypeVar("T")


async def each(items: Iterable[T], work: Callable[[T], Awaitable[None]], at_once: int) -> None:
    """Do ``work`` with every item, taken in order, ``at_once`` of them at the same time.

    The first failure ends the others and is raised.
    """
    waiting = iter(items)
    failures: list[Exception] = []

    async def one_after_the_other(all_of_them: trio.CancelScope) -> None:
        try:
            for item in waiting:
                await work(item)
        except Exception as error:
            failures.append(error)
            all_of_them.cancel()

    async with trio.open_nursery() as nursery:
        for _ in range(at_once):
            nursery.start_soon(one_after_the_other, nursery.cancel_scope)
    if failures:
        raise failures[0]
