"""What all commands have in common: a parser that refuses in one sentence, families of subcommands.

Knows no subcommand. Used by ``phfs-mount`` (the parser alone), ``phfs`` and ``phfs-sidecar``.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Sequence
from difflib import get_close_matches
from typing import Any, NamedTuple, NoReturn

from phfs import __version__
from phfs.errors import ConfigError, DocumentError, PhfsError


class UsageError(Exception):
    """The command line itself is wrong; the text is one sentence."""


class Parser(argparse.ArgumentParser):
    """``argparse`` without abbreviations, raising ``UsageError`` where it would print and exit.

    ``expected`` says, by option as it is written, what to give where a value is missing or wrong.
    ``takes_command``: what follows a ``--`` is a command line of its own, in the arguments'
    ``command`` as it was given.
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
        self.takes_command = False

    def read(self, argv: Sequence[str]) -> argparse.Namespace:
        """The arguments by name; what nobody knows is refused with the nearest option there is."""
        self.add_argument(
            "--version",
            action="version",
            version=f"{self.prog} {__version__}",
            help="show the version",
        )
        self.add_argument("-h", "--help", action="help", help="show this help")
        own = list(argv)
        cut = own.index("--") if self.takes_command and "--" in own else len(own)
        try:
            given, left_over = self.parse_known_intermixed_args(own[:cut])
        except argparse.ArgumentError as error:
            name = str(error.argument_name)
            if name not in self.expected:
                raise UsageError(f"{name} takes no value.") from None
            raise UsageError(f"{name} needs a value: give {self.expected[name]}.") from None
        for argument in left_over:
            self._refuse(argument)
        given.command = own[cut + 1 :]
        return given

    def _get_value(self, action: argparse.Action, arg_string: str) -> Any:
        try:
            return super()._get_value(action, arg_string)
        except argparse.ArgumentError:
            raise self._wrong(action, arg_string) from None

    def _check_value(self, action: argparse.Action, value: Any) -> None:
        try:
            super()._check_value(action, value)
        except argparse.ArgumentError:
            raise self._wrong(action, str(value)) from None

    def _wrong(self, action: argparse.Action, text: str) -> UsageError:
        name = "/".join(action.option_strings) or str(action.metavar or action.dest)
        # A value with an @ may be a URL with a password in it.
        given = f"The value of {name}" if "@" in text else f"{name} {text!r}"
        return UsageError(f"{given} is wrong: give {self.expected.get(name, 'another value')}.")

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


class Command(NamedTuple):
    """A subcommand: ``add_options`` tells a parser what it takes; ``run`` does it and returns the
    exit code.

    ``run`` imports what is heavy itself, so that the other subcommands start fast.
    """

    name: str
    help: str
    add_options: Callable[[Parser], None]
    run: Callable[[argparse.Namespace], int]


class Family(NamedTuple):
    """A command made of subcommands."""

    prog: str
    description: str
    commands: tuple[Command, ...]

    def main(self, argv: Sequence[str] | None = None) -> int:
        """Run the subcommand that ``argv`` (default: the process's) begins with.

        Returns its exit code; 2 if there is no such one or it is called wrongly, 1 if it failed.
        """
        words = list(sys.argv[1:] if argv is None else argv)
        try:
            return self._run(words)
        except UsageError as error:
            say(self.prog, f"{error} See {self.prog} --help.")
            return 2
        except DocumentError as error:
            for sentence in (sentence_of(error), *error.problems):
                say(self.prog, sentence)
            return 2
        except ConfigError as error:
            say(self.prog, sentence_of(error))
            return 2
        except PhfsError as error:
            say(self.prog, sentence_of(error))
            return 1

    def _run(self, words: Sequence[str]) -> int:
        named = next((word for word in words[:1] if not word.startswith("-")), None)
        command = next((command for command in self.commands if command.name == named), None)
        if command is None:
            self._parser(named).read(words)
            raise UsageError("No command is given.")
        parser = Parser(f"{self.prog} {command.name}", command.help)
        command.add_options(parser)
        return command.run(parser.read(words[1:]))

    def _parser(self, named: str | None) -> Parser:
        if named is not None:
            near = get_close_matches(named, [command.name for command in self.commands], n=1)
            hint = f"; is {near[0]} meant?" if near else "."
            raise UsageError(f"There is no command {named!r}{hint}")
        lines = [f"  {command.name:<10} {command.help}" for command in self.commands]
        epilog = "\n".join(["commands:", *lines])
        return Parser(self.prog, self.description, epilog, f"{self.prog} COMMAND [OPTION]...")
