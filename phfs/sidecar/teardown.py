"""What is mounted below ROOT taken away: what an earlier run has left, and all of it at the end.

Goes by the kernel's table, so it finds what nobody remembers. A dead mount of PHFS stays where the
next one will be made upon it. Called by ``run``.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable
from pathlib import Path

import trio

from phfs.errors import VolumeError
from phfs.sidecar import forked, nfs
from phfs.sidecar.steps import Bind, MountNfs, MountPhfs, Step
from phfs.system import binds, mounts
from phfs.system.mounts import Mount

log = logging.getLogger(__name__)

UNMOUNT_SECONDS = 5.0
"""For one mount; it is detached from the tree, which needs no answer of anybody."""


def below(root: Path) -> list[Mount]:
    """What is mounted below ``root``, the last that was mounted first."""
    return [one for one in reversed(mounts.all_mounts()) if root in one.path.parents]


async def clean(root: Path, steps: Iterable[Step]) -> None:
    """Take away what an earlier run has left and this one's ``steps`` would not have made.

    Whether a bind is the right one is looked at when it is made.
    """
    wanted = list(steps)
    for mount in below(root):
        if not any(_fits(mount, root, step) for step in wanted):
            log.info("taking away what an earlier run has left at %s", mount.path)
            await _unmount(mount)


async def take_down(root: Path) -> list[Path]:
    """Take everything away; the paths where the kernel keeps something.

    What does not lie below each other goes at once: silent NFS servers take seconds each.
    """
    kept: list[Path] = []
    while there := [one for one in below(root) if one.path not in kept]:
        inner = {one.path: one for one in reversed(there) if not _holds(one, there)}
        async with trio.open_nursery() as nursery:
            for mount in inner.values():
                nursery.start_soon(_unmount, mount)
        for path in inner:
            if len(mounts.mounts_at(path)) >= sum(one.path == path for one in there):
                kept.append(path)
    return kept


def _holds(mount: Mount, others: Iterable[Mount]) -> bool:
    """Whether something is mounted below the mount's path."""
    return any(mount.path in other.path.parents for other in others)


def _fits(mount: Mount, root: Path, step: Step) -> bool:
    match step:
        case MountPhfs():
            return mount.path == root / step.path and mount.fstype == mounts.FSTYPE
        case Bind():
            return mount.path == root / step.path
        case MountNfs():
            is_it = mount.path == root / step.path and mount.source == nfs.exported(step)
            return is_it and mount.read_only == step.read_only
        case _:
            return False


async def _unmount(mount: Mount) -> None:
    is_network = mount.fstype in ("nfs", "nfs4")
    try:
        if is_network:
            await nfs.unmount(mount.path)
        else:
            await forked.call(
                lambda: binds.unmount(mount.path), UNMOUNT_SECONDS, f"Unmounting {mount.path}"
            )
    except (OSError, VolumeError) as error:
        log.warning("%s cannot be unmounted: %s", mount.path, error)
