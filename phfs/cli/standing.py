"""The mounts of PHFS on this machine, and how each of them is, without being held up by one.

Owns what is asked of a mount and what its silence means. Changes nothing. Called by the commands
``mounts``, ``unmount`` and ``doctor``.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from phfs.core.names import EXPLANATIONS
from phfs.core.unsaved import Unsaved, read
from phfs.system import asking, holders, mounts
from phfs.system.mounts import Mount

ANSWER_SECONDS = 5.0
"""How long a mount has to say how it is. It does so from memory; a loaded machine takes a while."""

HEALTHY = "healthy"
DEAD = "dead"
SILENT = "does not answer"
FOREIGN = "not yours to ask"

SENTENCES = {
    DEAD: (
        "Its program has died, and every access fails: phfs unmount '{path}' takes it away, unless "
        "a supervisor is starting it again."
    ),
    SILENT: (
        "Its program is there and says nothing: its log may say why; kill {pids} ends it, phfs "
        "unmount '{path}' takes away what is left."
    ),
    FOREIGN: "Whoever mounted it (user {owner}), or root, can ask how it is.",
}
"""What to do, by state."""


class Standing(NamedTuple):
    """One mount. ``places``: where it is seen, the mount point first; ``status``: what it says of
    itself, empty if it says nothing; ``pids``: its processes as far as they are known, the one that
    serves first."""

    mount: Mount
    places: tuple[Path, ...]
    state: str
    status: Mapping[str, Any]
    pids: tuple[int, ...]

    @property
    def path(self) -> Path:
        """The mount point."""
        return self.mount.path

    @property
    def unsaved(self) -> list[Unsaved]:
        """Files that are written and not saved."""
        return read(self.status.get("unsaved"))

    @property
    def resident(self) -> int | None:
        """Bytes of memory its processes have in use."""
        sizes = [size for pid in self.pids if (size := holders.resident(pid)) is not None]
        return sum(sizes) if sizes else None

    @property
    def advice(self) -> str:
        """What to do about it; empty if there is nothing to do."""
        owner = "?" if self.mount.owner is None else self.mount.owner.uid
        pids = " ".join(str(pid) for pid in self.pids) or "its process"
        return SENTENCES.get(self.state, "").format(path=self.path, owner=owner, pids=pids)


def standing(found: Sequence[Sequence[Mount]] | None = None) -> list[Standing]:
    """How the mounts are, those of this machine by default. Raises ``OSError`` if the kernel's
    table cannot be read."""
    all_of_them = mounts.of_phfs() if found is None else found
    questions = [
        asking.Question(places[0].path / EXPLANATIONS / "status.json", places[0].owner)
        for places in all_of_them
    ]
    answers = asking.ask(questions, ANSWER_SECONDS)
    return [_judged(each, said) for each, said in zip(all_of_them, answers, strict=True)]


def standing_at(path: Path) -> Standing | None:
    """How the mount is that is uppermost at ``path``; None if that is none of PHFS. Raises
    ``OSError``."""
    there = mounts.mounts_at(path)
    if not there or there[-1].fstype != mounts.FSTYPE:
        return None
    return standing([[there[-1]]])[0]


def _judged(places: Sequence[Mount], said: asking.Answer) -> Standing:
    mount, state = places[0], DEAD
    status: Mapping[str, Any] = {}
    if said.content is not None:
        status, state = _read(said.content), HEALTHY
    elif said.refused:
        state = FOREIGN
    elif not said.failure:
        state = SILENT
    told = [status.get("pid"), status.get("supervisor_pid")]
    pids = [pid for pid in told if isinstance(pid, int)] or holders.servers(mount.path)
    return Standing(mount, tuple(each.path for each in places), state, status, tuple(pids))


def _read(content: bytes) -> Mapping[str, Any]:
    try:
        status = json.loads(content)
    except ValueError:
        return {}
    return status if isinstance(status, dict) else {}
