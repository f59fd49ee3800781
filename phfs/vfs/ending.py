"""The end of a mount: nothing new is begun, what was begun is finished, the rest is named.

Owns the refusal of changes while a mount ends, the wait for programs that still write, the last
saves and the list of files that were not saved. Never ends the mount itself. Called by
``filesystem``.
"""

from __future__ import annotations

import logging

import trio

from phfs.core.unsaved import Unsaved
from phfs.core.upload import State
from phfs.errors import ReadOnly
from phfs.vfs.files import Files
from phfs.vfs.handles import Handle
from phfs.vfs.uploads import UploadService

log = logging.getLogger(__name__)

DRAIN_SECONDS = 25.0
"""How long the end of a mount may take: less than the 30 seconds Kubernetes gives a pod."""

LAST_SECONDS = 2.0
"""For letting go of what is left when the time is over. An upload whose end the store has not
confirmed by then stays in the journal, and is thrown away at the next start."""

LOOK_SECONDS = 0.05
"""Between two looks at what is unsaved: so that nothing on the way of a write has to tell."""


class Ending:
    """How one mount ends. ``seconds`` is the time for it."""

    def __init__(self, files: Files, uploads: UploadService, seconds: float) -> None:
        self.unsaved: set[str] = set()
        """Paths of files with bytes that no close or fsync has saved."""
        self._files = files
        self._uploads = uploads
        self._seconds = seconds
        self._deadline: float | None = None

    def refuse(self, path: str) -> None:
        """Raises ``ReadOnly`` for the beginning of a change once the mount is ending."""
        if self._deadline is not None:
            raise ReadOnly(
                f"{path} cannot be changed any more: this mount is being ended.",
                "Try again once it is mounted again; files that are open can still be finished.",
            )

    async def settle(self) -> None:
        """Begin to end: returns when nobody has unsaved bytes any more. Not bounded itself."""
        self._deadline = trio.current_time() + self._seconds
        self._uploads.give_up(self._deadline + LAST_SECONDS)
        while any(_is_being_written(handle) for handle in self._files.handles):
            await trio.sleep(LOOK_SECONDS)

    async def finish(self) -> None:
        """Nobody asks any more: save pending truncations and created files, give up the rest.

        Takes no longer than what is left of the time, or ``LAST_SECONDS`` if that is more.
        """
        now = trio.current_time()
        left = self._seconds if self._deadline is None else self._deadline - now
        over = now + max(left, LAST_SECONDS)
        waiting = {handle for handle in self._files.handles if _is_owed(handle)}

        async def let_go(handle: Handle) -> None:
            await self._files.release(handle)
            if handle in waiting and not _is_owed(handle) and not _failed(handle):
                waiting.discard(handle)

        self._uploads.give_up(over)
        with trio.CancelScope(deadline=over, shield=True) as patience:
            async with trio.open_nursery() as nursery:
                for handle in self._files.handles:
                    nursery.start_soon(let_go, handle)
        if patience.cancelled_caught:
            log.warning("the store did not answer in time; the rest is left to the next start")
        self.unsaved = {handle.file.inode.path for handle in waiting}

    def outstanding(self) -> set[str]:
        """Paths of what would not be saved if the process ended now. Any thread may ask; nothing is
        waited for."""
        owed = {handle.file.inode.path for handle in self._files.handles if _is_owed(handle)}
        return self.unsaved | owed

    def under_way(self) -> list[Unsaved]:
        """What ``outstanding`` names and how far it is, the one first that began first."""
        now = trio.current_time()
        found = [
            Unsaved(
                handle.file.inode.path,
                sent=writer.stored,
                known=writer.upload.end,
                seconds=now - writer.begun,
                closing=writer.upload.state is State.COMMITTING,
                stored=writer.stored,
                waits_for=writer.waits_for,
                key=writer.destination,
            )
            for handle in self._files.handles
            if (writer := handle.writer) is not None and _is_owed(handle)
        ]
        return sorted(found, key=lambda one: -one.seconds)


def _is_being_written(handle: Handle) -> bool:
    """Whether bytes are on their way that only its program, by closing it, can make whole."""
    if handle.writer is None or handle.writer.upload.dead:
        return False
    state = handle.writer.upload.state
    return handle.lock.taken or state in (State.BUFFERING, State.STREAMING, State.COMMITTING)


def _is_owed(handle: Handle) -> bool:
    """Whether something is written or created, and not in the bucket."""
    if handle.writer is None or handle.writer.upload.dead:
        return False
    return handle.writer.upload.dirty or not handle.file.inode.committed


def _failed(handle: Handle) -> bool:
    return handle.writer is not None and handle.writer.upload.state is State.FAILED
