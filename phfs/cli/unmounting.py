"""Ends a mount from outside, in order: what is on its way is awaited, who is in the way is named.

Owns the order of the steps and what became of it, as an exit code and a sentence. Takes nothing
away by force unless it is told to. Called by the command ``unmount``.
"""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable, Sequence
from contextlib import closing
from typing import NamedTuple

from phfs.cli.lost import LostFiles
from phfs.cli.standing import DEAD, FOREIGN, SILENT, Standing, standing_at
from phfs.cli.supervisor import CUT_SHORT
from phfs.core.names import printable
from phfs.core.unsaved import Unsaved
from phfs.errors import MountError
from phfs.system import holders, mounts

LOOK_SECONDS = 0.2
"""Between two looks at what is left."""

BUSY_SECONDS = 3.0
"""How long a mount may look busy without anything unsaved: the kernel tells a little later that
the last program has closed its file."""

END_SECONDS = 30.0
"""How much longer than its own bound a mount's process may take to end."""

MOST_NAMED = 5

Show = Callable[[Sequence[Unsaved]], None]
"""Shows what is awaited; called again and again."""


class Ended(NamedTuple):
    """``code`` as for ``phfs-mount``: 0, or 3 if something was not saved."""

    code: int
    sentence: str


def unmount(one: Standing, *, seconds: float, lazy: bool, show: Show) -> Ended:
    """End a mount. ``seconds``: how long what is not saved is awaited. ``lazy``: end it even if
    somebody uses it; what is not closed in time is lost then.

    Raises ``MountError`` if it stays, saying who is in the way.
    """
    path = printable(str(one.path))
    if one.state == FOREIGN:
        raise MountError(f"{path} is not yours to unmount.", one.advice)
    if one.state == SILENT and not lazy:
        raise MountError(
            f"{path} does not answer, so what it has not saved is not known.",
            "Look into its log; --lazy ends it all the same, and what is not saved then is lost.",
        )
    with closing(holders.Ends(one.pids)) as ends:
        lost = LostFiles(one)
        if one.state == DEAD:
            return _take_dead_away(one, ends)
        if lazy:
            _end_by_signal(one, ends, lost, show)
        else:
            _await_saved(one, seconds, lost, show)
            _take_away(one)
        _await_end(one, ends)
    return _told(path, lost, silent=one.state == SILENT)


# -- in order ----------------------------------------------------------------------------------


def _await_saved(one: Standing, seconds: float, lost: LostFiles, show: Show) -> None:
    give_up = time.monotonic() + seconds
    left = one.unsaved
    while left:
        show(left)
        if time.monotonic() > give_up:
            raise MountError(
                f"{printable(str(one.path))} stays mounted: after {seconds:g} seconds "
                f"{_files(left)} not saved: {_names([file.path for file in left])}.{_who(one)}",
                "Wait longer with --wait; --lazy ends it all the same, and what is not closed then "
                "is lost.",
            )
        time.sleep(LOOK_SECONDS)
        left = _unsaved_now(one)
        lost.saw(left)


def _unsaved_now(one: Standing) -> list[Unsaved]:
    now = standing_at(one.path)
    return [] if now is None else now.unsaved


def _take_away(one: Standing) -> None:
    """Unmount every place where it is seen, the mount point last."""
    give_up = time.monotonic() + BUSY_SECONDS
    for place in reversed(one.places):
        while True:
            try:
                mounts.unmount(place)
                break
            except mounts.InUse:
                if time.monotonic() > give_up:
                    raise MountError(
                        f"{printable(str(place))} is in use.{_who(one)}",
                        "Close the files and leave the directory; --lazy ends it all the same.",
                    ) from None
                time.sleep(LOOK_SECONDS)
            except OSError as error:
                if not mounts.is_mounted(place):
                    break  # somebody else was faster
                raise _cannot(one, error) from None


def _await_end(one: Standing, ends: holders.Ends) -> None:
    """Its processes are no more, and nothing is left at its place."""
    left = ends.wait(_bound(one) + END_SECONDS)
    if left:
        raise MountError(
            f"{printable(str(one.path))} is unmounted, and its process {left[0]} does not end.",
            f"Its log may say why; kill {' '.join(map(str, left))} ends it.",
        )
    _clear(one)


def _bound(one: Standing) -> float:
    limits = one.status.get("limits")
    drain = limits.get("drain_seconds") if isinstance(limits, dict) else None
    return float(drain) if isinstance(drain, int | float) else 25.0


# -- as a last resort ----------------------------------------------------------------------------


def _end_by_signal(one: Standing, ends: holders.Ends, lost: LostFiles, show: Show) -> None:
    """Tell its process to end, as Ctrl-C would, and end it if it does not."""
    if not one.pids:
        _detach(one)
        return
    first = one.pids[-1]  # the supervisor, if there is one
    try:
        os.kill(first, signal.SIGTERM)
    except ProcessLookupError:
        pass
    except PermissionError as error:
        raise _cannot(one, error) from None
    # One that does not answer need not be asked.
    give_up = time.monotonic() + (BUSY_SECONDS if one.state == SILENT else _bound(one)) + 10.0
    while ends.left() and time.monotonic() < give_up:
        if one.state != SILENT and mounts.is_mounted(one.path):
            now = standing_at(one.path)
            if now is not None and now.status:
                lost.saw(now.unsaved)
                show(now.unsaved)
        time.sleep(LOOK_SECONDS)
    for pid in ends.left():
        os.kill(pid, signal.SIGKILL)
    ends.wait(END_SECONDS)
    if mounts.is_mounted(one.path):
        _detach(one)


def _take_dead_away(one: Standing, ends: holders.Ends) -> Ended:
    for pid in ends.left():  # a supervisor would mount it again
        try:
            os.kill(pid, signal.SIGTERM)
        except OSError as error:
            raise _cannot(one, error) from None
    ends.wait(_bound(one))
    _clear(one)
    return Ended(
        0,
        f"{printable(str(one.path))} was dead and is taken away; what no close or fsync had saved "
        "when its program died is lost.",
    )


def _clear(one: Standing) -> None:
    try:
        mounts.clear(one.path)
    except OSError as error:
        raise _cannot(one, error) from None


def _detach(one: Standing) -> None:
    try:
        mounts.detach(one.path)
    except OSError as error:
        raise _cannot(one, error) from None


# -- in words ----------------------------------------------------------------------------------


def _told(path: str, lost: LostFiles, *, silent: bool) -> Ended:
    names = lost.names()
    if names:
        files = "1 file was" if len(names) == 1 else f"{len(names)} files were"
        return Ended(CUT_SHORT, f"{path} is unmounted; {files} not saved: {_names(names)}.")
    if silent:
        return Ended(CUT_SHORT, f"{path} was ended by force; what it had not saved is lost.")
    return Ended(0, f"{path} is unmounted, and everything that was closed is in the bucket.")


def _who(one: Standing) -> str:
    """Who holds it, as sentences to go on with."""
    own = {os.getpid(), *one.pids}
    found = [holder for holder in holders.holders(one.path) if holder.pid not in own]
    below = [each for each in mounts.all_mounts() if one.path in each.path.parents]
    said = [f"{each.name} (process {each.pid}) {each.how}: {each.file}" for each in found]
    said += [f"{each.fstype} is mounted below it, at {each.path}" for each in below]
    if not said:
        return " Who uses it is not to be seen from here; root sees every process."
    more = f"; {len(said) - MOST_NAMED} more" if len(said) > MOST_NAMED else ""
    return f" {printable('; '.join(said[:MOST_NAMED]))}{more}."


def _names(names: Sequence[str]) -> str:
    more = f" and {len(names) - MOST_NAMED} more" if len(names) > MOST_NAMED else ""
    return ", ".join(printable(name) for name in names[:MOST_NAMED]) + more


def _files(files: Sequence[Unsaved]) -> str:
    return "1 file is" if len(files) == 1 else f"{len(files)} files are"


def _cannot(one: Standing, error: OSError) -> MountError:
    return MountError(
        f"{printable(str(one.path))} cannot be unmounted by you: {error.strerror}.",
        "Whoever mounted it can, and root.",
    )
