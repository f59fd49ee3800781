"""``phfs uri PATH``: the names of one file, in the group, in a mount, in the bucket."""

from __future__ import annotations

import argparse

from phfs.cli.shared import add_place
from phfs.cli.shown import PATHS, add_json, name_of, print_json
from phfs.commandline import Command, Parser, UsageError

_WAYS = ("phfs", "path", "s3", "https")


def _add_options(parser: Parser) -> None:
    parser.epilog = f"{PATHS}\n\n  phfs uri --as s3 data/a.csv"
    parser.add_argument(
        "paths",
        nargs="*",
        metavar="PATH",
        help="a phfs:// or s3:// address, a path in a mount on this machine, or one from the "
        "group's root",
    )
    parser.expected["--as"] = "phfs, path, s3 or https"
    parser.add_argument(
        "--as",
        dest="way",
        choices=_WAYS,
        metavar="phfs|path|s3|https",
        help="this name alone; https is where the store answers, with a signature only",
    )
    add_json(parser)
    add_place(parser)


def _run(given: argparse.Namespace) -> int:
    if not given.paths:
        raise UsageError("PATH is missing: give a path or an address, as in phfs uri data/a.csv.")
    from phfs.cli.addresses import address, resolve

    found = []
    for text in given.paths:
        config, place = resolve(text, given)
        found.append(address(place, config))
    if given.json:
        print_json([one._asdict() for one in found])
        return 0
    for one in found:
        for way in [given.way] if given.way else _WAYS[:3]:
            print(name_of(getattr(one, way)))
    return 0


COMMAND = Command("uri", "Show the names of a file: phfs://, path, s3://.", _add_options, _run)
