"""``phfs-sidecar artifacts -- COMMAND``: runs a job's command and keeps its artifacts."""

from __future__ import annotations

import argparse
from pathlib import Path

from phfs.commandline import Command, Parser, UsageError
from phfs.errors import ConfigError


def _add_options(parser: Parser) -> None:
    parser.takes_command = True
    parser.expected["--install"] = "the path of a directory"
    parser.add_argument(
        "--install",
        type=Path,
        metavar="DIR",
        help="only put the program that does it, phfs-artifacts, there, for images without PHFS",
    )


def _run(given: argparse.Namespace) -> int:
    from phfs.sidecar import artifacts

    if (given.install is None) == (not given.command):
        raise UsageError(
            "Give a command after --, as in phfs-sidecar artifacts -- python train.py."
        )
    if given.install is None:
        artifacts.become(given.command)
    try:
        print(artifacts.install(given.install))
    except OSError as error:
        raise ConfigError(
            f"{artifacts.SCRIPT.name} cannot be put into {given.install}: {error.strerror}.",
            "Name a directory that can be written.",
        ) from None
    return 0


COMMAND = Command(
    "artifacts",
    "Run a job's command, then keep its ./artifacts: phfs-sidecar artifacts -- COMMAND.",
    _add_options,
    _run,
)
