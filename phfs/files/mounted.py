"""What mounts on this machine show of a bucket, and which place of the group a path in one is.

Owns what the kernel's table says of it, so that no file is taken for a copy of itself. Never asks a
mount or a store. Blocking: called in worker threads by ``room``; and by ``cli``.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple
from urllib.parse import unquote

from phfs.files.paths import Remote
from phfs.system.mounts import FSTYPE, Mount, all_mounts, containing


class Seen(NamedTuple):
    """A directory of this machine in which objects of a bucket are seen, and how the keys of those
    begin."""

    path: Path
    bucket: str
    prefix: str
    mount: Mount


def table() -> list[Mount]:
    """All mounts of this machine, in the order in which they were made; nothing if the kernel does
    not tell."""
    with suppress(OSError):
        return all_mounts()
    return []


def seen_of(mount: Mount) -> Seen | None:
    """What is seen in a mount; None if it is not one of PHFS."""
    if mount.fstype != FSTYPE or not mount.source.startswith("s3://"):
        return None
    bucket, _, prefix = unquote(mount.source).removeprefix("s3://").partition("/")
    inner = mount.root.strip("/")
    return Seen(mount.path, bucket, f"{prefix}{inner}/" if inner else prefix, mount)


class Views(NamedTuple):
    """Where a group may be seen: ``prefix`` stands before its keys in ``bucket``; without a bucket
    it is seen nowhere. Which store a mount shows is not asked: one store may have several
    addresses, and a file that is taken for another one is lost."""

    bucket: str = ""
    prefix: str = ""
    table: Callable[[], Sequence[Mount]] = table

    def place_of(self, path: Path) -> Remote | None:
        """The place in the group that is seen at a path, or would be; the root if the whole group
        is below it; None if nothing of the group is."""
        if not self.bucket:
            return None
        real = Path(os.path.realpath(path))
        mount = containing(real, self.table())
        seen = None if mount is None else seen_of(mount)
        if seen is None or seen.bucket != self.bucket:
            return None
        below = real.relative_to(seen.path).as_posix()
        key = seen.prefix.removesuffix("/") if below == "." else f"{seen.prefix}{below}"
        if f"{key}/".startswith(self.prefix):
            return Remote(key[len(self.prefix) :])
        return Remote("") if not key or self.prefix.startswith(f"{key}/") else None


NOWHERE = Views()
