"""The turns of ``phfs top``: ask, show, wait; on a terminal until q, in a pipe once.

Owns the loop, the keys and what is written as JSON. Called by ``cli``.
"""

from __future__ import annotations

import json
import os
import select
import signal
import sys
import termios
import time
import tty
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from datetime import datetime
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.live import Live

from phfs.errors import MountError
from phfs.top.rates import Rates, rates
from phfs.top.reading import Reading, Source
from phfs.top.view import View

TICK_SECONDS = 0.1
"""How long a key, or a change of the terminal's size, may go unnoticed."""

MOST_ERRORS = 20
"""Failures in a JSON document."""


def watch(
    root: Path,
    *,
    interval: float,
    once: bool = False,
    as_json: bool = False,
    console: Console | None = None,
) -> int:
    """Show the mount at ``root`` every ``interval`` seconds, until q or Ctrl-C; ``once``, or
    where there is no terminal to show it on: of one interval. ``as_json``: a line for each instead.

    Returns 0. Raises ``MountError`` if the mount is not there at the first look, and with ``once``
    whenever it is not.
    """
    source = Source(root)
    first = _next(source)
    console = console or Console(highlight=False)
    with suppress(KeyboardInterrupt, BrokenPipeError):
        if as_json:
            _write_json(source, first, interval, once=once)
        elif once or not console.is_terminal:
            _show_once(source, first, interval, console)
        else:
            _show(source, first, interval, console)
    return 0


def _next(source: Source) -> Reading:
    """The mount's answer. Raises ``MountError``."""
    source.ask()
    while True:
        reading = source.answer()
        if reading is not None:
            return reading


def _show_once(source: Source, first: Reading, interval: float, console: Console) -> None:
    time.sleep(interval)
    second = _next(source)
    view = View(source.root)
    view.take(second, rates(first, second))
    console.print(view)


def _show(source: Source, first: Reading, interval: float, console: Console) -> None:
    view = View(source.root)
    view.take(first, rates(None, first))
    before: Reading | None = first
    with _keys() as pressed, Live(view, console=console, screen=True, auto_refresh=False) as live:
        live.refresh()
        size, next_turn = console.size, time.monotonic() + interval
        while not pressed(TICK_SECONDS):
            if time.monotonic() >= next_turn:
                try:
                    source.ask()
                    reading = source.answer(0.0)
                except MountError as error:
                    reading, before = None, None
                    view.miss(f"{error.why} {error.advice}".rstrip())
                    next_turn = time.monotonic() + interval
                    live.refresh()
                if reading is not None:
                    view.take(reading, rates(before, reading))
                    before, next_turn = reading, max(next_turn + interval, time.monotonic())
                    live.refresh()
            if console.size != size:
                size = console.size
                live.refresh()


def _write_json(source: Source, before: Reading | None, interval: float, *, once: bool) -> None:
    while True:
        time.sleep(interval)
        document: dict[str, Any] = {
            "time": datetime.now().astimezone().isoformat(timespec="milliseconds"),
            "mount": str(source.root),
        }
        try:
            reading = _next(source)
        except MountError as error:
            if once:
                raise
            before = None
            document["gone"] = error.why
        else:
            document.update(_values(reading, rates(before, reading)))
            before = reading
        print(json.dumps(document), flush=True)
        if once:
            return


def _values(reading: Reading, found: Rates) -> Mapping[str, Any]:
    return {
        "seconds": round(found.seconds, 3),
        "per_second": {
            "read_bytes": round(found.read),
            "written_bytes": round(found.written),
            "fetched_bytes": round(found.fetched),
            "sent_bytes": round(found.sent),
            "requests": round(found.requests, 3),
            "retries": round(found.retries, 3),
            "processor_seconds": found.processor,
            "operations": {one.name: round(one.per_second, 3) for one in found.operations},
        },
        "seconds_each": {one.name: one.seconds_each for one in found.operations},
        "status": reading.status,
        "errors": list(reading.errors[:MOST_ERRORS]),
    }


@contextmanager
def _keys() -> Iterator[Any]:
    """A function that waits so many seconds for q and says whether it, or the end of the input,
    came. What is typed is not shown meanwhile, and the terminal is as before in the end."""

    def interrupt(_number: int, _frame: object) -> None:
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGTERM, interrupt)  # so that the terminal is given back
    typed = sys.stdin.fileno() if sys.stdin is not None and sys.stdin.isatty() else None
    if typed is None:
        settings = None
    else:
        settings = termios.tcgetattr(typed)
        tty.setcbreak(typed)

    def pressed(seconds: float) -> bool:
        if typed is None:
            time.sleep(seconds)
            return False
        ready, _, _ = select.select([typed], [], [], seconds)
        if not ready:
            return False
        keys = os.read(typed, 1024)
        return not keys or b"q" in keys.lower()

    try:
        yield pressed
    finally:
        if typed is not None and settings is not None:
            termios.tcsetattr(typed, termios.TCSADRAIN, settings)
        signal.signal(signal.SIGTERM, before)
