"""The name below which the doctor writes, in the bucket and on the local disk, and its removal.

Owns a prefix that nothing else has, a directory for a mount point, and a note of both in the state
directory, locked (flock) while the doctor lives: what a crash leaves is found by the next run from
the note, and what one on another machine has left by its age. Called by ``run``.
"""

from __future__ import annotations

import fcntl
import json
import os
import secrets
import shutil
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from phfs.errors import ConfigError, StoreError
from phfs.s3.store import Store
from phfs.system import mounts

MARK = ".phfs-doctor-"
"""How every name of the doctor's begins."""

FORGOTTEN_SECONDS = 86_400.0
"""A doctor takes minutes: what is a day old is left over."""

_NOTES = "doctor-*.json"


class Scratch:
    """One run's names. ``prefix``: below the mount's own, with a slash at its end; ``directory``:
    on the local disk. Raises ``ConfigError`` if the state directory cannot be used."""

    def __init__(self, state_dir: Path, origin: str) -> None:
        self.token = secrets.token_hex(8)
        self.prefix = f"{MARK}{self.token}/"
        self._note = state_dir / f"doctor-{self.token}.json"
        try:
            state_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._file = os.open(self._note, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600)
        except OSError as error:
            raise ConfigError(
                f"The state directory {state_dir} cannot be used: {error.strerror}.",
                "Name a writable one with --state-dir.",
            ) from None
        fcntl.flock(self._file, fcntl.LOCK_EX)
        self.directory = Path(tempfile.mkdtemp(prefix="phfs-doctor-"))
        told = {"origin": origin, "prefix": self.prefix, "directory": str(self.directory)}
        os.write(self._file, json.dumps(told).encode())

    async def remove(self, store: Store) -> int:
        """Remove everything; how many objects are left that could not be. Raises ``StoreError``."""
        left = await remove_below(store, self.prefix)
        _remove_directory(self.directory)
        if not left:
            self._note.unlink(missing_ok=True)
        return left

    def close(self) -> None:
        """Let go of the note; if it is still there, the next run goes by it."""
        _remove_directory(self.directory)
        os.close(self._file)


async def remove_below(store: Store, prefix: str) -> int:
    """Delete what is below a name of the doctor's; how many objects could not be deleted."""
    assert prefix.startswith(MARK)
    left, token = 0, None
    while True:
        page = await store.list_page(prefix, token=token)
        left += len(await store.delete_many([info.key for info in page.objects]))
        token = page.next_token
        if token is None:
            return left


async def remove_leftovers(store: Store, state_dir: Path, origin: str) -> int:
    """Remove what earlier runs for ``origin`` have left; how many runs. Raises ``StoreError``."""
    removed = 0
    for note in sorted(state_dir.glob(_NOTES)):
        with _abandoned(note) as told:
            if told.get("origin") != origin:
                continue
            _remove_directory(Path(told["directory"]))
            if not await remove_below(store, told["prefix"]):
                note.unlink(missing_ok=True)
                removed += 1
    return removed + await _remove_forgotten(store)


async def _remove_forgotten(store: Store) -> int:
    page = await store.list_page(MARK)
    runs: dict[str, int] = {}
    for info in page.objects:
        prefix = info.key.partition("/")[0] + "/"
        runs[prefix] = max(runs.get(prefix, 0), info.modified)
    old = [prefix for prefix, latest in runs.items() if latest < time.time() - FORGOTTEN_SECONDS]
    for prefix in old:
        with suppress(StoreError):
            await remove_below(store, prefix)
    return len(old)


@contextmanager
def _abandoned(note: Path) -> Iterator[dict[str, str]]:
    """What a note says whose doctor is dead; nothing of one that lives."""
    try:
        file = os.open(note, os.O_RDWR)
    except OSError:
        yield {}
        return
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        told = json.loads(os.read(file, 65536))
    except (OSError, ValueError):
        told = {}
    try:
        yield told if isinstance(told, dict) else {}
    finally:
        os.close(file)


def _remove_directory(directory: Path) -> None:
    """The directory of a run, and a mount in it that has died; never what is below a living one."""
    if not directory.name.startswith("phfs-doctor-"):
        return
    for place in (directory / "mount", directory):
        with suppress(OSError):
            mounts.clear(place)
    if not any(directory in mount.path.parents for mount in mounts.all_mounts()):
        shutil.rmtree(directory, ignore_errors=True)
