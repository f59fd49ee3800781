"""``phfs share PATH``: a link by which anybody gets one file for a while."""

from __future__ import annotations

import argparse
import sys
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from phfs.cli import amounts
from phfs.cli.shared import add_place, place_config
from phfs.cli.shown import PATHS, add_json, print_json, utc, zoned
from phfs.commandline import Command, Parser, UsageError, say

if TYPE_CHECKING:
    from phfs.files.looking import Entry
    from phfs.s3.opening import Linking
    from phfs.s3.sign import Link
    from phfs.s3.store import Store

_HOUR = 3_600


def _add_options(parser: Parser) -> None:
    parser.epilog = f"{PATHS}\n\n  phfs share data/report.pdf --expires 2d"
    parser.add_argument("path", nargs="?", metavar="PATH", help="the file")
    parser.expected["--expires"] = amounts.DURATION
    parser.add_argument(
        "--expires",
        type=amounts.life,
        default=_HOUR,
        metavar="TIME",
        help="how long the link works: 15m, 1h (default), 2d; at most 7d, S3's limit",
    )
    parser.expected["--download-name"] = "a file's name"
    parser.add_argument(
        "--download-name", type=_name, metavar="NAME", help="what a browser saves it as"
    )
    add_json(parser)
    add_place(parser)


def _name(text: str) -> str:
    if not text or "/" in text or not text.isprintable():
        raise ValueError(text)
    return text


def _run(given: argparse.Namespace) -> int:
    if not given.path:
        raise UsageError("PATH is missing: give the file to share, as in phfs share data/a.csv.")
    from phfs.cli.explaining import explaining, named
    from phfs.cli.group import run_linking
    from phfs.files.sharing import share

    config = place_config(given)
    (one,) = named([given.path], config)

    async def work(store: Store, link: Linking) -> tuple[Entry, Link]:
        async with explaining(store, one):
            return await share(store, link, one.place, given.expires, given.download_name or "")

    entry, link = run_linking(config, work)
    if given.json:
        print_json(
            {
                "path": f"/{entry.path}",
                "uri": str(one.place),
                "url": link.url,
                "expires": utc(link.ends),
                "temporary_keys": link.temporary,
                "keys_expire": None if link.keys_end is None else utc(link.keys_end),
            }
        )
        return 0
    print(link.url)
    sys.stdout.flush()
    say("phfs share", _until(link))
    return 0


def _until(link: Link) -> str:
    """How long it works, for whoever passes it on."""
    host = urlsplit(link.url).netloc
    until = f"Whoever has this link and reaches {host} gets the file until {zoned(link.ends)}"
    if not link.temporary:
        return f"{until}."
    if link.keys_end is None:
        return f"{until}, or until the keys end that made it: they are temporary."
    if link.keys_end >= link.ends:
        return f"{until}."
    return (
        f"{until}, but no longer than until {zoned(link.keys_end)}: the keys that made it are "
        "temporary."
    )


COMMAND = Command("share", "Make a link to a file that works for a while.", _add_options, _run)
