"""The directory of a git volume: whole checkouts beside each other, and a link to the one in use.

Owns the names ``rev-<commit>`` and how one becomes the current one: by a single rename, so that who
looks sees the old or the new, never neither. Knows no git. Never follows what is inside of a
checkout. Called by ``syncing``.
"""

from __future__ import annotations

import os
import re
import secrets
import stat
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from phfs.errors import VolumeError
from phfs.sidecar import programs
from phfs.system.privileges import Identity

KEPT = 2
"""How many checkouts before the current one stay in any case."""

GRACE_SECONDS = 3600.0
"""How long a checkout that is no longer the current one stays in any case: the processes of other
containers, which may be at work in it, can mostly not be seen."""

REMOVE_SECONDS = 600.0

_REVISION = re.compile(r"rev-([0-9a-f]{40}|[0-9a-f]{64})")

_UNFINISHED = ".new-"
_GIVEN_UP = ".old-"


class Checkouts:
    """``path``: the volume's directory. ``link``, which leads to ``target``: where people look."""

    def __init__(self, path: Path, current: str, link: Path, target: str) -> None:
        self._path = path
        self._current = path / current
        self._link = link
        self._target = target

    def open(self) -> None:
        """Make the directory if it is not there. Raises ``VolumeError`` if something that is not
        ours has its name or the link's."""
        try:
            self._path.mkdir(mode=0o755, parents=True, exist_ok=True)
            is_directory = stat.S_ISDIR(self._path.lstat().st_mode)
        except FileExistsError:
            is_directory = False
        if not is_directory:
            raise VolumeError(f"{self._path} is in the way: it is no directory.")
        if os.path.lexists(self._link) and not self._is_linked():
            raise VolumeError(
                f"{self._link} is taken, so no link to {self._target} can be made there.",
                "Rename the volume, or remove what has its name.",
            )

    def begin(self, identity: Identity | None) -> Path:
        """A new, empty directory of that identity's, to check out into."""
        new = self._path / f"{_UNFINISHED}{secrets.token_hex(8)}"
        new.mkdir(mode=0o755)
        if identity is not None:
            os.chown(new, *identity)
        return new

    def current(self) -> str | None:
        """The commit that is shown; None before the first checkout."""
        try:
            found = _REVISION.fullmatch(os.readlink(self._current))
        except OSError:
            return None
        return found[1] if found and self.has(found[1]) else None

    def has(self, commit: str) -> bool:
        """Whether there is a whole checkout of a commit."""
        with suppress(FileNotFoundError):
            return stat.S_ISDIR((self._path / f"rev-{commit}").lstat().st_mode)
        return False

    def beginning_with(self, letters: str) -> str | None:
        """The one commit there is a checkout of whose name begins so."""
        found = [commit for commit in self._commits() if commit.startswith(letters)]
        return found[0] if len(found) == 1 else None

    def keep(self, new: Path, commit: str) -> None:
        """A directory that has been checked out into becomes the checkout of a commit."""
        if not self.has(commit):
            new.rename(self._path / f"rev-{commit}")

    def show(self, commit: str) -> None:
        """Make a checkout the current one, and the link if it is not there."""
        before = self.current()
        if before != commit:
            if before is not None:
                # From now on it is counted how long it has been out of use.
                os.utime(self._path / f"rev-{before}")
            _turn(self._current, f"rev-{commit}")
        if self._is_linked():
            return
        self._link.parent.mkdir(mode=0o755, parents=True, exist_ok=True)
        os.symlink(self._target, self._link)

    def _is_linked(self) -> bool:
        return self._link.is_symlink() and os.readlink(self._link) == self._target

    async def tidy(self, *, kept: int = KEPT, grace: float = GRACE_SECONDS) -> None:
        """Remove what an interrupted attempt has left, and checkouts nobody needs any more."""
        for one in self._superfluous(kept, grace):
            away = one
            if not one.name.startswith(_GIVEN_UP):
                away = self._path / f"{_GIVEN_UP}{secrets.token_hex(8)}"
                one.rename(away)
            # rm(1) follows no link, and does not mind how deep it goes.
            await programs.run(
                ["rm", "-rf", "--one-file-system", "--", str(away)], seconds=REMOVE_SECONDS
            )

    def _superfluous(self, kept: int, grace: float) -> Iterator[Path]:
        for entry in list(self._path.iterdir()):
            if entry.name.startswith(".") and entry != self._current:
                yield entry
        current = self.current()
        ages = {}
        for commit in self._commits():
            if commit != current:
                path = self._path / f"rev-{commit}"
                ages[path] = time.time() - path.lstat().st_mtime
        others = sorted(ages, key=lambda path: ages[path])[kept:]
        old = [path for path in others if ages[path] > grace]
        if old:
            used = in_use()
            yield from (path for path in old if path.name not in used)

    def _commits(self) -> list[str]:
        found = (_REVISION.fullmatch(entry.name) for entry in self._path.iterdir())
        return [one[1] for one in found if one and self.has(one[1])]


def in_use(proc: Path = Path("/proc")) -> set[str]:
    """Names ``rev-<commit>`` in which a process that can be seen from here is, or has files open.

    With the pod's ``shareProcessNamespace`` these are all, else the sidecar's own.
    """
    used: set[str] = set()
    for process in proc.iterdir():
        if not process.name.isdigit():
            continue
        links = [process / "cwd", process / "exe"]
        for directory in ("fd", "map_files"):
            with suppress(OSError):
                links += list((process / directory).iterdir())
        for link in links:
            with suppress(OSError):
                used.update(f"rev-{commit}" for commit in _REVISION.findall(os.readlink(link)))
    return used


def _turn(link: Path, target: str) -> None:
    """Make a link that was there or not lead to ``target``, by one rename."""
    new = link.parent / f".{link.name}-{secrets.token_hex(8)}"
    os.symlink(target, new)
    try:
        os.replace(new, link)
    except OSError:
        new.unlink()
        raise
