"""One kernel mount: made, served until somebody ends it, taken away.

Owns pyfuse3's session (a process has one) and what a signal does to it. Never looks at what is
mounted. Called by ``mount``.
"""

from __future__ import annotations

import logging
import os
import signal
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple
from urllib.parse import quote

import pyfuse3
import trio

from phfs.errors import MountError
from phfs.fuse.kernel import tune

log = logging.getLogger(__name__)

MOST_REQUESTS = 4_000
"""Requests served at once. At the limit nothing is answered any more, not even ``.phfs``, so it is
more than programs that wait for a slow store can have under way."""

ANSWER_SECONDS = 10.0
"""How long the first answer, which is made from memory, may take."""

STOP_SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)


class MountOptions(NamedTuple):
    """What the kernel is told. ``source`` is what ``mount`` and ``df`` show, a URL."""

    mountpoint: Path
    source: str
    read_only: bool = False
    allow_other: bool = False

    def words(self) -> set[str]:
        """The options of mount(8). Commas and all that is not ASCII are escaped as in URLs."""
        words = {"default_permissions", "subtype=phfs", "fsname=" + quote(self.source, safe=":/")}
        if self.read_only:
            words.add("ro")
        if self.allow_other:
            words.add("allow_other")
        return words


class Session:
    """The life of one mount, and what ends it."""

    def __init__(self, options: MountOptions, patience: float = ANSWER_SECONDS) -> None:
        self._options = options
        self._patience = patience
        self._serving = False

    async def serve(self, operations: pyfuse3.Operations, ready: Callable[[], None]) -> None:
        """Mount, call ``ready`` once the mount answers, and serve until somebody unmounts it or a
        signal comes; then finish what was begun and unmount.

        Raises ``MountError``. Cancelled, it answers what is under way with an error and unmounts.
        """
        mountpoint = self._options.mountpoint
        with _mounted(operations, self._options):
            self._serving = True
            try:
                async with trio.open_nursery() as nursery:
                    nursery.start_soon(_announce, mountpoint, ready, self._patience)
                    await pyfuse3.main(max_tasks=MOST_REQUESTS)
                    nursery.cancel_scope.cancel()
            finally:
                self._serving = False
        log.info("%s is unmounted", mountpoint)

    async def obey_signals(
        self,
        everything: trio.CancelScope,
        *,
        task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED,
    ) -> None:
        """While serving, a signal ends the mount once every request under way is answered. Another
        one, and any at another time, cancels ``everything``."""
        with trio.open_signal_receiver(*STOP_SIGNALS) as signals:
            task_status.started()
            async for number in signals:
                name = signal.Signals(number).name
                if self._serving:
                    log.info("%s: unmounting once what was begun is finished", name)
                    self._serving = False
                    pyfuse3.terminate()
                else:
                    log.warning("%s: stopping at once", name)
                    everything.cancel()


@contextmanager
def _mounted(operations: pyfuse3.Operations, options: MountOptions) -> Iterator[None]:
    with _stderr_captured() as said:
        try:
            pyfuse3.init(operations, str(options.mountpoint), options.words())
        except RuntimeError as error:
            reason = said() or str(error)
            raise MountError(f"{options.mountpoint} could not be mounted: {reason}.") from None
    try:
        yield
    finally:
        # Whoever unmounted from outside is noticed by libfuse: nothing is unmounted twice.
        pyfuse3.close(unmount=True)


@contextmanager
def _stderr_captured() -> Iterator[Callable[[], str]]:
    """libfuse and fusermount3 say on standard error why a mount fails, and say it nowhere else."""
    sys.stderr.flush()
    with tempfile.TemporaryFile() as captured:
        standard_error = os.dup(2)
        os.dup2(captured.fileno(), 2)

        def said() -> str:
            captured.seek(0)
            lines = captured.read().decode(errors="replace").split("\n")
            return "; ".join(line.strip().rstrip(".") for line in lines if line.strip())

        try:
            yield said
        finally:
            os.dup2(standard_error, 2)
            os.close(standard_error)


async def _announce(mountpoint: Path, ready: Callable[[], None], seconds: float) -> None:
    """Ask the mount itself, then say that it is there."""
    with trio.move_on_after(seconds) as patience:
        # What a thread waits for in the kernel cannot be interrupted, only left behind.
        answer = await trio.to_thread.run_sync(os.stat, mountpoint, abandon_on_cancel=True)
    if patience.cancelled_caught:
        raise MountError(f"The mount at {mountpoint} did not answer within {seconds:g} seconds.")
    tune(answer.st_dev)
    ready()
    log.info("%s is mounted", mountpoint)
