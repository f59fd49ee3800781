"""``phfs mv SOURCE... TARGET``: moves files and directories to, from and inside the group."""

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
        help="phfs:///PATH in the group, PATH on this machine",
    )
    parser.add_argument(
        "-n", "--no-clobber", action="store_true", help="leave what is there already"
    )
    add_copying(parser, "SOURCE... TARGET")


def _run(given: argparse.Namespace) -> int:
    config, sources, target = places_of(given, "mv")
    if target.is_stream or any(source.is_stream for source in sources):
        raise UsageError("- cannot be moved: use phfs cp.")
    from phfs.files.moving import move
    from phfs.files.plan import Options

    async def work(group: Group) -> Tally:
        return await move(group, sources, target, Options(), dry=given.dry_run)

    overwrite = not given.no_clobber
    return drive(given, config, "mv", work, doing="Moving", overwrite=overwrite, durable=True)


COMMAND = Command("mv", "Move files to, from and inside the group.", _add_options, _run)
