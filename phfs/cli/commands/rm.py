"""``phfs rm PATH...``: removes files, with ``-r`` directories."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from phfs.cli.shared import add_place, place_config
from phfs.cli.shown import PATHS, add_json, print_json
from phfs.commandline import Command, Parser, UsageError

if TYPE_CHECKING:
    from phfs.s3.store import Store


def _add_options(parser: Parser) -> None:
    parser.epilog = f"{PATHS}\n\n  phfs rm -r data/old"
    parser.add_argument("paths", nargs="*", metavar="PATH", help="files, with -r directories, too")
    parser.add_argument(
        "-r", "--recursive", action="store_true", help="directories, with everything in them"
    )
    parser.add_argument(
        "-y", "--yes", action="store_true", help="do not ask before a directory goes"
    )
    parser.add_argument(
        "-f", "--force", action="store_true", help="what is not there is no failure"
    )
    parser.add_argument(
        "--dry-run", action="store_true", help="print what would go, remove nothing"
    )
    add_json(parser)
    add_place(parser)


def _run(given: argparse.Namespace) -> int:
    if not given.paths:
        raise UsageError("PATH is missing: give what to remove, as in phfs rm data/a.csv.")
    from phfs.cli import removal
    from phfs.cli.explaining import complain, named
    from phfs.cli.group import run

    config = place_config(given)
    wish = removal.Wish(
        named(given.paths, config),
        recursive=given.recursive,
        sure=given.yes,
        missing_is_fine=given.force,
        dry_run=given.dry_run,
    )
    removal.check(wish)

    async def work(store: Store) -> bool:
        found = await removal.look(store, wish)
        if found is None or not removal.agree(wish, found):
            return False
        if given.dry_run:
            done = removal.Done(sum(one.objects for one in found), sum(one.size for one in found))
            if not given.json:
                await removal.show(store, found)
                complain(f"{removal.summary(done.objects, done.size)} would be removed.")
        else:
            done = await removal.carry_out(store, found)
        if given.json:
            print_json(done.values(dry_run=given.dry_run))
        return removal.tell(done)

    return 0 if run(config, work) else 1


COMMAND = Command("rm", "Remove files, or directories with -r.", _add_options, _run)
