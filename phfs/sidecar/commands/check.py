"""``phfs-sidecar check DOC``: whether a document is right, every wrong field by its path."""

from __future__ import annotations

import argparse

from phfs.commandline import Command, Parser
from phfs.sidecar.commands.given import add_document, document_of, name_of


def _add_options(parser: Parser) -> None:
    add_document(parser)


def _run(given: argparse.Namespace) -> int:
    document = document_of(given.document)
    from phfs.sidecar import report
    from phfs.sidecar.plan import plan

    found = plan(document)
    print(f"{report.printable(name_of(given.document))} is right: {report.summary(found)}.")
    for line in report.wrong(found):
        print(f"  left out, {line}")
    return 0


COMMAND = Command(
    "check",
    "Say whether a document is right.",
    _add_options,
    _run,
)
