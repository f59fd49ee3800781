"""How each volume of the pod is: out, waited for, in place, or failed and why.

Owns the states; says to whoever listens that one has changed. No I/O. Called by ``runner``.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from dataclasses import replace

import trio

from phfs.errors import VolumeError
from phfs.sidecar.access import State
from phfs.sidecar.plan import Volume
from phfs.sidecar.standing import Being, Standing


class Board:
    """All volumes, in the plan's order."""

    def __init__(
        self,
        volumes: Iterable[Volume],
        busy: frozenset[str],
        changed: Callable[[], None],
        now: Callable[[], float] = time.time,
    ) -> None:
        """``busy``: the volumes for which something is to be done."""
        self._now = now
        self._changed = changed
        self._standings = {one.id: _first(one, busy, now()) for one in volumes}
        self._settled = {id_: trio.Event() for id_ in self._standings if id_ in busy}

    @property
    def standings(self) -> tuple[Standing, ...]:
        """How all are now."""
        return tuple(self._standings.values())

    @property
    def waited_for(self) -> tuple[str, ...]:
        """The volumes that are neither in place nor failed yet."""
        return tuple(id_ for id_, event in self._settled.items() if not event.is_set())

    def is_in_place(self, id_: str) -> bool:
        """Whether it can be used."""
        return id_ not in self._standings or self._standings[id_].being is Being.IN_PLACE

    def has_come(self, id_: str) -> bool:
        """Whether it is in place now and was put there, not there from the beginning."""
        is_settled = id_ not in self._settled or self._settled[id_].is_set()
        return is_settled and self.is_in_place(id_)

    async def settled(self, id_: str) -> None:
        """Wait until a volume is in place or has failed once."""
        if id_ in self._settled:
            await self._settled[id_].wait()

    def came(self, id_: str, *, revision: str | None = None) -> None:
        """A volume is in place."""
        self._put(id_, Being.IN_PLACE, "", "", revision)

    def failed(self, id_: str, error: VolumeError) -> bool:
        """A volume is not in place; whether that is news."""
        return self._put(id_, Being.FAILED, error.why, error.advice, None)

    def late(self, id_: str, error: VolumeError, *, revision: str | None) -> bool:
        """A volume is in place and could not be brought up to date; whether that is news."""
        return self._put(id_, Being.IN_PLACE, error.why, error.advice, revision)

    def publish(self) -> None:
        """Have everything said again: somebody may have taken it away."""
        self._changed()

    def say(self, id_: str, notes: Iterable[str]) -> None:
        """Add notes to what is said of a volume; those that were said before are not repeated."""
        before = self._standings[id_]
        new = [note for note in notes if note and note not in before.notes]
        if new:
            self._standings[id_] = replace(before, notes=(*before.notes, *new))
            self._changed()

    def unsay(self, id_: str, notes: Iterable[str]) -> None:
        """Take notes back."""
        before, gone = self._standings[id_], set(notes)
        if gone & set(before.notes):
            left = tuple(note for note in before.notes if note not in gone)
            self._standings[id_] = replace(before, notes=left)
            self._changed()

    def _put(self, id_: str, being: Being, why: str, advice: str, revision: str | None) -> bool:
        before = self._standings[id_]
        since = before.since if before.being is being else self._now()
        after = replace(before, being=being, since=since, why=why, advice=advice, revision=revision)
        self._standings[id_] = after
        event = self._settled.get(id_)
        is_first = event is not None and not event.is_set()
        if event is not None:
            event.set()
        if after != before or is_first:
            self._changed()
        return after != before


def _first(volume: Volume, busy: frozenset[str], now: float) -> Standing:
    is_out = volume.state is State.OUT
    if volume.id in busy:
        being = Being.WAITING
    elif volume.wrong:
        being = Being.FAILED
    else:
        being = Being.OUT if is_out else Being.IN_PLACE
    return Standing(
        id=volume.id,
        name=volume.name,
        kind=volume.kind,
        path=volume.path,
        access=str(volume.state),
        being=being,
        since=now,
        why=volume.why if is_out else "",
        notes=volume.notes,
    )
