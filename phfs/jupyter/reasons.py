"""Why something failed on a mount, in the mount's own words.

Owns finding the mount of a path and the failure it has noted. Reads ``.phfs/errors.json``, which a
mount answers without its store. Called by ``manager``.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Iterator
from contextlib import suppress
from datetime import datetime
from pathlib import Path

from phfs.system.mounts import FSTYPE, all_mounts, containing

PASSING = frozenset({"lookup", "stat", "opendir", "readdir"})
"""What is done with a directory to get to what is in it."""


def place_of(path: str) -> tuple[Path, Path] | None:
    """The mount of PHFS that an absolute path leads to, and the path within; None if it leads to
    another file system. Asks no mount: one whose store is gone keeps whoever asks it waiting."""
    mounts = all_mounts()
    whole = Path(path.partition("\0")[0])  # what is behind is no path, which others will say
    for step in (*reversed(whole.parents), whole):
        real = Path(os.path.realpath(step))
        mount = containing(real, mounts)
        if mount is not None and mount.fstype == FSTYPE:
            return mount.path, real.relative_to(mount.path) / whole.relative_to(step)
    return None


def look(paths: Iterable[str]) -> None:
    """Ask the mounts for these paths; that one is not there is no error. Raises ``OSError``."""
    for path in paths:
        if place_of(path) is not None:
            with suppress(FileNotFoundError, NotADirectoryError, ValueError):
                os.lstat(path)


def reason_of(error: BaseException, paths: Iterable[str], since: float) -> str | None:
    """What a mount says of an error that something done with ``paths`` (of the file system) met,
    and not before ``since`` (epoch seconds): one sentence on why and one on what to do. None if no
    mount says anything."""
    for path in (*paths, *_named(error)):
        place = place_of(path)
        said = None if place is None else _said(*place, since)
        if said is not None:
            return said
    return None


def _named(error: BaseException | None) -> Iterator[str]:
    """The paths that an error, and what led to it, speak of."""
    while error is not None:
        if isinstance(error, OSError):
            names = (error.filename, error.filename2)
            yield from (name for name in names if isinstance(name, str) and os.path.isabs(name))
        error = error.__cause__ or error.__context__


def _said(mount: Path, path: Path, since: float) -> str | None:
    """The newest failure noted at a path, or on the way to it."""
    try:
        failures = json.loads((mount / ".phfs/errors.json").read_text())
    except FileNotFoundError:  # a part of it is mounted, and not its root
        return None
    except OSError as error:
        return (
            f"The mount at {mount} does not answer: {error.strerror}. Try again in a moment; if it "
            "stays, tell whoever runs the mount."
        )
    new = [it for it in failures if datetime.fromisoformat(it["time"]).timestamp() >= since]
    for concerned in (path, *path.parents):
        name = "/" if concerned == Path() else f"/{concerned}"
        for failure in new:
            on_the_way = concerned == path or failure["operation"] in PASSING
            if failure["path"] == name and on_the_way:
                return f"{failure['why']} {failure['advice']}".strip()
    return None
