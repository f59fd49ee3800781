"""``phfs cp SOURCE... TARGET``: copies files into the group, out of it and inside it."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from phfs.cli.copying import add_copying, drive, places_of
from phfs.commandline import Command, Parser, UsageError

if TYPE_CHECKING:
    from phfs.files.group import Group
    from phfs.files.transfer import Tally


def _add_options(parser: Parser) -> None:
    parser.add_argument(
        "paths",
        nargs="*",
        metavar="SOURCE... TARGET",
        help="phfs:///PATH in the group, PATH on this machine, - for standard input or output",
    )
    parser.add_argument(
        "-r", "-R", "--recursive", action="store_true", help="directories, with all that is in them"
    )
    parser.add_argument(
        "-L",
        "--dereference",
        dest="follow",
        action="store_true",
        help="symbolic links in directories are what they lead to (default: left out, and said)",
    )
    parser.add_argument(
        "-n", "--no-clobber", action="store_true", help="leave what is there already"
    )
    add_copying(parser, "SOURCE... TARGET")


def _run(given: argparse.Namespace) -> int:
    config, sources, target = places_of(given, "cp")
    if target.is_stream and given.json:
        raise UsageError("--json and the file itself cannot both go to standard output (-).")
    from phfs.files.plan import Options
    from phfs.files.transfer import copy

    options = Options(recursive=given.recursive, follow=given.follow)

    async def work(group: Group) -> Tally:
        return await copy(group, sources, target, options, dry=given.dry_run)

    overwrite = not given.no_clobber
    return drive(given, config, "cp", work, doing="Copying", overwrite=overwrite)


COMMAND = Command("cp", "Copy files to, from and inside the group.", _add_options, _run)
