"""``phfs cat PATH...``: the bytes of files, to standard output."""

from __future__ import annotations

import argparse
import os
import sys
from typing import TYPE_CHECKING

from phfs.cli.shared import add_place, place_config
from phfs.cli.shown import PATHS
from phfs.commandline import Command, Parser, UsageError
from phfs.errors import IsDirectory

if TYPE_CHECKING:
    from phfs.cli.explaining import Named
    from phfs.s3.store import Store


def _add_options(parser: Parser) -> None:
    parser.epilog = f"{PATHS}\n\n  phfs cat data/a.csv | head"
    parser.add_argument("paths", nargs="*", metavar="PATH", help="files, one after the other")
    add_place(parser)


def _run(given: argparse.Namespace) -> int:
    if not given.paths:
        raise UsageError("PATH is missing: give the file to print, as in phfs cat data/a.csv.")
    from phfs.cli.explaining import for_each, named
    from phfs.cli.group import run

    config = place_config(given)
    places = named(given.paths, config)

    async def work(store: Store) -> bool:
        import trio

        from phfs.files.looking import find
        from phfs.files.reading import pour

        async def write(data: memoryview) -> None:
            # The reader may take its time, which the ranges on their way have not got.
            await trio.to_thread.run_sync(_write, data, abandon_on_cancel=True)

        async def one(named: Named) -> None:
            entry = await find(store, named.place)
            if entry.is_dir:
                raise IsDirectory(
                    f"{named.place} is a directory.", "Give a file; phfs ls lists a directory."
                )
            await pour(store, entry, write)

        return await for_each(store, places, one)

    return 0 if run(config, work) else 1


def _write(data: memoryview) -> None:
    # Past the buffer, whose lock a write that waits for its reader would keep at Ctrl-C.
    file = sys.stdout.fileno()
    while data:
        data = data[os.write(file, data) :]


COMMAND = Command("cat", "Print files of the group.", _add_options, _run)
