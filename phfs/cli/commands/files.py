"""``phfs files list|download|upload|delete|get-phfs-uri``: the verbs of ``primehub files``.

Takes the arguments and prints the rows that PrimeHub's command of the same name does, so that what
was written for one works with the other. What is done is done as by ``ls``, ``cp`` and ``rm``; the
two verbs that copy are in ``cli.exchanging``.
"""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from phfs.cli.exchanging import (
    add_download,
    add_upload,
    download,
    place_in_group,
    table,
    upload,
)
from phfs.cli.shared import add_place, place_config
from phfs.cli.shown import add_json, name_of, print_json, utc
from phfs.commandline import Command, Family, Parser, UsageError
from phfs.errors import ConfigError
from phfs.files.paths import SCHEME, Remote

if TYPE_CHECKING:
    from phfs.cli.explaining import Named
    from phfs.config import MountConfig
    from phfs.files.looking import Entry
    from phfs.s3.store import Store


def _add_one_path(parser: Parser) -> None:
    parser.add_argument("path", nargs="?", metavar="PATH", help="a path from the group's root")
    add_json(parser)
    add_place(parser)


def _add_recursive_path(parser: Parser) -> None:
    parser.add_argument("--recursive", action="store_true", help="a directory with all in it")
    _add_one_path(parser)


def _named(given: argparse.Namespace, config: MountConfig) -> Named:
    from phfs.cli.explaining import Named

    if given.path is None:
        raise UsageError("PATH is missing: give a path from the group's root, as in /data.")
    return Named(given.path, place_in_group(given.path, config), config.prefix)


def _list(given: argparse.Namespace) -> int:
    from phfs.cli.explaining import explaining
    from phfs.cli.group import run

    config = place_config(given)
    one = _named(given, config)

    async def work(store: Store) -> list[Entry]:
        from phfs.files.looking import children, find

        async with explaining(store, one):
            itself = await find(store, one.place)
            if not itself.is_dir:
                return [itself]
            return [entry async for entry in children(store, one.place)]

    rows = [_row(entry) for entry in run(config, work)]
    if given.json:
        print_json(rows)
    elif rows:
        print(table(rows, ("name", "size", "lastModified", "phfsUri"), numbers={"size"}))
    return 0


def _row(entry: Entry) -> dict[str, object]:
    slash = "/" if entry.is_dir else ""
    return {
        "name": entry.name + slash,
        "size": entry.size,
        "lastModified": None if entry.is_dir else utc(entry.modified),
        "phfsUri": f"{Remote(entry.path)}{slash}",
    }


def _delete(given: argparse.Namespace) -> int:
    from phfs.cli import removal
    from phfs.cli.group import run

    config = place_config(given)
    one = _named(given, config)
    if one.place.path == "":
        raise ConfigError(
            f"{given.path!r} is the root of the group, with everything in it: nothing was removed. "
            f"If that is what is meant, give phfs rm -r --yes {SCHEME}/."
        )
    # Like primehub it does not ask: whoever calls it says --recursive.
    wish = removal.Wish([one], recursive=given.recursive, sure=True, switch="--recursive")
    removal.check(wish)

    async def work(store: Store) -> bool:
        found = await removal.look(store, wish)
        if found is None:
            return False
        done = await removal.carry_out(store, found)
        if given.json:
            print_json({"deleteFiles": done.objects})
        else:
            print(f"deleteFiles: {done.objects}")
        return removal.tell(done)

    return 0 if run(config, work) else 1


def _uri(given: argparse.Namespace) -> int:
    from phfs.cli.explaining import explaining
    from phfs.cli.group import run

    config = place_config(given)
    one = _named(given, config)

    async def work(store: Store) -> None:
        from phfs.files.looking import find

        async with explaining(store, one):
            await find(store, one.place)

    run(config, work)
    uri = f"{SCHEME}/{one.place.path}"
    if given.json:
        print_json(uri)
    else:
        print(name_of(uri))
    return 0


FAMILY = Family(
    "phfs files",
    "List, download, upload and delete files as primehub files does.",
    (
        Command("list", "List shared files.", _add_one_path, _list),
        Command("download", "Download shared files.", add_download, download),
        Command("upload", "Upload shared files.", add_upload, upload),
        Command("delete", "Delete shared files.", _add_recursive_path, _delete),
        Command("get-phfs-uri", "Get the PHFS URI of a file or directory.", _add_one_path, _uri),
    ),
)
