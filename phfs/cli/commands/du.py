"""``phfs du [PATH...]``: how many objects and bytes are in each directory."""

from __future__ import annotations

import argparse
from collections.abc import AsyncIterator
from typing import TYPE_CHECKING

from phfs.cli.shared import add_place, place_config
from phfs.cli.shown import (
    PATHS,
    SIZE_WIDTH,
    JsonList,
    add_json,
    add_sizes,
    is_human,
    name_of,
    size_of,
)
from phfs.commandline import Command, Parser, UsageError

if TYPE_CHECKING:
    from phfs.cli.explaining import Named
    from phfs.files.usage import Usage
    from phfs.s3.store import Store


def _add_options(parser: Parser) -> None:
    parser.epilog = f"{PATHS}\n\n  phfs du -sh data models"
    parser.add_argument(
        "paths", nargs="*", metavar="PATH", help="of what (default: the group's root)"
    )
    parser.add_argument(
        "-s", "--summarize", action="store_true", help="the sum alone, as --max-depth 0"
    )
    parser.expected["--max-depth"] = "a whole number, 0 for the sum alone"
    parser.add_argument(
        "--max-depth", type=_depth, metavar="N", help="directories at most so far below"
    )
    add_sizes(parser)
    add_json(parser)
    add_place(parser)


def _depth(text: str) -> int:
    if not (text.isascii() and text.isdigit()):
        raise ValueError(text)
    return int(text)


def _run(given: argparse.Namespace) -> int:
    from phfs.cli.explaining import for_each, named, remark_if_empty
    from phfs.cli.group import run

    if given.summarize and given.max_depth:
        raise UsageError("-s and --max-depth are both given: leave one of them out.")
    depth = 0 if given.summarize else given.max_depth
    config = place_config(given)
    places = named(given.paths or ["/"], config)
    human = is_human(human=given.human, in_bytes=given.bytes)

    async def work(store: Store) -> bool:
        from phfs.files.usage import usage

        async def sums(one: Named) -> AsyncIterator[Usage]:
            async for found in usage(store, one.place, depth):
                yield found
            if found.objects == 0:
                await remark_if_empty(store, one.place)

        async def show(one: Named) -> None:
            async for found in sums(one):
                print(_line(found, human=human))

        if not given.json:
            return await for_each(store, places, show)
        with JsonList() as out:

            async def add(one: Named) -> None:
                async for found in sums(one):
                    out.add(_values(found))

            return await for_each(store, places, add, out)

    return 0 if run(config, work) else 1


def _line(found: Usage, *, human: bool) -> str:
    size = size_of(found.size, human=human)
    name = f"/{found.path}" + ("/" if found.is_dir and found.path else "")
    return f"{size:>{SIZE_WIDTH}}  {found.objects:>9}  {name_of(name)}"


def _values(found: Usage) -> dict[str, object]:
    from phfs.files.paths import Remote

    return {
        "path": f"/{found.path}",
        "uri": str(Remote(found.path)),
        "type": "directory" if found.is_dir else "file",
        "objects": found.objects,
        "size": found.size,
    }


COMMAND = Command("du", "Show how many objects and bytes directories have.", _add_options, _run)
