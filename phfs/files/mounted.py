"""Which place of the group a path on this machine is, because a mount shows it there.

Owns that question alone, so that no file is taken for a copy of itself. Never asks a store.
Blocking: called in worker threads by ``room``; made by ``cli``.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple
from urllib.parse import unquote

from phfs.files.paths import Remote
from phfs.system.mounts import FSTYPE, Mount, all_mounts, containing


def _table() -> Sequence[Mount]:
    try:
        return all_mounts()
    except OSError:
        return ()


class Views(NamedTuple):
    """Where a group may be seen: ``prefix`` stands before its keys in ``bucket``; without a bucket
    it is seen nowhere. Which store a mount shows is not asked: one store may have several
    addresses, and a file that is taken for another one is lost."""

    bucket: str = ""
    prefix: str = ""
    table: Callable[[], Sequence[Mount]] = _table

    def place_of(self, path: Path) -> Remote | None:
        """The place in the group that is seen at a path, or would be; the root if the whole group
        is below it; None if nothing of the group is."""
        if not self.bucket:
            return None
        real = Path(os.path.realpath(path))
        mount = containing(real, self.table())
        if mount is None or mount.fstype != FSTYPE:
            return None
        bucket, _, prefix = unquote(mount.source).removeprefix("s3://").partition("/")
        names = [prefix.strip("/"), mount.root.strip("/"), real.relative_to(mount.path).as_posix()]
        key = "/".join(name for name in names if name not in ("", "."))
        if bucket != self.bucket:
            return None
        if f"{key}/".startswith(self.prefix):
            return Remote(key[len(self.prefix) :])
        return Remote("") if not key or self.prefix.startswith(f"{key}/") else None


NOWHERE = Views()
