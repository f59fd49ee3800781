"""``phfs unmount DIR|--all``: ends a mount in order, and tells what was not saved."""

from __future__ import annotations

import argparse
import math
import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from phfs.cli.bars import bars
from phfs.cli.shared import add_shared, shared_values
from phfs.cli.standing import Standing, standing
from phfs.cli.unmounting import Show, unmount
from phfs.commandline import Command, Parser, UsageError, say, sentence_of
from phfs.core.names import printable
from phfs.core.unsaved import Unsaved, line_of
from phfs.errors import MountError

PROG = "phfs unmount"

WAIT_SECONDS = 60.0

INTERRUPTED = 130
"""128 + SIGINT, as shells count."""


def _add_options(parser: Parser) -> None:
    add_shared(parser, ())
    parser.add_argument(
        "directory", nargs="?", metavar="DIR", help="where it is mounted, or @NAME of a mount"
    )
    parser.add_argument("--all", action="store_true", help="every mount of yours on this machine")
    parser.expected["--wait"] = "a number of seconds from 0 to 86400"
    parser.add_argument(
        "--wait",
        type=_seconds,
        default=WAIT_SECONDS,
        metavar="SECONDS",
        help="how long files that are being written are awaited (default: 60)",
    )
    parser.add_argument(
        "--lazy",
        action="store_true",
        help="last resort: end it although somebody uses it; programs have the mount's "
        "--drain-seconds to close their files, and what they have not closed then is lost",
    )


def _seconds(text: str) -> float:
    number = float(text)
    if not (math.isfinite(number) and 0 <= number <= 86_400):
        raise ValueError(text)
    return number


def _run(given: argparse.Namespace) -> int:
    if [given.all, given.directory is not None, given.mount_name is not None].count(True) != 1:
        raise UsageError(
            "Say what to unmount: DIR, @NAME, or --all; phfs mounts shows what there is."
        )
    chosen = _all() if given.all else [_at(given.directory or _place_of_name(given))]
    if not chosen:
        print("Nothing of PHFS is mounted here.")
    codes = [_end(one, given) for one in chosen]
    return 1 if 1 in codes else max(codes, default=0)


def _end(one: Standing, given: argparse.Namespace) -> int:
    try:
        with _shown() as show:
            ended = unmount(one, seconds=given.wait, lazy=given.lazy, show=show)
    except MountError as error:
        say(PROG, sentence_of(error))
        return 1
    except KeyboardInterrupt:
        say(PROG, f"Interrupted: phfs mounts shows how {printable(str(one.path))} is now.")
        raise SystemExit(INTERRUPTED) from None
    if ended.code:
        say(PROG, ended.sentence)
    else:
        print(ended.sentence)
    return ended.code


def _all() -> list[Standing]:
    """The uppermost last: a mount may be inside another."""
    found = standing()
    own = os.geteuid()
    mine = [one for one in found if own == 0 or (one.mount.owner and one.mount.owner.uid == own)]
    return mine[::-1]


def _place_of_name(given: argparse.Namespace) -> str:
    """Where the configuration file says that a mount is. Raises ``ConfigError``."""
    return str(shared_values(given, ("mountpoint",))["mountpoint"])


def _at(directory: str) -> Standing:
    """The mount at a path, which is not looked at itself: it may hang. Raises ``MountError``."""
    plain = Path(os.path.abspath(directory))
    found = standing()
    real = plain
    if not any(plain in one.places for one in found):
        real = Path(os.path.realpath(plain.parent)) / plain.name
    for one in found[::-1]:
        if real in one.places:
            return one
    for one in found:
        if one.path in real.parents:
            raise MountError(
                f"{printable(str(plain))} is inside the mount at {one.path}, not the mount itself.",
                f"Give that: phfs unmount '{one.path}'.",
            )
    raise MountError(
        f"At {printable(str(plain))} nothing of PHFS is mounted.",
        "phfs mounts shows what there is.",
    )


@contextmanager
def _shown() -> Iterator[Show]:
    """Bars on a terminal, else a line for each file that is awaited."""
    told: set[str] = set()

    def write(files: Sequence[Unsaved]) -> None:
        for one in files:
            if one.path not in told:
                told.add(one.path)
                say(PROG, f"not saved yet: {line_of(one)}")

    if not sys.stderr.isatty():
        yield write
        return
    with bars() as draw:
        yield draw


COMMAND = Command(
    "unmount", "End a mount in order, and tell what was not saved.", _add_options, _run
)
