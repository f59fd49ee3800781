"""``phfs artifacts sweep BUCKET``: removes the artifacts of jobs whose time is over."""

from __future__ import annotations

import argparse
import json
import time
from collections import Counter
from typing import TYPE_CHECKING

from phfs.cli.shared import add_shared, shared_values
from phfs.commandline import Command, Parser, UsageError, say
from phfs.config import group_directory
from phfs.core.names import printable

if TYPE_CHECKING:
    from phfs.sweep import Found

_SHARED = (
    "bucket",
    "endpoint_url",
    "region",
    "path_style",
    "ca_bundle",
    "profile",
    "credentials_file",
)
"""Options that mean the same as for a mount."""

_SAID = {
    "deleted": "{objects} objects deleted",
    "expired": "{objects} objects would be deleted",
    "malformed": "left as it is: {why}",
    "failed": "failed after {objects} objects: {why}",
}


def _add_options(parser: Parser) -> None:
    parser.add_argument("action", nargs="?", metavar="sweep", help="what to do; there is one thing")
    add_shared(parser, _SHARED)
    parser.expected["--group"] = "a group's name"
    parser.add_argument(
        "--group",
        action="append",
        metavar="GROUP",
        help="jobs of this group only; may be repeated (default: all under groups/)",
    )
    parser.add_argument(
        "--dry-run", action="store_true", help="say what is expired, delete nothing"
    )
    parser.expected["--now"] = "a time in seconds since 1970"
    parser.add_argument(
        "--now", type=_epoch, metavar="EPOCH", help="what is taken for now (default: the clock)"
    )
    parser.add_argument("--json", action="store_true", help="print everything as JSON")


def _epoch(text: str) -> float:
    number = float(text)
    if not 0 <= number < 10**12:
        raise ValueError(text)
    return number


def _run(given: argparse.Namespace) -> int:
    if given.action != "sweep":
        raise UsageError("Say what to do: phfs artifacts sweep BUCKET.")
    values = shared_values(given, _SHARED)
    if given.group:
        values["groups"] = sorted({group_directory(name) for name in given.group})
    now = time.time() if given.now is None else given.now
    from phfs.sweep import run

    found = run(values, now=now, dry_run=given.dry_run)
    if given.json:
        print(json.dumps({"now": now, "dry_run": given.dry_run, "jobs": _values(found)}, indent=2))
    else:
        _show(found, values["bucket"])
    return 1 if any(job.state == "failed" for job in found) else 0


def _values(found: list[Found]) -> list[dict[str, object]]:
    return [job._asdict() for job in found]


def _show(found: list[Found], bucket: str) -> None:
    for job in found:
        said = _SAID[job.state].format(**job._asdict())
        line = printable(f"{job.directory}: {said}")
        if job.state in ("malformed", "failed"):
            say("phfs artifacts", line)
        else:
            print(line)
    states = Counter(job.state for job in found)
    parts = [f"{states[state]} {state}" for state in _SAID if states[state]]
    print(f"{bucket}: {', '.join(parts) or 'nothing is expired'}.")


COMMAND = Command(
    "artifacts",
    "Remove the artifacts of jobs whose time is over: phfs artifacts sweep BUCKET.",
    _add_options,
    _run,
)
