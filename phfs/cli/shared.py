"""Options of a subcommand that mean the same as for a mount, from the one table of options.

Owns how they are added to a parser and read back. Defines none. Called by ``commands``.
"""

from __future__ import annotations

import argparse
import os
from collections.abc import Sequence
from typing import Any

from phfs.commandline import Parser
from phfs.config import read
from phfs.config.mount import OPTIONS, flag, option_of

_KEYS = ("access_key_id", "secret_access_key", "session_token")
"""Variables only: they are on no command line."""


def add_shared(parser: Parser, names: Sequence[str]) -> None:
    """Add the options of these names, in the order of the table."""
    for row in OPTIONS:
        if row.name not in names:
            continue
        option = option_of(row)
        if option.positional:
            metavar = option.kind.metavar
            parser.add_argument(row.name, nargs="?", metavar=metavar, help=option.help)
            continue
        parser.expected[flag(row)] = option.kind.expected
        parser.add_argument(flag(row), dest=row.name, metavar=option.kind.metavar, help=option.help)


def shared_texts(given: argparse.Namespace, names: Sequence[str]) -> dict[str, str]:
    """What the command line says of them, unchecked."""
    return {name: getattr(given, name) for name in names if getattr(given, name) is not None}


def shared_values(given: argparse.Namespace, names: Sequence[str]) -> dict[str, Any]:
    """Their values and the keys', from the command line and variables. Raises ``ConfigError``."""
    rows = [row for row in OPTIONS if row.name in (*names, *_KEYS)]
    return read(rows, shared_texts(given, names), os.environ)
