"""One kernel mount: made, served until somebody ends it, taken away.

Owns pyfuse3's session (a process has one) and what a signal does to it. Never looks at what is
mounted. Called by ``mount``.
"""

from __future__ import annotations

import logging
import math
import os
import signal
import sys
import threading
import time
from collections.abc import Awaitable, Callable, Collection, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple
from urllib.parse import quote

import pyfuse3
import trio

from phfs.errors import MountError
from phfs.system import kernel, mounts

log = logging.getLogger(__name__)

MOST_REQUESTS = 4_000
"""Requests served at once. At the limit nothing is answered any more, not even ``.phfs``, so it is
more than programs that wait for a slow store can have under way."""

ANSWER_SECONDS = 10.0
"""How long the first answer, which is made from memory, may take."""

STOP_SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)

BOUND_SECONDS = 4.0
"""How much longer than the time it is given the end may take, and how long a hurried one. What does
not end by itself then is ended: what it waits for will not come in time."""

CUT_SHORT = 3
"""Exit code of a mount that had to be ended like that; ``cli.mount`` has the list of codes."""


class MountOptions(NamedTuple):
    """What the kernel is told. ``source`` is what ``mount`` and ``df`` show, a URL."""

    mountpoint: Path
    source: str
    read_only: bool = False
    allow_other: bool = False
    device: int | None = None
    """A descriptor of /dev/fuse that somebody else has mounted, and will unmount."""
    noexec: bool = False

    def words(self) -> set[str]:
        """The options of mount(8). Commas and all that is not ASCII are escaped as in URLs."""
        words = {"default_permissions", "subtype=phfs", "fsname=" + quote(self.source, safe=":/")}
        if self.read_only:
            words.add("ro")
        if self.allow_other:
            words.add("allow_other")
        if self.noexec:
            words.add("noexec")
        return words


class Session:
    """The life of one mount, and what ends it."""

    def __init__(
        self, options: MountOptions, patience: float = ANSWER_SECONDS, drain_seconds: float = 25.0
    ) -> None:
        """``patience``: seconds the first answer may take; ``drain_seconds``: those between a
        signal and the end."""
        self._options = options
        self._patience = patience
        self._drain_seconds = drain_seconds
        self._serving = False
        self._asked_to_end = trio.Event()
        self._watchdog: threading.Timer | None = None
        self._ends_at = math.inf
        self._unsaved: Callable[[], Collection[str]] = tuple

    async def serve(
        self,
        operations: pyfuse3.Operations,
        ready: Callable[[], None],
        settle: Callable[[], Awaitable[None]],
        unsaved: Callable[[], Collection[str]] = tuple,
    ) -> None:
        """Mount, call ``ready`` once the mount answers, and serve until somebody unmounts it or a
        signal comes; then await ``settle``, answer what is under way, and unmount.

        ``settle`` returns when nobody has anything left to save; ``unsaved`` is asked by another
        thread, where the end is forced, for the paths to name as lost. Raises ``MountError``.
        Cancelled, or when the time is over, it answers what is under way with an error and
        unmounts.
        """
        mountpoint = self._options.mountpoint
        self._unsaved = unsaved
        with _mounted(operations, self._options):
            self._serving = True
            try:
                async with trio.open_nursery() as nursery:
                    nursery.start_soon(self._end_in_order, nursery.cancel_scope, settle)
                    nursery.start_soon(_announce, self._options, ready, self._patience)
                    await pyfuse3.main(max_tasks=MOST_REQUESTS)
                    nursery.cancel_scope.cancel()
            finally:
                self._serving = False
        log.info("%s is unmounted", mountpoint)

    async def _end_in_order(
        self, serving: trio.CancelScope, settle: Callable[[], Awaitable[None]]
    ) -> None:
        await self._asked_to_end.wait()
        serving.deadline = trio.current_time() + self._drain_seconds
        await settle()
        pyfuse3.terminate()

    async def obey_signals(
        self,
        everything: trio.CancelScope,
        *,
        task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED,
    ) -> None:
        """While serving, a signal ends the mount once what was begun is finished. Another one, and
        any at another time, cancels ``everything``."""
        with trio.open_signal_receiver(*STOP_SIGNALS) as signals:
            task_status.started()
            async for number in signals:
                name = signal.Signals(number).name
                if self._serving and not self._asked_to_end.is_set():
                    log.info("%s: unmounting once what was begun is finished", name)
                    self._bound(self._drain_seconds + BOUND_SECONDS)
                    self._asked_to_end.set()
                else:
                    log.warning("%s: stopping at once", name)
                    self._bound(BOUND_SECONDS)
                    everything.cancel()

    def _bound(self, seconds: float) -> None:
        """Whatever happens, the process ends within ``seconds``, and the mount with it; sooner if
        that was said before."""
        ends_at = time.monotonic() + seconds
        if ends_at >= self._ends_at:
            return
        self._ends_at = ends_at
        if self._watchdog is not None:
            self._watchdog.cancel()
        self._watchdog = threading.Timer(seconds, _end_by_force, (self._options, self._unsaved))
        self._watchdog.daemon = True
        self._watchdog.start()


def _end_by_force(options: MountOptions, unsaved: Callable[[], Collection[str]]) -> None:
    try:
        log.error("%s did not end in time and is ended by force", options.mountpoint)
        for path in sorted(unsaved()):
            log.error("%s was not saved: the mount was ended before it was closed", path)
        if options.device is None and mounts.is_mounted(options.mountpoint):
            _detach(options.mountpoint)
    finally:
        os._exit(CUT_SHORT)


def _detach(mountpoint: Path) -> None:
    try:
        mounts.detach(mountpoint)
    except OSError as error:
        log.warning("%s stays mounted: %s", mountpoint, error.strerror)


@contextmanager
def _mounted(operations: pyfuse3.Operations, options: MountOptions) -> Iterator[None]:
    served = options.mountpoint if options.device is None else f"/dev/fd/{options.device}"
    if options.device is None:
        _clear(options.mountpoint)
    with _stderr_captured() as said:
        try:
            pyfuse3.init(operations, str(served), options.words())
        except RuntimeError as error:
            reason = said() or str(error)
            raise MountError(f"{options.mountpoint} could not be mounted: {reason}.") from None
    try:
        yield
    finally:
        # Whoever unmounted from outside is noticed by libfuse: nothing is unmounted twice, and
        # nothing that was mounted by somebody else.
        pyfuse3.close(unmount=True)


def _clear(mountpoint: Path) -> None:
    """What a process that has died has left goes at the last moment: programs get errors until
    then, instead of a bare directory in which they would write to the local disk."""
    try:
        if mounts.clear(mountpoint):
            log.info("the dead mount at %s is taken away", mountpoint)
    except OSError as error:
        raise MountError(
            f"The dead mount at {mountpoint} cannot be taken away: {error.strerror}.",
            f"Remove it with fusermount3 -u -z '{mountpoint}'.",
        ) from None


@contextmanager
def _stderr_captured() -> Iterator[Callable[[], str]]:
    """libfuse and fusermount3 say on standard error why a mount fails, and say it nowhere else."""
    sys.stderr.flush()
    # In memory: a container may have no directory that can be written.
    with open(os.memfd_create("stderr"), "w+b") as captured:
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


async def _announce(options: MountOptions, ready: Callable[[], None], seconds: float) -> None:
    """Ask the mount itself, then say that it is there."""
    mountpoint = options.mountpoint
    if options.device is None:
        with trio.move_on_after(seconds) as patience:
            # What a thread waits for in the kernel cannot be interrupted, only left behind.
            answer = await trio.to_thread.run_sync(os.stat, mountpoint, abandon_on_cancel=True)
        if patience.cancelled_caught:
            raise MountError(f"The mount at {mountpoint} did not answer in {seconds:g} seconds.")
        kernel.tune(answer.st_dev)
    # Otherwise whoever mounted has to ask: this process may not be let in, or not know where it is.
    ready()
    log.info("%s is mounted", mountpoint)
