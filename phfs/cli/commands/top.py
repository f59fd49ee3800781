"""``phfs top [DIR]``: what one mount is doing, at this moment and as long as one looks."""

from __future__ import annotations

import argparse
import math
import os
from collections.abc import Iterator, Mapping
from pathlib import Path

from phfs.cli.shared import add_shared, shared_values
from phfs.commandline import Command, Parser, UsageError
from phfs.core.names import printable
from phfs.errors import ConfigError
from phfs.system.mounts import FSTYPE, Mount, all_mounts, containing

_LEAST, _MOST = 0.1, 3_600.0


def _add_options(parser: Parser) -> None:
    add_shared(parser, ())
    parser.add_argument(
        "directory",
        nargs="?",
        metavar="DIR",
        help="where it is mounted, or @NAME of a mount; not needed if it is the only one",
    )
    parser.expected["--interval"] = f"seconds from {_LEAST:g} to {_MOST:g}, as in 0.5"
    parser.add_argument(
        "--interval",
        type=_seconds,
        default=1.0,
        metavar="S",
        help="how many seconds lie between two looks (default: 1)",
    )
    parser.add_argument(
        "--once", action="store_true", help="show one interval and end; so does a pipe"
    )
    parser.add_argument(
        "--json", action="store_true", help="print a line of JSON for each interval"
    )


def _seconds(text: str) -> float:
    number = float(text)
    if not (math.isfinite(number) and _LEAST <= number <= _MOST):
        raise ValueError(text)
    return number


def _run(given: argparse.Namespace) -> int:
    if given.directory is not None and given.mount_name is not None:
        raise UsageError(f"Both {given.directory!r} and @{given.mount_name} are given: give one.")
    directory = given.directory
    if given.mount_name is not None:
        directory = str(shared_values(given, ("mountpoint",))["mountpoint"])
    root = chosen(directory, all_mounts())
    from phfs.top import watch

    return watch(root, interval=given.interval, once=given.once, as_json=given.json)


def chosen(directory: str | None, mounts: list[Mount]) -> Path:
    """The root of the mount that ``directory`` is in, or of the only one there is.

    Raises ``ConfigError`` that names those there are.
    """
    roots = _roots(mounts)
    if directory is None:
        if len(roots) == 1:
            return next(iter(roots.values()))
        if not roots:
            raise ConfigError("No mount of PHFS is there: make one with phfs-mount.")
        raise ConfigError(f"There are {len(roots)} mounts: name one of {_names(roots)}.")
    for path in _meant(Path(os.path.abspath(directory))):
        found = containing(path, mounts)
        if found is not None and found.fstype == FSTYPE:
            return roots[found.device]
    there = f"there are {_names(roots)}" if roots else "there is none: make one with phfs-mount"
    raise ConfigError(f"{printable(directory)} is not in a mount of PHFS; {there}.")


def _meant(path: Path) -> Iterator[Path]:
    """What a path may stand for, without a look at the mount itself, which may hang."""
    yield path
    yield Path(os.path.realpath(path.parent), path.name)
    if path.is_symlink():
        end = path.parent / path.readlink()
        yield Path(os.path.realpath(end.parent), end.name)


def _roots(mounts: list[Mount]) -> dict[int, Path]:
    """Where each mount is whole, by its device: it may be bound to other places, too."""
    found: dict[int, Path] = {}
    for mount in sorted(mounts, key=lambda mount: mount.root != "/"):
        if mount.fstype == FSTYPE:
            found.setdefault(mount.device, mount.path)
    return found


def _names(roots: Mapping[int, Path]) -> str:
    return ", ".join(printable(str(root)) for root in roots.values())


COMMAND = Command(
    "top", "Show what a mount is doing: throughput, operations, uploads.", _add_options, _run
)
