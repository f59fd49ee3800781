"""The command ``phfs``: a family of subcommands, each a module of ``phfs.cli.commands``.

Exit codes: those of the subcommand; 2 if there is no such one.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from difflib import get_close_matches

from phfs.cli.commands import COMMANDS
from phfs.cli.parser import Parser, UsageError, say, sentence_of
from phfs.errors import ConfigError, PhfsError

PROG = "phfs"


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command with ``argv`` (default: the process's) and return its exit code."""
    words = list(sys.argv[1:] if argv is None else argv)
    try:
        return _run(words)
    except UsageError as error:
        say(PROG, f"{error} See {PROG} --help.")
        return 2
    except ConfigError as error:
        say(PROG, sentence_of(error))
        return 2
    except PhfsError as error:
        say(PROG, sentence_of(error))
        return 1


def _run(words: Sequence[str]) -> int:
    named = next((word for word in words[:1] if not word.startswith("-")), None)
    command = next((command for command in COMMANDS if command.name == named), None)
    if command is None:
        _family_parser(named).read(words)
        raise UsageError("No command is given.")
    parser = Parser(f"{PROG} {command.name}", command.help)
    command.add_options(parser)
    return command.run(parser.read(words[1:]))


def _family_parser(named: str | None) -> Parser:
    if named is not None:
        near = get_close_matches(named, [command.name for command in COMMANDS], n=1)
        hint = f"; is {near[0]} meant?" if near else "."
        raise UsageError(f"There is no command {named!r}{hint}")
    lines = [f"  {command.name:<10} {command.help}" for command in COMMANDS]
    return Parser(
        PROG,
        "Tools beside phfs-mount, which shows a bucket's objects as a directory.",
        "\n".join(["commands:", *lines]),
        f"{PROG} COMMAND [OPTION]...",
    )


if __name__ == "__main__":
    sys.exit(main())
