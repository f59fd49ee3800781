"""``phfs files download`` and ``upload``: files to and from the group, as ``primehub files`` does.

Owns where PrimeHub puts things, which is not where cp(1) does: a directory always goes into the
target by its name, which is made. Called by ``commands.files``.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from phfs.cli.copying import drive
from phfs.cli.shared import add_place, place_config
from phfs.cli.shown import add_json, name_of, print_json
from phfs.commandline import Parser, UsageError, sentence_of
from phfs.core.names import printable
from phfs.errors import ConfigError, IsDirectory, OperationFailed
from phfs.files.paths import SCHEME, Remote, remote_of

if TYPE_CHECKING:
    from phfs.config import MountConfig
    from phfs.files.group import Group
    from phfs.files.outcome import Outcome, Reporter
    from phfs.files.transfer import Tally
    from phfs.files.within import Given


_RECURSIVELY = "Give --recursive to copy it with all in it."


def add_download(parser: Parser) -> None:
    """Add the arguments of ``download``."""
    parser.add_argument("path", nargs="?", metavar="PATH", help="a path from the group's root")
    parser.add_argument("dest", nargs="?", metavar="DEST", help="where on this machine")
    _add(parser)


def add_upload(parser: Parser) -> None:
    """Add the arguments of ``upload``."""
    parser.add_argument("src", nargs="?", metavar="SRC", help="a path on this machine")
    parser.add_argument("path", nargs="?", metavar="PATH", help="where from the group's root")
    _add(parser)


def _add(parser: Parser) -> None:
    parser.add_argument("--recursive", action="store_true", help="a directory with all in it")
    add_json(parser)
    add_place(parser, writes=True)


def download(given: argparse.Namespace) -> int:
    """Fetch a file or a directory; the exit code. Raises ``UsageError``, ``ConfigError``."""
    if given.dest is None:
        raise UsageError("PATH and DEST are needed, as in phfs files download /data/a.csv ./a.csv.")
    from phfs.cli.explaining import Named, explaining
    from phfs.files.looking import find
    from phfs.files.within import Given

    config = place_config(given)
    place = place_in_group(given.path, config)
    text = given.dest or "."
    rows: list[dict[str, object]] = []

    async def work(group: Group) -> Tally:
        source = Given(str(place), place, place.slash)
        target = Given(text, Path(text), text.endswith("/"))
        async with explaining(group.store, Named(given.path, place, config.prefix)):
            entry = await find(group.store, place)
        if entry.is_dir and not given.recursive:
            raise IsDirectory(f"{place} is a directory.", _RECURSIVELY)
        if entry.is_dir:
            source = source._replace(inside=True)
            name = place.path.rpartition("/")[2]
            _make(Path(text))
            target = Given(text, Path(text) / name)
        return await _copy(given, group, source, target, rows)

    code = _drive(given, config, "download", work)
    if given.wants_json:
        print_json(rows)
    return code


def upload(given: argparse.Namespace) -> int:
    """Store a file or a directory; the exit code. Raises ``UsageError``, ``ConfigError``."""
    if given.path is None:
        raise UsageError("SRC and PATH are needed, as in phfs files upload ./a.csv /data/.")
    from phfs.files.within import Given

    if not given.src:
        raise ConfigError("A path is empty: give the path of a file or directory.")
    if os.path.isdir(given.src) and not given.recursive:
        raise IsDirectory(f"{given.src} is a directory.", _RECURSIVELY)
    config = place_config(given)
    place = place_in_group(given.path, config)
    source = Given(given.src, Path(os.path.abspath(given.src)), given.src.endswith("/"))
    target = Given(str(place), place, place.slash or given.recursive)
    if given.recursive and os.path.isdir(given.src):
        name = os.path.basename(os.path.dirname(os.path.abspath(given.src) + "/"))
        inner = place if given.src.endswith("/") else place.child(name)
        source, target = source._replace(inside=True), Given(str(inner), inner)
    rows: list[dict[str, object]] = []

    async def work(group: Group) -> Tally:
        return await _copy(given, group, source, target, rows)

    code = _drive(given, config, "upload", work)
    if given.wants_json:
        print_json(rows)
    elif rows:
        print(table(rows, ("success", "phfs", "file")))
    return code


def place_in_group(text: str, config: MountConfig) -> Remote:
    """The place that ``primehub`` would take an argument for: ``.`` and ``./a`` are from the
    group's root, too. Raises ``ConfigError``."""
    plain = "/" if text in ("", ".", "./") else text.removeprefix(".") if text[:2] == "./" else text
    return remote_of(plain, config)


def table(
    rows: Sequence[Mapping[str, object]], heads: Sequence[str], numbers: Collection[str] = ()
) -> str:
    """The table that ``primehub`` prints: columns two wider than their heads at least, ``numbers``
    to the right."""
    cells = [[_cell(row[name]) for name in heads] for row in rows]
    widths = [
        max(len(name) + 2, *(len(line[column]) for line in cells))
        for column, name in enumerate(heads)
    ]
    lines = [list(heads), ["-" * width for width in widths], *cells]
    return "\n".join(
        "  ".join(
            text.rjust(width) if name in numbers else text.ljust(width)
            for name, text, width in zip(heads, line, widths, strict=True)
        ).rstrip()
        for line in lines
    )


def _cell(value: object) -> str:
    return "" if value is None else name_of(str(value))


class _Echo:
    """A reporter that tells of files as PrimeHub does, beside another."""

    def __init__(self, behind: Reporter, rows: list[dict[str, object]]) -> None:
        self.found = behind.found
        self.moved = behind.moved
        self.say = behind.say
        self._behind = behind
        self._rows = rows

    def ended(self, outcome: Outcome) -> None:
        """Add a row, and say it."""
        here, there = outcome.source, outcome.target
        if here.startswith(SCHEME):
            here, there = there, here
        else:
            print(f"[Uploading] {printable(here)} -> {printable(there)}", file=sys.stderr)
        row: dict[str, object] = {
            "success": outcome.error is None,
            "phfs": there.removeprefix(SCHEME),
            "file": here,
        }
        if outcome.error is not None:
            row["message"] = sentence_of(outcome.error)
        self._rows.append(row)
        self._behind.ended(outcome)


async def _copy(
    given: argparse.Namespace,
    group: Group,
    source: Given,
    target: Given,
    rows: list[dict[str, object]],
) -> Tally:
    from phfs.files.plan import Options
    from phfs.files.transfer import copy

    # PrimeHub uploads what a link leads to.
    options = Options(recursive=given.recursive, follow=True)
    told = replace(group, reporter=_Echo(group.reporter, rows))
    return await copy(told, [source], target, options)


def _drive(
    given: argparse.Namespace,
    config: MountConfig,
    verb: str,
    work: Callable[[Group], Awaitable[Tally]],
) -> int:
    """Run ``work`` as ``cp`` does, but print failures only."""
    given.wants_json, given.json = given.json, False
    given.quiet, given.verbose, given.dry_run, given.copy_memory = True, False, False, None
    return drive(given, config, f"files {verb}", work, doing="Copying")


def _make(directory: Path) -> None:
    try:
        directory.mkdir(exist_ok=True)
    except OSError as error:
        raise OperationFailed(
            f"{directory} cannot be made: {error.strerror}.", "Give a directory that can be."
        ) from None
