"""A plan carried out: the tree first, then all volumes at once, each for itself.

Owns the order of steps and when a failed volume is tried again. One volume's failure stops nothing
but what needs it. Called by ``run``.
"""

from __future__ import annotations

import logging
import math
from collections.abc import AsyncIterator, Callable, Coroutine, Sequence
from contextlib import asynccontextmanager, suppress
from functools import partial
from itertools import takewhile
from typing import Any

import trio

from phfs.errors import VolumeError
from phfs.sidecar import nfs, placing, syncing
from phfs.sidecar.applying import Applied, Applying
from phfs.sidecar.board import Board
from phfs.sidecar.jsonlog import about
from phfs.sidecar.outcome import Outcome
from phfs.sidecar.phfsmount import PhfsMount
from phfs.sidecar.plan import Plan
from phfs.sidecar.settings import Settings, Timeline
from phfs.sidecar.steps import Bind, MakeLink, MountNfs, MountPhfs, Step, SyncGit

log = logging.getLogger(__name__)

TREE_TRIES, TREE_PAUSE = 5, 0.5

Report = Callable[[Outcome], None]
Keep = Callable[[Report], Coroutine[Any, Any, None]]


class Runner:
    """Carries one plan out."""

    def __init__(
        self, plan: Plan, settings: Settings, board: Board, phfs: PhfsMount | None
    ) -> None:
        """``phfs`` is the keeper of the plan's one ``MountPhfs``."""
        self._plan = plan
        self._settings = settings
        self._board = board
        self._phfs = phfs
        self._applying = Applying(plan, settings)
        self._waits = Timeline(first=settings.retry_seconds, longest=settings.longest_retry)
        self._cloning = trio.CapacityLimiter(1)
        self._came = trio.Event()
        self._postponed: list[MakeLink] = []
        self._nursery: trio.Nursery

    async def tree(self) -> None:
        """What is there whatever the volumes are. Raises ``VolumeError``."""
        tree = [step for step in self._plan.steps if not step.volume]
        for left in reversed(range(TREE_TRIES)):
            try:
                await self._applying.apply(*(step for step in tree if isinstance(step, Applied)))
                return
            except VolumeError as error:
                # A mount of an earlier run that is just dying may answer with errors.
                if not left:
                    raise
                log.info("the tree is made again: %s", error.why)
            await trio.sleep(TREE_PAUSE)

    async def run(self) -> None:
        """Put every volume in place, and keep it there until cancelled."""
        async with trio.open_nursery() as self._nursery:
            for id_ in busy(self._plan):
                steps = [step for step in self._plan.steps if step.volume == id_]
                self._nursery.start_soon(self._volume, id_, steps)
                self._nursery.start_soon(self._lose_patience, id_)

    async def _lose_patience(self, id_: str) -> None:
        """A pod is not kept from starting by a volume that may come any time, or never."""
        seconds = self._settings.step_seconds
        await trio.sleep(seconds)
        if id_ in self._board.waited_for:
            self._fail(id_, VolumeError(
                f"It is not in place after {seconds:g} seconds.", "It is still being worked on."
            ))  # fmt: skip

    async def _volume(self, id_: str, steps: Sequence[Step]) -> None:
        failures = 0
        while True:
            try:
                await self._put(id_, steps)
                return
            except Exception as error:
                # A volume that meets a defect of ours must not take the others with it.
                log.exception("%s met a defect", id_, extra=about(id_))
                self._fail(id_, VolumeError(
                    f"PHFS has a defect here ({type(error).__name__}).",
                    "Report it with the sidecar's log; it is tried again by itself.",
                ))  # fmt: skip
            failures += 1
            await trio.sleep(self._waits.after(failures))

    async def _put(self, id_: str, steps: Sequence[Step]) -> None:
        links = list(takewhile(lambda step: isinstance(step, MakeLink), steps))
        others = steps[len(links) :]
        async with trio.open_nursery() as nursery:
            # A link may have to wait for the home directory; the volume need not.
            linked = trio.Event()
            nursery.start_soon(self._until_linked, id_, links, linked)
            await self._others(id_, others, linked)

    async def _until_linked(self, id_: str, links: Sequence[Step], linked: trio.Event) -> None:
        await self._until_applied(id_, links)
        linked.set()

    async def _others(self, id_: str, steps: Sequence[Step], linked: trio.Event) -> None:
        kept = next((at for at, step in enumerate(steps) if self._keeper(step)), len(steps))
        await self._until_applied(id_, steps[:kept])
        if kept == len(steps):
            await linked.wait()
            self._arrive(id_, Outcome(in_place=True))
            return
        keep, rest = self._keeper(steps[kept]), list(steps[kept + 1 :])
        assert keep is not None
        send, receive = trio.open_memory_channel[Outcome](math.inf)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(keep, send.send_nowait)
            async for outcome in receive:
                if outcome.in_place:
                    await linked.wait()
                    await self._until_applied(id_, rest)
                    rest.clear()
                self._arrive(id_, outcome)

    async def _until_applied(self, id_: str, steps: Sequence[Step]) -> None:
        """Apply steps; from the beginning again after a failure."""
        failures = 0
        while True:
            news = self._came
            try:
                for step in steps:
                    await self._apply(step)
                return
            except VolumeError as error:
                failures += 1
                self._fail(id_, error)
                with trio.move_on_after(self._waits.after(failures)):
                    # What it needs may be there sooner.
                    await (news.wait() if error.why.startswith(_NEEDS) else trio.sleep_forever())

    async def _apply(self, step: Step) -> None:
        for other in step.after:
            await self._board.settled(other)
        missing = [other for other in step.after if not self._board.is_in_place(other)]
        if isinstance(step, MakeLink):
            await self._link(step, missing)
            return
        if missing:
            raise VolumeError(f"{_NEEDS}{missing[0]}, which is not in place.", "")
        assert isinstance(step, Applied)
        await self._applying.apply(step)
        if isinstance(step, Bind):
            with suppress(OSError):
                self._board.say(step.volume, [placing.not_shown(step.source)])

    async def _link(self, step: MakeLink, missing: Sequence[str] = ()) -> None:
        """Without its link a volume is in place all the same."""
        waits = f"There is no link {step.path} to {step.target} yet: {{}} is not in place."
        if missing:
            self._postponed.append(step)
            self._board.say(step.volume, [waits.format(missing[0])])
            return
        self._board.unsay(step.volume, [waits.format(other) for other in step.after])
        said = await self._applying.link(step)
        if said:
            log.warning("%s", said, extra=about(step.volume))
            self._board.say(step.volume, [said])

    def _keeper(self, step: Step) -> Keep | None:
        settings = self._settings
        match step:
            case MountPhfs() if self._phfs is not None:
                return self._phfs.keep
            case MountNfs():
                return lambda report: nfs.keep_mounted(
                    step, settings.root, lambda one: report(_of_nfs(one))
                )
            case SyncGit():
                # Copies of Secrets come there, as beside it those of the mount's keys.
                private = settings.private / "keys" / "git" / step.volume.replace("/", "-")
                private.parent.mkdir(mode=0o711, parents=True, exist_ok=True)
                return lambda report: syncing.keep_synced(
                    step, settings.root, private, lambda one: report(_of_git(one)),
                    turn=partial(self.turn_to_clone, step.volume),
                )  # fmt: skip
            case _:
                return None

    @asynccontextmanager
    async def turn_to_clone(self, id_: str) -> AsyncIterator[None]:
        """One git at a time: the sidecar's memory is not enough for several."""
        waits = ["It waits until another git volume has been fetched."]
        if not self._cloning.available_tokens:
            self._board.say(id_, waits)
        try:
            async with self._cloning:
                self._board.unsay(id_, waits)
                yield
        finally:
            self._board.unsay(id_, waits)

    def _arrive(self, id_: str, outcome: Outcome) -> None:
        error = outcome.error
        if not outcome.in_place:
            self._fail(id_, error or VolumeError("It is not in place."))
            return
        was_in_place = self._board.has_come(id_)
        self._board.say(id_, outcome.notes)
        if error is None:
            self._board.came(id_, revision=outcome.revision)
        else:
            if self._board.late(id_, error, revision=outcome.revision):
                log.warning("%s: %s", id_, error.why, extra=about(id_, error.why, error.advice))
        if was_in_place:
            return
        log.info("%s is in place", id_, extra=about(id_))
        self._came.set()
        self._came = trio.Event()
        ready = [link for link in self._postponed if id_ in link.after]
        self._postponed = [link for link in self._postponed if link not in ready]
        for link in ready:
            self._nursery.start_soon(self._link, link)

    def _fail(self, id_: str, error: VolumeError) -> None:
        is_news = self._board.failed(id_, error)
        self._board.publish()
        if is_news:
            said = about(id_, error.why, error.advice)
            log.warning("%s is not in place: %s", id_, error.why, extra=said)


_NEEDS = "It needs "


def busy(plan: Plan) -> tuple[str, ...]:
    """The volumes for which something is to be done, in the plan's order."""
    named = {step.volume for step in plan.steps}
    return tuple(one.id for one in plan.volumes if one.id in named)


def _of_nfs(one: nfs.Mounted) -> Outcome:
    return Outcome(in_place=one.in_place, error=one.error)


def _of_git(one: syncing.Synced) -> Outcome:
    return Outcome(
        in_place=one.commit is not None, error=one.error, revision=one.commit, notes=one.notes
    )
