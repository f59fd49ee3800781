"""Group volumes by their directories: two groups may want one, and a mount cannot have every name.

Pure. Called by ``plan``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from phfs.config import group_directory
from phfs.sidecar.access import Answer, State
from phfs.sidecar.document import Group
from phfs.sidecar.places import is_mountable


class GroupVolume(NamedTuple):
    """``id`` is ``project/DIRECTORY``, but for one that has lost its directory to another group."""

    id: str
    group: Group
    directory: str
    answer: Answer

    @property
    def is_in(self) -> bool:
        """Whether the pod sees it."""
        return self.answer.state is not State.OUT


def group_volumes(
    launch_group: str, groups: Sequence[Group], allowed: Mapping[str, Answer]
) -> list[GroupVolume]:
    """The launch group's first, then by name, which is also who wins a directory.

    The launch group has its directory without a volume, too: variables name it.
    """
    ordered = sorted(groups, key=lambda group: (group.name != launch_group, group.name))
    owners = {group_directory(launch_group): launch_group}
    for group in ordered:
        if allowed[group.name].state is not State.OUT:
            owners.setdefault(group_directory(group.name), group.name)
    found: list[GroupVolume] = []
    for group in ordered:
        directory, answer = group_directory(group.name), allowed[group.name]
        owner = owners.setdefault(directory, group.name)
        if answer.state is not State.OUT:
            answer = (
                _mountable(directory, answer) if owner == group.name else _lost(directory, owner)
            )
        id_ = f"project/{directory}" + ("" if owner == group.name else f" ({group.name})")
        found.append(GroupVolume(id_, group, directory, answer))
    return found


def _lost(directory: str, owner: str) -> Answer:
    return Answer(State.OUT, f"/project/{directory} belongs to the group {owner}.", wrong=True)


def _mountable(directory: str, answer: Answer) -> Answer:
    if is_mountable(f"/project/{directory}"):
        return answer
    why = "Nothing can be mounted at a path of this name (it has ':' or is too long)."
    return Answer(State.OUT, why, wrong=True)
