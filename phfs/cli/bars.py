"""Bars on a terminal for files that are on their way to the store.

Owns how they look. Imports rich only when something is drawn. Called by ``leaving`` and the command
``unmount``.
"""

from __future__ import annotations

import logging
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

from phfs.core.names import printable
from phfs.core.unsaved import Unsaved

MOST_BARS = 8
"""Files that have a bar at a time; another gets one when one is done."""


@contextmanager
def bars(heading: str = "") -> Iterator[Callable[[Sequence[Unsaved]], None]]:
    """A bar for each file, drawn by what this gives; lines that are logged to the terminal
    meanwhile stand above them."""
    # Here, because a mount that nobody looks at does without.
    from rich.console import Console
    from rich.progress import BarColumn, DownloadColumn, Progress, TaskID, TextColumn

    console = Console(stderr=True, highlight=False)
    if heading:
        console.print(heading, markup=False)
    words = TextColumn("{task.description}", markup=False)
    doing = TextColumn("{task.fields[doing]}", markup=False)
    columns = (words, BarColumn(), DownloadColumn(binary_units=True), doing)
    tasks: dict[str, TaskID] = {}
    progress = Progress(*columns, console=console, auto_refresh=False)

    def draw(files: Sequence[Unsaved]) -> None:
        left = {one.path for one in files}
        for path in [path for path in tasks if path not in left]:
            progress.remove_task(tasks.pop(path))
        for one in files:
            if one.path not in tasks and len(tasks) < MOST_BARS:
                tasks[one.path] = progress.add_task(printable(one.path), total=None, doing="")
            if one.path in tasks:
                text = "is being saved" if one.closing else "is open in a program"
                progress.update(
                    tasks[one.path], completed=one.sent, total=one.known or 1, doing=text
                )
        progress.refresh()

    with progress, _log_above():
        yield draw


@contextmanager
def _log_above() -> Iterator[None]:
    """Let the log go where rich has put ``sys.stderr``, so that its lines do not cut the bars."""
    handlers = [
        handler
        for handler in logging.getLogger().handlers
        if isinstance(handler, logging.StreamHandler) and handler.stream is sys.__stderr__
    ]
    for handler in handlers:
        handler.setStream(sys.stderr)
    try:
        yield
    finally:
        for handler in handlers:
            handler.setStream(sys.__stderr__)
