"""``phfs demo``: a store, a mount and a short session, all on this machine."""

from __future__ import annotations

import argparse

from phfs.commandline import Command, Parser
from phfs.errors import ConfigError


def _add_options(parser: Parser) -> None:
    parser.add_argument(
        "--keep", action="store_true", help="leave store and mount running until Ctrl-C"
    )


def _run(given: argparse.Namespace) -> int:
    try:
        from phfs.demo import run
    except ImportError as error:
        raise ConfigError(
            f"phfs demo needs more than is installed ({error}).",
            "Install it with pip install 'phfs[demo]'.",
        ) from None
    return run(keep=given.keep)


COMMAND = Command(
    "demo",
    "Start a store on this machine, mount it and show what works and what does not.",
    _add_options,
    _run,
)
