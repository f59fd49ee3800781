"""``phfs mounts``: which mounts of PHFS there are on this machine, and how they are."""

from __future__ import annotations

import argparse
import json

from phfs.cli.standing import HEALTHY, Standing, standing
from phfs.commandline import Command, Parser, say
from phfs.core.names import printable
from phfs.core.unsaved import line_of, values_of
from phfs.errors import MountError

PROG = "phfs mounts"

_HEAD = ("MOUNT POINT", "SOURCE", "STATE", "PID", "MODE", "MEMORY", "SINCE", "UNSAVED")


def _add_options(parser: Parser) -> None:
    parser.add_argument("--json", action="store_true", help="print everything as JSON")


def _run(given: argparse.Namespace) -> int:
    try:
        found = standing()
    except OSError as error:
        raise MountError(
            f"The kernel's table of mounts cannot be read: {error.strerror}."
        ) from None
    if given.json:
        print(json.dumps([_values(one) for one in found], indent=2, ensure_ascii=False))
    elif found:
        print(_table([_HEAD, *map(_row, found)]), end="")
        for one in found:
            for file in one.unsaved:
                print(f"{printable(str(one.path))}: not saved yet: {line_of(file)}")
    else:
        print("Nothing of PHFS is mounted here.")
    for one in found:
        if one.advice and not given.json:
            say(PROG, f"{printable(str(one.path))} {_is(one)}. {one.advice}")
    return 0


def _is(one: Standing) -> str:
    return one.state if one.state.startswith("does") else f"is {one.state}"


def _values(one: Standing) -> dict[str, object]:
    status = one.status
    return {
        "mount_point": str(one.path),
        "also_at": [str(path) for path in one.places[1:]],
        "source": one.mount.source,
        "state": one.state,
        "healthy": one.state == HEALTHY,
        "advice": one.advice,
        "pid": status.get("pid"),
        "supervisor_pid": status.get("supervisor_pid"),
        "processes": list(one.pids),
        "since": status.get("mounted_since"),
        "uptime_seconds": status.get("uptime_seconds"),
        "crashes": status.get("crashes"),
        "version": status.get("version"),
        "read_only": _read_only(one),
        "resident_bytes": one.resident,
        "log": status.get("log"),
        "unsaved": values_of(one.unsaved),
    }


def _read_only(one: Standing) -> bool:
    return one.mount.read_only or bool(one.status.get("read_only"))


def _row(one: Standing) -> tuple[str, ...]:
    pids = "+".join(str(pid) for pid in one.pids) or "-"
    resident = one.resident
    return (
        printable(str(one.path)),
        printable(one.mount.source),
        one.state,
        pids,
        "read-only" if _read_only(one) else "read-write",
        "-" if resident is None else f"{resident / 2**20:.0f} MiB",
        str(one.status.get("mounted_since", "-")),
        str(len(one.unsaved)) if one.status else "-",
    )


def _table(rows: list[tuple[str, ...]]) -> str:
    widths = [max(len(row[column]) for row in rows) for column in range(len(_HEAD))]
    lines = (
        "  ".join(text.ljust(width) for text, width in zip(row, widths, strict=True)).rstrip()
        for row in rows
    )
    return "\n".join(lines) + "\n"


COMMAND = Command(
    "mounts", "Show the mounts of PHFS on this machine and how they are.", _add_options, _run
)
