"""A mount that is there: whether it answers, what it says of itself, what has failed in it.

Owns the meaning of its status. Asks nothing itself: ``cli`` has asked, and hands it over. Called by
``run``.
"""

from __future__ import annotations

import secrets
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from phfs import __version__
from phfs.doctor.examination import Verdict, fail, ok, warn
from phfs.doctor.scratch import MARK


class MountSeen(NamedTuple):
    """A mount as it was found. ``status`` and ``failures`` (the newest first) are what it says,
    empty if it says nothing; ``problem`` is why not and ``advice`` what to do."""

    path: Path
    status: Mapping[str, Any]
    failures: Sequence[Mapping[str, Any]]
    problem: str = ""
    advice: str = ""


def answers(mount: MountSeen) -> Verdict:
    """Whether it is served."""
    if mount.problem:
        return fail(f"{mount.path} {_is(mount.problem)}", mount.advice)
    version, since = mount.status.get("version"), mount.status.get("mounted_since")
    words = f"{mount.path} is served since {since} by version {version}"
    if version != __version__:
        return warn(f"{words}; this is {__version__}", "Mount it again to use the newer one.")
    return ok(words)


def deaths(mount: MountSeen) -> Verdict:
    """Whether its process has died meanwhile."""
    crashes = mount.status.get("crashes") or 0
    if crashes:
        return warn(
            f"its process has died {crashes} times since it was mounted",
            f"The log says how: {mount.status.get('log') or 'it is on the terminal of the mount'}.",
        )
    return ok("none")


def failures(mount: MountSeen) -> Verdict:
    """What has failed in it, the last of it in words."""
    total = mount.status.get("failures") or 0
    if not total or not mount.failures:
        return ok("none since it was mounted")
    last = mount.failures[0]
    return warn(
        f"{total} since it was mounted, the last at {last.get('time')}: {last.get('operation')} "
        f"{last.get('path')} ({last.get('errno')}): {str(last.get('why')).rstrip('.')}",
        str(last.get("advice") or f"{mount.path}/.phfs/errors has them all."),
    )


def promises(mount: MountSeen) -> Verdict:
    """What its store does not guarantee."""
    store = mount.status.get("store")
    told = store if isinstance(store, Mapping) else {}
    missing = told.get("does_not_guarantee") or []
    server = told.get("server") or "unknown"
    if missing:
        words = " ".join(str(sentence) for sentence in missing)
        return warn(f"{server}: {words}", "docs/semantics.md has the details.")
    return ok(f"{server} keeps all that a mount relies on")


def own_name(mount: MountSeen) -> Path:
    """A directory of the doctor's in the mount, which nothing else has."""
    return mount.path / f"{MARK}{secrets.token_hex(8)}"


def _is(problem: str) -> str:
    return problem if problem.startswith("does") else f"is {problem}"
