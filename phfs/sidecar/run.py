"""The running sidecar: everything put in place, watched, and taken down again.

Owns the order of a run: what an earlier one has left, the tree, the volumes, the end. This process
has every privilege and speaks to no server: others do, without privileges, but for mount.nfs, which
only root can be. Of what they say it parses the output of git and mount.nfs, cut to a length, and
the log and status of ``phfs-mount``. Called by the command ``run``.
"""

from __future__ import annotations

import logging
import os
import signal
from collections.abc import AsyncIterator
from contextlib import suppress

import trio

from phfs.errors import MountError, VolumeError
from phfs.sidecar import health, publishing, state, teardown
from phfs.sidecar.board import Board
from phfs.sidecar.jsonlog import about
from phfs.sidecar.orphans import Orphans
from phfs.sidecar.phfsmount import PhfsMount
from phfs.sidecar.plan import PUBLIC, Plan
from phfs.sidecar.runner import Runner, busy
from phfs.sidecar.settings import Settings
from phfs.sidecar.steps import MountPhfs
from phfs.system.mounts import mounts_at, propagates
from phfs.system.privileges import Identity

log = logging.getLogger(__name__)

HEALTH = 65532
"""The user of the process that answers the health port; its group is that of the files."""

CUT_SHORT = 3
"""Exit code of ``phfs-mount`` when it ended before everything was saved, and then ours."""

LOOK_SECONDS = 0.5
"""How often it is looked whether the file is there at which the sidecar ends."""


def run(plan: Plan, settings: Settings) -> int:
    """Run until told to end. 0, or what ``phfs-mount`` ended with if not everything was saved.

    Raises ``MountError`` if nothing could be put in place, or if something stays mounted.
    """
    if os.geteuid() != 0:
        raise MountError(
            "phfs-sidecar run mounts, which only root may.", "Start its container privileged."
        )
    if not settings.root.is_dir():
        raise MountError(
            f"{settings.root} is no directory.",
            "Mount the pod's shared volume there, Bidirectional, or give another --root.",
        )
    try:
        held = state.lock(settings.private)
    except OSError as error:
        raise MountError(
            f"{settings.private} cannot be used: {error.strerror}.", "Give another --private."
        ) from None
    mounts = [step for step in plan.steps if isinstance(step, MountPhfs)]
    port = None
    try:
        if settings.port is not None:
            listening = health.listen(settings.address, settings.port)
            path = settings.root / mounts[0].path if mounts else None
            asked_as = Identity(HEALTH, plan.owner.gid)
            port = health.Port(listening, settings.private, path, asked_as)
            port.keep()
        return trio.run(_Run(plan, settings, mounts, port).run)
    finally:
        if port is not None:
            port.close()
        os.close(held)


class _Run:
    def __init__(
        self, plan: Plan, settings: Settings, mounts: list[MountPhfs], port: health.Port | None
    ) -> None:
        self._plan = plan
        self._settings = settings
        self._port = port
        self._told = trio.Event()
        self._is_published = False
        shown = settings.root / PUBLIC.tree / publishing.VOLUMES
        owner = Identity(*plan.owner)
        self._phfs = PhfsMount(mounts[0], settings, owner, shown) if mounts else None
        self._board = Board(plan.volumes, frozenset(busy(plan)), self._publish)
        self._runner = Runner(plan, settings, self._board, self._phfs)

    async def run(self) -> int:
        """From the first step to the last unmount; the exit code. Raises ``MountError``."""
        failure: VolumeError | None = None
        with trio.open_signal_receiver(signal.SIGTERM, signal.SIGINT) as signals:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(self._obey, signals)
                try:
                    await self._begin()
                    nursery.start_soon(self._beat)
                    nursery.start_soon(self._wait_for_file)
                    nursery.start_soon(self._runner.run)
                    await self._told.wait()
                except VolumeError as error:
                    failure = error
                self._publish()
                if self._phfs is not None:
                    await self._phfs.stop()
                nursery.cancel_scope.cancel()
            left = await teardown.take_down(self._settings.root)
        if failure is not None:
            raise MountError(f"The tree of the volumes cannot be made: {failure}", failure.advice)
        if left:
            raise MountError(
                f"These stay mounted: {', '.join(map(str, left))}.", "Unmount them with umount -l."
            )
        return self._result()

    async def _begin(self) -> None:
        root = self._settings.root
        log.info("putting %d volumes in place below %s", len(busy(self._plan)), root)
        if not propagates(root):
            log.warning(
                "%s is not mounted Bidirectional: other containers will see no volume that is "
                "mounted below it",
                root,
            )
        await teardown.clean(root, self._plan.steps)
        await self._runner.tree()
        self._is_published = True
        self._publish()

    def _result(self) -> int:
        code, sentence = self._phfs.end if self._phfs is not None else (0, "")
        if code == CUT_SHORT:
            log.error("%s", sentence or "Not everything was saved.", extra=about("phfs"))
            return code
        log.info("everything is unmounted")
        return 0

    async def _obey(self, signals: AsyncIterator[int]) -> None:
        async for number in signals:
            name = signal.Signals(number).name
            log.info("ending by %s", name)
            if self._told.is_set() and self._phfs is not None:
                self._phfs.hurry()
            self._told.set()

    async def _wait_for_file(self) -> None:
        until = self._settings.until
        if until is None:
            return
        while not os.path.lexists(until):
            await trio.sleep(LOOK_SECONDS)
        log.info("ending because there is %s", until)
        self._told.set()

    async def _beat(self) -> None:
        orphans = Orphans()
        while True:
            await trio.sleep(state.BEAT_SECONDS)
            with suppress(OSError):
                if self._port is not None:
                    self._port.keep()
            orphans.reap()
            with suppress(OSError):
                state.beat(self._settings.private)

    # -- what the pod and the probes are told ---------------------------------------------------

    def _publish(self) -> None:
        """After every change; a full disk must not end the volumes that are there."""
        if not self._is_published:
            return
        root, standings = self._settings.root, self._board.standings
        try:
            state.write(
                self._settings.private,
                [one.values() for one in standings],
                self._board.waited_for,
                None if self._port is None else self._port.number,
                is_ending=self._told.is_set(),
            )
            publishing.write_volumes(root, PUBLIC.tree, standings)
            phfs = self._phfs
            if phfs is not None and not phfs.is_trying and not mounts_at(phfs.path):
                publishing.write_notice(phfs.path, standings)
        except (OSError, VolumeError) as error:
            log.warning("how the volumes are cannot be written: %s", error)
