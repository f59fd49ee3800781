"""Data volumes of kind nfs: mounted by the kernel, and watched without ever waiting for a server.

Whatever may hang in the kernel is done by a process that can be left behind, and bounded. Owns the
options: whether a program waits for a dead server or is told of it. Called by ``runner``, one task
for each volume.

*Writable volumes are mounted hard*: while the server is away, a program that reads or writes there
waits, and goes on when it is back. With soft, a write whose program has long gone on would be
dropped, and only an fsync that few call would say so. Who waits can be killed, so the pod ends.
*Read-only volumes are mounted softerr*: there is nothing to lose, so after some minutes a program
is told that the server is away (ETIMEDOUT), instead of waiting without end.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import trio

from phfs.errors import VolumeError
from phfs.sidecar import forked, placing, programs, said
from phfs.sidecar.nfswords import AGAIN, is_path_missing, may_be_older, refused, silent
from phfs.sidecar.steps import MountNfs
from phfs.system.mounts import mounts_at

MOUNT_SECONDS = 15.0
"""How long an attempt to mount may take."""

ANSWER_SECONDS = 5.0
"""How long a mounted server is waited for before it counts as silent."""

UNMOUNT_SECONDS = 5.0

LEAVE_SECONDS = 2.0
"""How long a server is waited for at the end: a pod has not got long, and maybe many volumes."""

LOOK_SECONDS = 15.0
"""How often a mounted server is asked whether it is still there."""

FIRST_WAIT, LONGEST_WAIT = 2.0, 60.0
"""Seconds between attempts: after each failure twice as long, up to the latter."""

_ALWAYS = "nosuid,nodev,retry=0"
"""retry=0: mount.nfs tries once, not for two minutes; trying again is ours."""

_WRITABLE = f"rw,hard,timeo=600,{_ALWAYS}"

_READ_ONLY = f"ro,softerr,timeo=300,retrans=2,nolock,{_ALWAYS}"
"""30 + 60 + 90 seconds until a program is told. Nobody locks what nobody writes, and without locks
NFS 3 needs no service beside it."""


@dataclass(frozen=True, kw_only=True)
class Mounted:
    """How a volume stands. ``error``: why it is not in place, or does not answer; None if it does.

    ``silent_since``: seconds since the epoch, while it is in place and does not answer.
    """

    in_place: bool
    error: VolumeError | None = None
    silent_since: float | None = None


async def mount_nfs(step: MountNfs, root: Path, seconds: float = MOUNT_SECONDS) -> None:
    """Mount a volume, unless it is; it shows in a running pod, too. Raises ``VolumeError``."""
    if is_in_place(step, root):
        return
    await _refuse_to_hide(step, root, seconds)
    give_up = trio.current_time() + seconds
    said_first = await _attempt(step, root, "nfsvers=4", seconds)
    if is_in_place(step, root):
        return
    if said_first is not None and step.read_only and may_be_older(said_first):
        # A server without NFS 4, or one that has other paths for NFS 3. The locks of NFS 3 need a
        # service that a pod has not: what may be written is not mounted so.
        said_then = await _attempt(step, root, "nfsvers=3", give_up - trio.current_time())
        if is_in_place(step, root):
            return
        if not is_path_missing(said_first):
            said_first = said_then
    if said_first is None:
        raise silent(exported(step), seconds)
    raise refused(exported(step), said_first)


async def _refuse_to_hide(step: MountNfs, root: Path, seconds: float) -> None:
    if mounts_at(root / step.path):
        return

    def look() -> None:
        with placing.opened(root, step.path) as place:
            placing.refuse_to_hide(place)

    what = f"Looking at the place of {exported(step)}"
    try:
        await forked.call(look, seconds, what)
    except FileNotFoundError:
        return  # mount.nfs says so
    except OSError as error:
        raise VolumeError(f"{what} failed: {error.strerror}.") from None


async def _attempt(step: MountNfs, root: Path, version: str, seconds: float) -> str | None:
    """What mount.nfs has said; None if it had to be killed."""
    options = f"{_READ_ONLY if step.read_only else _WRITABLE},{version}"
    words = ["mount.nfs", exported(step), str(root / step.path), "-o", options]
    try:
        ended = await programs.run(words, seconds=max(0.0, seconds))
    except OSError as error:
        raise VolumeError(
            f"{exported(step)} cannot be mounted: mount.nfs cannot be started ({error.strerror}).",
            "The sidecar's image needs the package nfs-common.",
        ) from None
    return None if ended.code is None else ended.err


async def keep_mounted(
    step: MountNfs,
    root: Path,
    report: Callable[[Mounted], None],
    *,
    seconds: float = MOUNT_SECONDS,
    look: float = LOOK_SECONDS,
) -> None:
    """Mount a volume as soon as its server lets us, and watch it, until cancelled.

    Every failed attempt is reported, and every change after it.
    """
    wait = min(FIRST_WAIT, look)
    while True:
        try:
            await mount_nfs(step, root, seconds)
        except VolumeError as error:
            report(Mounted(in_place=False, error=error))
            await trio.sleep(wait)
            wait = min(2 * wait, LONGEST_WAIT)
        else:
            wait = min(FIRST_WAIT, look)
            report(Mounted(in_place=True))
            await _watch(step, root, report, look)


async def _watch(
    step: MountNfs, root: Path, report: Callable[[Mounted], None], look: float
) -> None:
    """Until it is not mounted any more."""
    since: float | None = None
    while True:
        await trio.sleep(look)
        if not is_in_place(step, root):
            return
        asked = time.time()
        why = await silence(root / step.path)
        if why is None and since is not None:
            since = None
            report(Mounted(in_place=True))
        elif why is not None and since is None:
            since = asked
            clock = time.strftime("%H:%M:%S", time.gmtime(asked))
            error = VolumeError(
                f"{exported(step)} has not been answering since {clock} UTC ({why}).",
                f"Programs that {'read' if step.read_only else 'use'} it wait meanwhile. {AGAIN}",
            )
            report(Mounted(in_place=True, error=error, silent_since=since))


async def silence(path: Path, seconds: float = ANSWER_SECONDS) -> str | None:
    """Why what is mounted at a path does not answer; None if it does."""
    # statfs(2) is never answered from what the kernel remembers.
    ended = await programs.run(["stat", "-f", "-c", "%T", "--", str(path)], seconds=seconds)
    if ended.code is None:
        return f"nothing within {seconds:g} seconds"
    return None if ended.is_done else said.line(ended.err).rpartition(": ")[2]


async def unmount(path: Path, seconds: float = UNMOUNT_SECONDS) -> None:
    """Take the NFS mounts at a path away, whether their servers answer or not.

    What is not yet written goes to a server that answers. Raises ``VolumeError`` if the kernel
    keeps one.
    """
    while there := _mounted(path):
        words = ["umount", "--internal-only", "--no-canonicalize", "--lazy", str(path)]
        ended = None
        if await silence(path, LEAVE_SECONDS) is None:
            ended = await programs.run(words, seconds=seconds)
        if ended is None or not ended.is_done:
            # Ends what waits in the kernel for a server that is away. The mount is gone at once;
            # the last one of a server then waits to take leave of it, which nobody need wait for.
            ended = await programs.run([*words, "--force"], seconds=LEAVE_SECONDS)
        if _mounted(path) >= there:
            why = said.line(ended.err) if ended.code is not None else f"{seconds:g} seconds passed"
            raise VolumeError(
                f"{path} cannot be unmounted ({why}).", "Restart the node if its mount stays."
            )


def is_in_place(step: MountNfs, root: Path) -> bool:
    """Whether the volume is mounted, by the kernel's table: no server is asked."""
    return _mounted(root / step.path) > 0


def exported(step: MountNfs) -> str:
    """``server:path``."""
    return f"{step.server}:{step.export}"


def _mounted(path: Path) -> int:
    """How many NFS mounts are uppermost at a path."""
    count = 0
    for mount in reversed(mounts_at(path)):
        if mount.fstype not in ("nfs", "nfs4"):
            break
        count += 1
    return count
