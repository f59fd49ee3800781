"""``phfs completion bash|zsh``: a script by which the shell completes what is typed.

Made from the same parsers that read the command lines, for ``phfs`` and ``phfs-mount``. Names of
mounts are asked for while typing, by ``phfs completion names``.
"""

from __future__ import annotations

import argparse
import os
from collections.abc import Sequence

from phfs.cli import arguments
from phfs.commandline import Command, Family, Parser, UsageError
from phfs.config.files import names

_DIRECTORIES = {"DIR", "MOUNTPOINT"}
_FILES = {"FILE", "PATH"}

_PREAMBLE = {
    "bash": """\
# A name of a mount begins with @, where bash would begin another word.
COMP_WORDBREAKS=${COMP_WORDBREAKS//@/}

_phfs_names_or_files() {
  case "$1" in
    @*) compgen -W "$(phfs completion names 2>/dev/null)" -- "$1" ;;
    *) compgen -f -- "$1" ;;
  esac
}

_phfs_names_or_directories() {
  case "$1" in
    @*) _phfs_names_or_files "$1" ;;
    *) compgen -d -- "$1" ;;
  esac
}

_phfs_names() {
  case "$1" in
    @*) _phfs_names_or_files "$1" ;;
  esac
}
""",
    "zsh": """\
_phfs_names() {
  local -a names
  names=(${(f)"$(phfs completion names 2>/dev/null)"})
  compadd -a names
}

_phfs_names_or_files() {
  _phfs_names
  _files
}

_phfs_names_or_directories() {
  _phfs_names
  _files -/
}
""",
}

_NAMES = dict.fromkeys(_PREAMBLE, "_phfs_names")
_NAMES_OR_FILES = dict.fromkeys(_PREAMBLE, "_phfs_names_or_files")
_NAMES_OR_DIRECTORIES = dict.fromkeys(_PREAMBLE, "_phfs_names_or_directories")


def command_for(others: Sequence[Command | Family]) -> Command:
    """The subcommand, which knows the ``others`` and itself."""
    made = Command(
        "completion",
        "Print a script by which bash or zsh completes command lines.",
        _add_options,
        lambda given: _run(given, sorted((*others, made), key=lambda command: command.name)),
    )
    return made


def script(shell: str, commands: Sequence[Command | Family]) -> str:
    """What ``shell`` has to read, ``bash`` or ``zsh``."""
    import shtab

    tools = argparse.ArgumentParser("phfs", add_help=False)
    _add_commands(tools, commands)
    # A prefix of its own, because a subcommand of phfs may be called mount.
    parts = [(tools, "phfs"), (arguments.parser(), "of_phfs_mount")]
    texts = [
        shtab.complete(_marked(parser), shell, root_prefix=prefix, preamble=_PREAMBLE[shell])
        for parser, prefix in parts
    ]
    return "\n".join(texts)


def _add_options(parser: Parser) -> None:
    parser.expected["bash|zsh"] = "bash or zsh"
    parser.add_argument(
        "shell",
        nargs="?",
        choices=("bash", "zsh", "names"),
        metavar="bash|zsh",
        help='for bash: eval "$(phfs completion bash)" in ~/.bashrc; for zsh the same in ~/.zshrc',
    )


def _run(given: argparse.Namespace, commands: Sequence[Command | Family]) -> int:
    if given.shell is None:
        raise UsageError("Neither bash nor zsh is given, as in phfs completion bash.")
    if given.shell == "names":
        print("\n".join(f"@{name}" for name in names(os.environ)))
    else:
        print(script(given.shell, commands))
    return 0


class _Of(Parser):
    """A subcommand's, as ``argparse`` makes it."""

    def __init__(self, *, prog: str) -> None:
        super().__init__(prog, "")


def _add_commands(parser: argparse.ArgumentParser, commands: Sequence[Command | Family]) -> None:
    below = parser.add_subparsers(parser_class=_Of)
    for command in commands:
        sub = below.add_parser(command.name, help=command.help.rstrip("."))
        if isinstance(command, Family):
            _add_commands(sub, command.commands)
        else:
            command.add_options(sub)
        _marked(sub)


def _marked(parser: argparse.ArgumentParser) -> argparse.ArgumentParser:
    """Say of each argument what may stand there, by the word that stands for it in the help."""
    import shtab

    _add_common(parser)
    takes_name = isinstance(parser, Parser) and parser.takes_name
    if takes_name and all(action.option_strings for action in parser._actions):
        parser.add_argument("name", nargs="?", metavar="@NAME")
    for action in parser._actions:
        metavar = str(action.metavar or "")
        if isinstance(action, argparse._SubParsersAction):
            continue
        if "|" in metavar and metavar.replace("|", "").isalnum():
            action.choices = metavar.split("|")
        elif metavar == "@NAME":
            action.complete = _NAMES  # type: ignore[attr-defined]
        elif takes_name and not action.option_strings and metavar in _DIRECTORIES:
            action.complete = _NAMES_OR_DIRECTORIES  # type: ignore[attr-defined]
        elif takes_name and not action.option_strings:
            action.complete = _NAMES_OR_FILES  # type: ignore[attr-defined]
        elif metavar in _DIRECTORIES:
            action.complete = shtab.DIRECTORY  # type: ignore[attr-defined]
        elif metavar in _FILES:
            action.complete = shtab.FILE  # type: ignore[attr-defined]
        elif not action.option_strings:
            action.complete = _NAMES_OR_FILES  # type: ignore[attr-defined]
    return parser


def _add_common(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--version", action="version", version="", help="show the version")
    parser.add_argument("--help", action="help", help="show this help")
