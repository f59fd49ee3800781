"""``phfs bench DIR``: how fast a mount is, beside its store without a mount."""

from __future__ import annotations

import argparse
from pathlib import Path

from phfs.commandline import Command, Parser, UsageError
from phfs.errors import ConfigError


def add_measuring_options(parser: Parser) -> None:
    """What is measured, how often, and where the results go."""
    parser.expected["--scenario"] = "the name of a scenario; --list shows them"
    parser.add_argument(
        "--scenario",
        action="append",
        default=[],
        metavar="NAME",
        help="measure this one only; may be repeated",
    )
    parser.expected["--rounds"] = "a whole number from 1 to 100"
    parser.add_argument(
        "--rounds",
        type=_rounds,
        metavar="N",
        help="rounds that count, after one that warms up (default: 5, with --quick 2)",
    )
    parser.add_argument("--quick", action="store_true", help="smaller amounts, fewer rounds")
    parser.expected["--output"] = "the path of a directory"
    parser.add_argument(
        "--output", type=Path, metavar="DIR", help="write results.json, plots and a page here"
    )
    parser.add_argument("--list", action="store_true", help="show the scenarios and end")


def _rounds(text: str) -> int:
    number = int(text)
    if not 1 <= number <= 100:
        raise ValueError(text)
    return number


def _add_options(parser: Parser) -> None:
    parser.add_argument("directory", nargs="?", metavar="DIR", help="a directory inside a mount")
    add_measuring_options(parser)


def _run(given: argparse.Namespace) -> int:
    if given.directory is None and not given.list:
        raise UsageError("DIR is missing: give a directory inside a mount of PHFS.")
    try:
        from phfs.bench.own import measure_own
        from phfs.bench.report import Screen
        from phfs.bench.scenario import Size
        from phfs.bench.scenarios import chosen, themes
    except ImportError as error:
        raise ConfigError(
            f"phfs bench needs more than is installed ({error}).",
            "Install it with pip install 'phfs[bench]'.",
        ) from None
    size, screen = Size.of(quick=given.quick, rounds=given.rounds), Screen()
    if given.list:
        screen.scenarios(chosen(themes(size), given.scenario))
        return 0
    return measure_own(
        Path(given.directory),
        names=given.scenario,
        size=size,
        output=given.output,
        screen=screen,
    )


COMMAND = Command(
    "bench",
    "Measure how fast a mount is, beside its store without a mount.",
    _add_options,
    _run,
)
