"""How far a command has come: a bar where a person looks, nothing where none does.

Owns what is drawn on standard error while a command works, when that begins, and that lines printed
meanwhile stand above it. Called by ``copying`` and ``removal``. Of files that a mount still has to
save each has a bar of its own, see ``bars``.
"""

from __future__ import annotations

import sys
import threading
from types import TracebackType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.progress import Progress, ProgressColumn, TaskID

REFRESHES = 5
"""A second."""

PATIENCE = 0.5
"""Seconds without a bar: most commands have ended by then."""


class Bar:
    """How many things of one command are done, with the time left; of files their bytes and rate as
    well. ``doing`` is its first word, as in ``Copying``; ``things``: what is counted, which has
    bytes unless ``sized`` is false. Draws nothing unless standard error is a terminal and
    ``wanted``, nor in the first ``patience`` seconds.
    """

    def __init__(
        self,
        doing: str,
        things: str = "files",
        *,
        sized: bool = True,
        wanted: bool = True,
        patience: float = PATIENCE,
    ) -> None:
        self._doing = doing
        self._things = things
        self._sized = sized
        self._progress: Progress | None = None
        self._task: TaskID | None = None
        self._timer = threading.Timer(patience, self._begin)
        self._timer.daemon = True
        self._wanted = wanted and sys.stderr.isatty()
        self._lock = threading.Lock()  # the bar begins in a thread of its own
        self._number = self._done = 0
        self._size = self._moved = 0

    def __enter__(self) -> Bar:
        if self._wanted:
            self._timer.start()
        return self

    def __exit__(
        self,
        _: type[BaseException] | None,
        __: BaseException | None,
        ___: TracebackType | None,
    ) -> None:
        self._timer.cancel()
        with self._lock:
            self._wanted = False
            if self._progress is not None:
                self._progress.stop()
                self._progress = None

    def expect(self, number: int, size: int = 0) -> None:
        """So many things more, of so many bytes together."""
        self._number += number
        self._size += size
        self._draw()

    def move(self, count: int) -> None:
        """So many bytes have been carried, or fewer than were thought."""
        self._moved += count
        self._draw()

    def end(self, number: int = 1) -> None:
        """So many things are done, well or not."""
        self._done += number
        self._draw()

    def say(self, line: str) -> None:
        """Print a line to standard error, above the bar."""
        with self._lock:
            if self._progress is None:
                print(line, file=sys.stderr)
            else:
                self._progress.console.print(line, markup=False, highlight=False, soft_wrap=True)

    def _begin(self) -> None:
        with self._lock:
            if not self._wanted:
                return
            self._progress = _bar(sized=self._sized)
            self._task = self._progress.add_task(self._doing, total=None, told="")
            self._progress.start()
        self._draw()

    def _draw(self) -> None:
        progress, task = self._progress, self._task
        if progress is not None and task is not None:
            progress.update(
                task,
                total=max(self._size or self._number, 1),
                completed=self._moved if self._size else self._done,
                told=f"{self._done:,}/{self._number:,} {self._things}",
            )


def _bar(*, sized: bool) -> Progress:
    # Here, because a command in a script does without.
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        DownloadColumn,
        Progress,
        TextColumn,
        TimeRemainingColumn,
        TransferSpeedColumn,
    )

    of_bytes: list[ProgressColumn] = [DownloadColumn(binary_units=True), TransferSpeedColumn()]
    return Progress(
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        TextColumn("{task.fields[told]}", markup=False),
        *(of_bytes if sized else []),
        TimeRemainingColumn(),
        console=Console(stderr=True, highlight=False),
        refresh_per_second=REFRESHES,
        transient=True,
        redirect_stdout=False,
        redirect_stderr=False,
    )
