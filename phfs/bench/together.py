"""Work done by several threads, or by several forked processes, at the same time.

Owns their start, which is outside the time measured, and their end when one fails or the user
interrupts. Used by ``scenarios``.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from threading import Event
from typing import TypeVar

from phfs.bench.turn import Turn
from phfs.bench.work import WORK
from phfs.bench.wrong import WrongResult, expect

_T = TypeVar("_T")


def streams(work: Callable[[_T, Event], int], items: Sequence[_T]) -> int:
    """Do ``work`` on all items at once, a thread each; the sum of what they return.

    Work looks at the event now and then and ends when it is set. Threads do, because reads and
    writes of a megabyte are system calls, which Python makes without its lock.
    """
    stop = Event()
    with ThreadPoolExecutor(len(items)) as pool:
        futures = [pool.submit(work, item, stop) for item in items]
        try:
            return sum(future.result() for future in futures)
        except BaseException:
            stop.set()
            raise


def workers(turn: Turn, work: Callable[..., int], shares: Sequence[object]) -> int:
    """Do one of ``WORK`` on all shares at once, a forked process each; the sum of what they return.

    The turn's time begins when all of them are there. Raises ``WrongResult`` if one fails.
    """
    assert work.__name__ in WORK
    with subprocess.Popen(
        [sys.executable, "-P", "-m", "phfs.bench.crew"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        # Ctrl-C is for this process, which ends the group.
        start_new_session=True,
    ) as crew:
        assert crew.stdin is not None
        assert crew.stdout is not None
        try:
            crew.stdin.write(json.dumps({"work": work.__name__, "shares": shares}) + "\n")
            crew.stdin.flush()
            expect("workers ready", 1, int(crew.stdout.readline() == "ready\n"))
            with turn.timed():
                crew.stdin.write("go\n")
                crew.stdin.flush()
                answer = json.loads(crew.stdout.readline() or '"The workers died."')
        except BaseException:
            os.killpg(crew.pid, signal.SIGKILL)
            raise
    if isinstance(answer, str):
        raise WrongResult(answer)
    return int(answer)
