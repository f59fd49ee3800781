"""``phfs-sidecar status``: how each volume of a running sidecar is."""

from __future__ import annotations

import argparse

from phfs.commandline import Command, Parser
from phfs.sidecar.commands.run import add_private


def _add_options(parser: Parser) -> None:
    add_private(parser)
    parser.add_argument("--json", action="store_true", help="for programs")


def _run(given: argparse.Namespace) -> int:
    from phfs.sidecar import publishing, state

    said = state.read_running(given.private)
    shown = publishing.as_json if given.json else publishing.text
    print(shown(said.standings), end="")
    return 0


COMMAND = Command(
    "status",
    "Show how each volume is, and why.",
    _add_options,
    _run,
)
