"""A git volume kept up to date: what is there stays when a sync fails, and the failure is told.

Owns the order of one sync and when the next one is. Called by ``runner``, one task for each volume.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager, nullcontext, suppress
from dataclasses import dataclass
from pathlib import Path

import trio

from phfs.errors import VolumeError
from phfs.sidecar.checkouts import Checkouts
from phfs.sidecar.git import FETCH_SECONDS, SIZE_BYTES, Remote, is_whole, may_be_commit
from phfs.sidecar.gitaccess import access
from phfs.sidecar.steps import SyncGit
from phfs.system.privileges import Identity

CLONER = Identity(65534, 65534)
"""nobody: git's user. ssh wants one that has a name, and no daemon of ours is the same."""

FIRST_WAIT = 5.0
"""Seconds after a first failure; then twice as long each time, up to the period."""

LOOKED_AT_BYTES = 64 * 1024

Turn = Callable[[], AbstractAsyncContextManager[None]]
"""What is held while a commit is fetched and checked out, for which git may need much memory."""


@dataclass(frozen=True, kw_only=True)
class Bounds:
    """Seconds and bytes for one attempt."""

    seconds: float = FETCH_SECONDS
    size: int = SIZE_BYTES


@dataclass(frozen=True, kw_only=True)
class Synced:
    """How a volume stands. ``commit`` is what is shown, None before the first checkout.

    ``at``: seconds since the epoch of the last sync that succeeded, None before it. ``error``: why
    the latest failed, None if it did not. ``notes`` are sentences.
    """

    commit: str | None
    at: float | None
    error: VolumeError | None = None
    notes: tuple[str, ...] = ()


async def sync_once(
    step: SyncGit,
    root: Path,
    private: Path,
    *,
    identity: Identity | None = CLONER,
    bounds: Bounds | None = None,
    turn: Turn = nullcontext,
) -> Synced:
    """Bring a volume up to date; nothing changes if it is.

    ``private``: a directory of this volume's own which the pod does not see. Raises
    ``VolumeError``; what was shown before stays.
    """
    try:
        return await _sync(step, root, private, identity, bounds or Bounds(), turn)
    except OSError as error:
        where = error.filename or step.path
        raise VolumeError(
            f"{step.repository.shown} cannot be kept below {step.path}: {where}: "
            f"{error.strerror or error}."
        ) from error


async def keep_synced(
    step: SyncGit,
    root: Path,
    private: Path,
    report: Callable[[Synced], None],
    *,
    identity: Identity | None = CLONER,
    bounds: Bounds | None = None,
    turn: Turn = nullcontext,
    first_wait: float = FIRST_WAIT,
) -> None:
    """Sync every period until cancelled, sooner after a failure; every outcome is reported."""
    last = Synced(commit=_checkouts(step, root).current(), at=None)
    wait = first_wait
    while True:
        try:
            last = await sync_once(step, root, private, identity=identity, bounds=bounds, turn=turn)
        except VolumeError as error:
            last = Synced(
                commit=_checkouts(step, root).current(), at=last.at, error=error, notes=last.notes
            )
        report(last)
        if last.error is None:
            wait = first_wait
            await trio.sleep(step.period)
        else:
            await trio.sleep(min(wait, step.period))
            wait = min(2 * wait, step.period)


def _checkouts(step: SyncGit, root: Path) -> Checkouts:
    return Checkouts(root / step.path, step.current, root / step.link, step.target)


async def _sync(
    step: SyncGit,
    root: Path,
    private: Path,
    identity: Identity | None,
    bounds: Bounds,
    turn: Turn,
) -> Synced:
    checkouts = _checkouts(step, root)
    checkouts.open()
    await checkouts.tidy()
    secret = Path(step.secret) if step.secret is not None else None
    with access(step.repository.url, secret, private, identity) as reach:
        remote = Remote(step.repository, reach, identity, seconds=bounds.seconds, size=bounds.size)
        try:
            commit = await _checked_out(step, checkouts, remote, identity, turn)
        except VolumeError:
            await checkouts.tidy()
            raise
    checkouts.show(commit)
    await checkouts.tidy()
    notes = (*reach.notes, *_left_out(root / step.path / f"rev-{commit}"))
    return Synced(commit=commit, at=time.time(), notes=notes)


async def _checked_out(
    step: SyncGit, checkouts: Checkouts, remote: Remote, identity: Identity | None, turn: Turn
) -> str:
    """The commit the reference is now, of which there is a checkout then."""
    reference = (step.repository.reference or "").lower()
    name = None
    if not is_whole(reference):
        found = await remote.ask()
        if found is not None:
            name, commit = found
            if checkouts.has(commit):
                return commit
    there = checkouts.beginning_with(reference) if name is None and reference else None
    if there is not None:
        return there
    if name is None and not may_be_commit(reference):
        raise VolumeError(
            f"{step.repository.shown} has no branch or tag {step.repository.reference}.",
            "Check what is behind '#' in the volume's URL.",
        )
    async with turn():
        new = checkouts.begin(identity)
        commit = await remote.check_out(name, new)
        checkouts.keep(new, commit)
    return commit


def _left_out(checkout: Path) -> tuple[str, ...]:
    notes = []
    if os.path.lexists(checkout / ".gitmodules"):
        notes.append("Its submodules are not fetched.")
    if b"filter=lfs" in _beginning(checkout / ".gitattributes"):
        notes.append("Files that are kept in git LFS are pointers to what is not fetched.")
    return tuple(notes)


def _beginning(file: Path) -> bytes:
    """Of a file that a stranger has made: a link is not followed, and nothing is waited for."""
    with suppress(OSError):
        descriptor = os.open(file, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
        with os.fdopen(descriptor, "rb") as opened:
            return opened.read(LOOKED_AT_BYTES)
    return b""
