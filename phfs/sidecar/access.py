"""Who may see and write which volume: one pure function, and a reason for each answer.

The rules are PrimeHub's; where its answer depended on an order, or let a group write by another
group's right, this one does not. Owns no path and no step. Called by ``plan``.

=============  ==========================================================================
volume         notebook · job · app · deployment
=============  ==========================================================================
phfs           rw · rw · rw · ro
home           the user's volume · an empty directory · an empty directory · out
group volume   the launch group's rw; another group's rw if it is not launchGroupOnly ·
               same · own group only · out
data volume    see ``_in_notebook`` · ``_attached`` · ``_attached`` · out
=============  ==========================================================================
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum

from phfs.sidecar.dataset import WRITABLE, DataVolume
from phfs.sidecar.document import Group, PodKind

EVERYONE = "everyone"
"""The group whose roles everybody has."""

READS, WRITES = "ds:", "ds:rw:"


class State(StrEnum):
    """``IN`` is for what is neither read nor written as files: an env volume."""

    RW = "rw"
    RO = "ro"
    IN = "in"
    OUT = "out"


@dataclass(frozen=True)
class Answer:
    """``why`` is one sentence. ``wrong``: the volume itself has to be mended, so a user who expects
    it is told."""

    state: State
    why: str
    wrong: bool = False


@dataclass(frozen=True)
class Access:
    """The answers: by group name, and by data volume's name, both sorted."""

    phfs: Answer
    home: Answer
    groups: dict[str, Answer]
    data: dict[str, Answer]


@dataclass(frozen=True)
class _Holders:
    """The user's groups that have a role for one data volume."""

    reading: frozenset[str]
    writing: frozenset[str]

    @property
    def any(self) -> frozenset[str]:
        return self.reading | self.writing


def access(
    kind: PodKind, launch_group: str, groups: Sequence[Group], volumes: Sequence[DataVolume]
) -> Access:
    """What a pod of ``kind``, started for ``launch_group`` by a member of ``groups``, may do.

    The order of groups, roles and volumes makes no difference.
    """
    holders = _holders(groups)
    nobody = _Holders(frozenset(), frozenset())
    return Access(
        phfs=_phfs(kind, launch_group),
        home=_home(kind),
        groups={
            group.name: _group_volume(kind, launch_group, group)
            for group in sorted(groups, key=lambda group: group.name)
        },
        data={
            volume.name: _data(kind, launch_group, volume, holders.get(volume.name, nobody))
            for volume in sorted(volumes, key=lambda volume: volume.name)
        },
    )


def unknown_roles(groups: Sequence[Group], names: Iterable[str]) -> list[str]:
    """Data volumes that roles name and that are not there, sorted."""
    return sorted(set(_holders(groups)) - {"", *names})


def _holders(groups: Sequence[Group]) -> dict[str, _Holders]:
    reading: dict[str, set[str]] = {}
    writing: dict[str, set[str]] = {}
    for group in groups:
        for role in group.roles:
            if role.startswith(WRITES):
                writing.setdefault(role.removeprefix(WRITES), set()).add(group.name)
            elif role.startswith(READS):
                reading.setdefault(role.removeprefix(READS), set()).add(group.name)
    return {
        name: _Holders(frozenset(reading.get(name, ())), frozenset(writing.get(name, ())))
        for name in reading.keys() | writing.keys()
    }


def _phfs(kind: PodKind, launch_group: str) -> Answer:
    if kind == "deployment":
        return Answer(State.RO, f"A deployment reads the objects of its group {launch_group} only.")
    return Answer(State.RW, f"The objects of the launch group {launch_group}.")


def _home(kind: PodKind) -> Answer:
    if kind == "notebook":
        return Answer(State.RW, "The user's own volume.")
    if kind == "deployment":
        return Answer(State.OUT, "A deployment has no home directory.")
    return Answer(State.RW, f"An empty directory to work in: {_a(kind)} has no user volume.")


def _group_volume(kind: PodKind, launch_group: str, group: Group) -> Answer:
    if group.volume is None:
        return Answer(State.OUT, f"The group {group.name} has no volume.")
    if kind == "deployment":
        return Answer(State.OUT, "A deployment has no group volumes.")
    if group.name == launch_group:
        return Answer(State.RW, f"The volume of the launch group {group.name}.")
    if kind == "app":
        return Answer(State.OUT, f"An app has the volume of its own group {launch_group} only.")
    if group.volume.launch_group_only:
        return Answer(
            State.OUT, f"It is for pods started for the group {group.name} only (launchGroupOnly)."
        )
    return Answer(State.RW, f"The user is in {group.name}, which shares it with all pods.")


def _data(kind: PodKind, launch_group: str, volume: DataVolume, holders: _Holders) -> Answer:
    if kind == "deployment":
        return Answer(State.OUT, "A deployment has no data volumes.")
    if not holders.any:
        return Answer(State.OUT, f"None of the user's groups has a role for {volume.name}.")
    if kind == "notebook":
        answer = _in_notebook(launch_group, volume, holders)
    else:
        answer = _attached(kind, launch_group, volume, holders)
    if answer.state is State.OUT:
        return answer
    if volume.wrong:
        return Answer(State.OUT, f"It is set up wrongly: {volume.wrong}.", wrong=True)
    if volume.kind == "env":
        return Answer(State.IN, answer.why)
    if volume.kind not in WRITABLE and answer.state is State.RW:
        return Answer(State.RO, f"A {volume.kind} volume is never writable, whatever roles say.")
    return answer


def _in_notebook(launch_group: str, volume: DataVolume, holders: _Holders) -> Answer:
    """Any group's role opens it; only the launch group's and everyone's make it writable."""
    if holders.any & {launch_group, EVERYONE}:
        return _by_own_right(launch_group, volume, holders)
    others = _named(holders.any)
    if volume.launch_group_only:
        return Answer(
            State.OUT,
            f"It is for pods of its own groups only (launchGroupOnly): {others}, "
            f"not {launch_group}.",
        )
    return Answer(
        State.RO,
        f"It comes from {others} only; through a group that is not the launch group it is "
        "read-only.",
    )


def _attached(kind: PodKind, launch_group: str, volume: DataVolume, holders: _Holders) -> Answer:
    """Only the launch group's and everyone's roles count; launchGroupOnly says nothing more."""
    if holders.any & {launch_group, EVERYONE}:
        return _by_own_right(launch_group, volume, holders)
    return Answer(
        State.OUT,
        f"{_a(kind).capitalize()} sees what {launch_group} and {EVERYONE} have a role for; only "
        f"{_named(holders.any)} has one.",
    )


def _by_own_right(launch_group: str, volume: DataVolume, holders: _Holders) -> Answer:
    for group in (launch_group, EVERYONE):
        if group in holders.writing:
            return Answer(State.RW, f"{group} has the role {WRITES}{volume.name}.")
    group = next(group for group in (launch_group, EVERYONE) if group in holders.reading)
    return Answer(State.RO, f"{group} has the role {READS}{volume.name}, which only reads.")


def _a(kind: PodKind) -> str:
    return f"an {kind}" if kind == "app" else f"a {kind}"


def _named(groups: frozenset[str]) -> str:
    first, *others = sorted(groups)
    if len(others) > 2:
        return f"{first} and {len(others)} more"
    return ", ".join([first, *others])
