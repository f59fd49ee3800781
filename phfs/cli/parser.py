"""An argument parser that refuses in one sentence instead of a page of usage.

Used by both commands.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from difflib import get_close_matches
from typing import NoReturn

from phfs import __version__
from phfs.errors import PhfsError


class UsageError(Exception):
    """The command line itself is wrong; the text is one sentence."""


class Parser(argparse.ArgumentParser):
    """``argparse`` without abbreviations, raising ``UsageError`` where it would print and exit.

    ``expected`` says, by option as it is written, what to give where a value is missing.
    """

    def __init__(self, prog: str, description: str, epilog: str = "", usage: str = "") -> None:
        super().__init__(
            prog=prog,
            usage=usage or None,
            description=description,
            epilog=epilog or None,
            formatter_class=argparse.RawDescriptionHelpFormatter,
            allow_abbrev=False,
            add_help=False,
            exit_on_error=False,
        )
        self.expected: dict[str, str] = {}

    def read(self, argv: Sequence[str]) -> argparse.Namespace:
        """The arguments by name; what nobody knows is refused with the nearest option there is."""
        self.add_argument(
            "--version",
            action="version",
            version=f"{self.prog} {__version__}",
            help="show the version",
        )
        self.add_argument("-h", "--help", action="help", help="show this help")
        try:
            given, left_over = self.parse_known_intermixed_args(argv)
        except argparse.ArgumentError as error:
            name = str(error.argument_name)
            if name not in self.expected:
                raise UsageError(f"{name} takes no value.") from None
            raise UsageError(f"{name} needs a value: give {self.expected[name]}.") from None
        for argument in left_over:
            self._refuse(argument)
        return given

    def _refuse(self, argument: str) -> NoReturn:
        if not argument.startswith("-"):
            raise UsageError(f"There is an argument too many: {argument!r}.")
        # The value is not repeated: it may be what the user did not want to show.
        name = argument.partition("=")[0]
        near = get_close_matches(name, list(self._option_string_actions), n=1)
        raise UsageError(f"There is no option {name}{f'; is {near[0]} meant?' if near else '.'}")

    def error(self, message: str) -> NoReturn:
        """Raise what argparse would print and exit with."""
        raise UsageError(f"{message[:1].upper()}{message[1:]}.")


def say(prog: str, sentence: str) -> None:
    """Print one line to standard error."""
    print(f"{prog}: {sentence}", file=sys.stderr)


def sentence_of(error: PhfsError) -> str:
    """Why, and what to do."""
    return f"{error.why} {error.advice}".strip()
