"""What a subcommand of ``phfs`` is."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from typing import NamedTuple

from phfs.cli.parser import Parser


class Command(NamedTuple):
    """``add_options`` tells a parser what it takes; ``run`` does it and returns the exit code.

    ``run`` imports what is heavy itself, so that the other subcommands start fast.
    """

    name: str
    help: str
    add_options: Callable[[Parser], None]
    run: Callable[[argparse.Namespace], int]
