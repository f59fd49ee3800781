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

_NO_OPTION = "\0"
"""Put before what stands behind ``--``, so that argparse takes no ``-x`` there for an option; no
argument of a process can have it in it."""


class UsageError(Exception):
    """The command line itself is wrong; the text is one sentence."""


class Parser(argparse.ArgumentParser):
    """``argparse`` without abbreviations, raising ``UsageError`` where it would print and exit.

    ``expected`` says, by option as it is written, what to give where a value is missing or wrong.
    ``takes_command``: what follows a ``--`` is a command line of its own, in the arguments'
    ``command`` as it was given. ``mount_name``: the mount of a configuration file that an argument
    ``@NAME`` chooses, which ``take_name`` has taken out of the command line; refused unless
    ``takes_name``. ``remarks``: sentences to be said once the arguments are read.
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
        self.mount_name: str | None = None
        self.takes_name = False
        self.remarks: Callable[[], Sequence[str]] = tuple

    def read(self, argv: Sequence[str]) -> argparse.Namespace:
        """The arguments by name; what nobody knows is refused with the nearest option there is."""
        self.add_argument(
            "--version",
            action="version",
            version=f"{self.prog} {__version__}",
            help="show the version",
        )
        # Where -h has another meaning, as in ls and du, help is --help alone.
        names = [name for name in ("-h", "--help") if name not in self._option_string_actions]
        self.add_argument(*names, action="help", help="show this help")
        own = list(argv)
        cut = own.index("--") if "--" in own else len(own)
        behind = own[cut + 1 :]
        words = own[:cut] + ([] if self.takes_command else [_NO_OPTION + word for word in behind])
        try:
            given, left_over = self.parse_known_intermixed_args(words)
        except argparse.ArgumentError as error:
            name = str(error.argument_name)
            if name not in self.expected:
                raise UsageError(f"{name} takes no value.") from None
            raise UsageError(f"{name} needs a value: give {self.expected[name]}.") from None
        for argument in left_over:
            self._refuse(argument.removeprefix(_NO_OPTION))
        if self.mount_name is not None and not self.takes_name:
            self._refuse(f"@{self.mount_name}")
        for sentence in self.remarks():
            say(self.prog, f"warning: {sentence}")
        given.mount_name = self.mount_name
        given.command = behind
        return given

    def _get_value(self, action: argparse.Action, arg_string: str) -> Any:
        try:
            return super()._get_value(action, arg_string.removeprefix(_NO_OPTION))
        except argparse.ArgumentError:
            raise self._wrong(action, arg_string.removeprefix(_NO_OPTION)) from None

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
        raise UsageError(
            f"There is no option {_shown(name)}{f'; is {near[0]} meant?' if near else '.'}"
        )

    def error(self, message: str) -> NoReturn:
        """Raise what argparse would print and exit with."""
        raise UsageError(f"{message[:1].upper()}{message[1:]}.")


def take_name(argv: Sequence[str]) -> tuple[str | None, list[str]]:
    """The name in the argument ``@NAME``, if there is one before ``--``, and the other arguments.

    Raises ``UsageError`` if there are two, or if it is empty.
    """
    words = list(argv)
    end = words.index("--") if "--" in words else len(words)
    places = [place for place in range(end) if words[place].startswith("@")]
    if len(places) > 1:
        first, second = (words[place] for place in places[:2])
        raise UsageError(
            f"{_shown(first)} and {_shown(second)} are both given: give one mount's name."
        )
    if not places:
        return None, words
    name = words.pop(places[0])[1:]
    if not name:
        raise UsageError("@ is given without a mount's name, as in @research.")
    return name, words


def _shown(word: str) -> str:
    """A word of the command line, without what a terminal would obey."""
    return word if word.isprintable() else repr(word)


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
    commands: tuple[Command | Family, ...]

    @property
    def name(self) -> str:
        """How it is called in a family it is part of."""
        return self.prog.rpartition(" ")[2]

    @property
    def help(self) -> str:
        """What it is, in the help of that family."""
        return self.description

    def main(self, argv: Sequence[str] | None = None) -> int:
        """Run the subcommand that ``argv`` (default: the process's) begins with.

        Returns its exit code; 2 if there is no such one or it is called wrongly, 1 if it failed.
        """
        words = list(sys.argv[1:] if argv is None else argv)
        try:
            return self._run(words)
        except UsageError as error:
            say(self.prog, f"{error} See {self._asked(words)} --help.")
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

    def _asked(self, words: Sequence[str]) -> str:
        """What was called, as the help is asked for."""
        command = self._command(words)
        return self.prog if command is None else f"{self.prog} {command.name}"

    def _command(self, words: Sequence[str]) -> Command | Family | None:
        return next((command for command in self.commands if [command.name] == words[:1]), None)

    def _run(self, words: Sequence[str]) -> int:
        named = next((word for word in words[:1] if not word.startswith("-")), None)
        command = self._command(words)
        if command is None:
            self._parser(named).read(words)
            raise UsageError("No command is given.")
        if isinstance(command, Family):
            return command.main(words[1:])
        parser = Parser(f"{self.prog} {command.name}", command.help)
        parser.mount_name, others = take_name(words[1:])
        command.add_options(parser)
        return command.run(parser.read(others))

    def _parser(self, named: str | None) -> Parser:
        if named is not None:
            near = get_close_matches(named, [command.name for command in self.commands], n=1)
            hint = f"; is {near[0]} meant?" if near else "."
            raise UsageError(f"There is no command {named!r}{hint}")
        width = max(10, *(len(command.name) for command in self.commands))
        lines = [f"  {command.name:<{width}} {command.help}" for command in self.commands]
        epilog = "\n".join(["commands:", *lines])
        return Parser(self.prog, self.description, epilog, f"{self.prog} COMMAND [OPTION]...")
