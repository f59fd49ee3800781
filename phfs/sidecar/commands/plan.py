"""``phfs-sidecar plan DOC``: what would be done, and why; nothing is."""

from __future__ import annotations

import argparse
import json

from phfs.commandline import Command, Parser
from phfs.sidecar.commands.given import add_document, document_of


def _add_options(parser: Parser) -> None:
    add_document(parser)
    parser.add_argument("--json", action="store_true", help="for programs")


def _run(given: argparse.Namespace) -> int:
    document = document_of(given.document)
    from phfs.sidecar import report
    from phfs.sidecar.plan import plan

    found = plan(document)
    if given.json:
        print(json.dumps(report.as_json(found), indent=2))
    else:
        print(report.as_text(found), end="")
    return 0


COMMAND = Command(
    "plan",
    "Show each volume with its reason, and the steps; nothing is done.",
    _add_options,
    _run,
)
