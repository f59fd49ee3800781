"""``phfs ls [PATH...]``: what is in a directory of the group."""

from __future__ import annotations

import argparse
from collections.abc import AsyncIterator
from typing import TYPE_CHECKING

from phfs.cli.shared import add_place, place_config
from phfs.cli.shown import (
    NONE,
    PATHS,
    SIZE_WIDTH,
    JsonList,
    add_json,
    add_sizes,
    is_human,
    name_of,
    size_of,
    time_of,
    values_of,
)
from phfs.commandline import Command, Parser
from phfs.core.names import printable

if TYPE_CHECKING:
    from phfs.cli.explaining import Named
    from phfs.files.looking import Entry
    from phfs.s3.store import Store

_NOT_SHOWN = "not shown in a mount"


def _add_options(parser: Parser) -> None:
    parser.epilog = f"{PATHS}\n\n  phfs ls -l data"
    parser.add_argument(
        "paths", nargs="*", metavar="PATH", help="what to list (default: the group's root)"
    )
    parser.add_argument("-l", "--long", action="store_true", help="with sizes and times")
    parser.add_argument(
        "-R", "--recursive", action="store_true", help="everything below, by its path"
    )
    parser.add_argument(
        "-a", "--all", action="store_true", help="also objects that a mount cannot show"
    )
    parser.add_argument(
        "-d", "--directory", action="store_true", help="directories themselves, not what is in them"
    )
    parser.add_argument("-1", action="store_true", dest="one", help="one name on a line, as always")
    add_sizes(parser)
    add_json(parser)
    add_place(parser)


def _run(given: argparse.Namespace) -> int:
    from phfs.cli.explaining import named
    from phfs.cli.group import run

    config = place_config(given)
    places = named(given.paths or ["/"], config)
    given.human = is_human(human=given.human, in_bytes=given.bytes)

    async def work(store: Store) -> bool:
        if not given.json:
            return await _Listing(store, given).show(places)
        with JsonList() as out:
            return await _Listing(store, given).add_to(out, places)

    return 0 if run(config, work) else 1


class _Listing:
    """Shows places one after the other."""

    def __init__(self, store: Store, given: argparse.Namespace) -> None:
        self._store = store
        self._given = given
        self._directories: list[Named] = []
        self._blank = False

    async def show(self, places: list[Named]) -> bool:
        """Print files, then what is in directories, with their names if there are several places;
        whether all of it was found."""
        from phfs.cli.explaining import for_each

        good = await for_each(self._store, places, self._show_file)

        async def directory(one: Named) -> None:
            if len(places) > 1:
                print("\n" if self._blank else "", name_of(one.text), ":", sep="")
                self._blank = True
            left_out: list[str] = []
            async for entry in self._entries(one, left_out):
                print(_line(entry, entry.path[len(one.place.prefix) :], self._given))
            for key in left_out:
                print(_line_of_hidden(key, self._given))

        return await for_each(self._store, self._directories, directory) and good

    async def add_to(self, out: JsonList, places: list[Named]) -> bool:
        """Add everything to a document; whether all of it was found."""
        from phfs.cli.explaining import for_each
        from phfs.files.looking import find

        async def one(named: Named) -> None:
            itself = await find(self._store, named.place)
            if self._given.directory or not itself.is_dir:
                out.add(values_of(itself))
                return
            left_out: list[str] = []
            async for entry in self._entries(named, left_out):
                out.add(values_of(entry))
            for key in left_out:
                out.add({"key": key, "type": "hidden"})

        return await for_each(self._store, places, one, out)

    async def _show_file(self, one: Named) -> None:
        from phfs.files.looking import find

        itself = await find(self._store, one.place)
        if itself.is_dir and not self._given.directory:
            self._directories.append(one)
            return
        print(_line(itself, one.text.rstrip("/") or "/", self._given))
        self._blank = True

    async def _entries(self, one: Named, left_out: list[str]) -> AsyncIterator[Entry]:
        from phfs.cli.explaining import remark_if_empty
        from phfs.files.looking import check_is_seen, children, tree

        if not self._given.all:
            check_is_seen(one.place)
        found = False
        hidden = left_out if self._given.all else None
        entries = tree if self._given.recursive else children
        async for entry in entries(self._store, one.place, hidden):
            found = True
            yield entry
        if not (found or left_out):
            await remark_if_empty(self._store, one.place)


def _line(entry: Entry, shown: str, given: argparse.Namespace) -> str:
    name = name_of(shown) + ("/" if entry.is_dir and shown != "/" else "")
    if not given.long:
        return name
    size = NONE if entry.is_dir else size_of(entry.size, human=given.human)
    time = NONE if entry.is_dir else time_of(entry.modified)
    return f"{size:>{SIZE_WIDTH}}  {time:<19}  {name}"


def _line_of_hidden(key: str, given: argparse.Namespace) -> str:
    text = f"{printable(key)}  ({_NOT_SHOWN})"
    return f"{NONE:>{SIZE_WIDTH}}  {NONE:<19}  {text}" if given.long else text


COMMAND = Command("ls", "List a directory of the group.", _add_options, _run)
