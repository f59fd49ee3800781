"""Blocking calls in worker threads, stopped at once when their task is cancelled.

Owns the bridge between trio and blocking code. Called by ``requests`` and ``http``.

``trio.to_thread.run_sync`` either ignores a cancellation until the thread is done or abandons the
thread, which would go on writing into a buffer that was lent to it. Here a cancellation ends the
thread's request, and the task goes on when the thread has let go.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import Any, TypeVar, cast

import outcome
import trio

from phfs.s3.watch import Watch

T = TypeVar("T")


def drive(coroutine: Coroutine[Any, Any, T]) -> T:
    """Run, in a worker thread, a coroutine that blocks where it would have to wait."""
    try:
        coroutine.send(None)
    except StopIteration as end:
        return cast(T, end.value)
    coroutine.close()
    raise RuntimeError("a coroutine waits for trio where there is none")


async def run_watched(work: Callable[[], T], watch: Watch) -> T:
    """Run ``work`` in a thread; a cancellation calls ``watch.cancel`` and waits for the end.

    Work that succeeded in spite of a cancellation gives its result (an upload that was begun can
    be aborted); the cancellation then takes effect at the caller's next checkpoint.
    """
    task = trio.lowlevel.current_task()
    token = trio.lowlevel.current_trio_token()

    def deliver(result: outcome.Outcome[T]) -> None:
        token.run_sync_soon(trio.lowlevel.reschedule, task, outcome.Value(result))

    def abort(_: object) -> trio.lowlevel.Abort:
        watch.cancel()
        return trio.lowlevel.Abort.FAILED

    await trio.lowlevel.checkpoint_if_cancelled()
    trio.lowlevel.start_thread_soon(work, deliver)
    result = cast(outcome.Outcome[T], await trio.lowlevel.wait_task_rescheduled(abort))
    if isinstance(result, outcome.Error):
        await trio.lowlevel.checkpoint_if_cancelled()
    return result.unwrap()
