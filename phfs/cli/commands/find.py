"""``phfs find [PATH...]``: the files and directories below, those that fit."""

from __future__ import annotations

import argparse
import sys
from collections.abc import AsyncIterator
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING

from phfs.cli import amounts
from phfs.cli.shared import add_place, place_config
from phfs.cli.shown import PATHS, JsonList, add_json, name_of, values_of
from phfs.commandline import Command, Parser, UsageError
from phfs.files.paths import Remote

if TYPE_CHECKING:
    from phfs.cli.explaining import Named
    from phfs.files.looking import Entry
    from phfs.s3.store import Store


def _add_options(parser: Parser) -> None:
    parser.epilog = f"{PATHS}\n\n  phfs find data --name '*.ckpt' --older 30d -0 | xargs -0 phfs rm"
    parser.add_argument(
        "paths", nargs="*", metavar="PATH", help="where (default: the group's root)"
    )
    parser.expected["--name"] = "a pattern of the last name, in quotes, as in '*.csv'"
    parser.add_argument("--name", metavar="GLOB", help="whose name fits, as in '*.csv'")
    parser.expected["--type"] = "f for files or d for directories"
    parser.add_argument("--type", choices=("f", "d"), metavar="f|d", help="files, or directories")
    parser.expected["--size"] = amounts.SIZE
    parser.add_argument(
        "--size", type=amounts.bound, metavar="[+|-]SIZE", help="files of more, of less or of SIZE"
    )
    for option, words in (("--newer", "changed after this"), ("--older", "changed before this")):
        parser.expected[option] = amounts.MOMENT
        parser.add_argument(option, type=amounts.moment, metavar="AGE|DATE", help=f"files {words}")
    parser.add_argument(
        "-0", dest="zero", action="store_true", help="end each with a zero byte, for xargs -0"
    )
    add_json(parser)
    add_place(parser)


def _run(given: argparse.Namespace) -> int:
    from phfs.cli.explaining import for_each, named
    from phfs.cli.group import run

    if given.json and given.zero:
        raise UsageError("--json and -0 are both given: leave one of them out.")
    config = place_config(given)
    places = named(given.paths or ["/"], config)

    async def work(store: Store) -> bool:
        async def show(one: Named) -> None:
            async for entry in _fitting(store, given, one.place):
                _print(str(Remote(entry.path)), zero=given.zero)

        if not given.json:
            return await for_each(store, places, show)
        with JsonList() as out:

            async def add(one: Named) -> None:
                async for entry in _fitting(store, given, one.place):
                    out.add(values_of(entry))

            return await for_each(store, places, add, out)

    return 0 if run(config, work) else 1


def _print(text: str, *, zero: bool) -> None:
    if zero:
        sys.stdout.write(f"{text}\0")
    else:
        print(name_of(text))


async def _fitting(store: Store, given: argparse.Namespace, place: Remote) -> AsyncIterator[Entry]:
    from phfs.cli.explaining import remark_if_empty
    from phfs.files.looking import check_is_seen, find, tree

    itself = await find(store, place)
    if not itself.is_dir:
        if _fits(itself, given):
            yield itself
        return
    check_is_seen(place)
    found = False
    async for entry in tree(store, place):
        found = True
        if _fits(entry, given):
            yield entry
    if not found:
        await remark_if_empty(store, place)


def _fits(entry: Entry, given: argparse.Namespace) -> bool:
    """A directory has neither size nor time: it fits no condition on those."""
    if given.type and entry.is_dir != (given.type == "d"):
        return False
    if given.name is not None and not fnmatchcase(entry.name, given.name):
        return False
    of_files = (given.size, given.newer, given.older)
    if entry.is_dir:
        return of_files == (None, None, None)
    return (
        (given.size is None or given.size.holds(entry.size))
        and (given.newer is None or entry.modified > given.newer)
        and (given.older is None or entry.modified < given.older)
    )


COMMAND = Command("find", "Find files and directories by name, size or age.", _add_options, _run)
