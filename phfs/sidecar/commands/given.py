"""The document that a subcommand is given: a file, or ``-`` for standard input.

Used by the subcommands that take one.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

from phfs.commandline import Parser, UsageError
from phfs.errors import ConfigError

if TYPE_CHECKING:
    from phfs.sidecar.document import Document


def add_document(parser: Parser) -> None:
    """The argument DOC."""
    parser.add_argument(
        "document", nargs="?", metavar="DOC", help="the document (YAML); - is standard input"
    )


def document_of(argument: str | None) -> Document:
    """The checked document. Raises ``UsageError``, ``ConfigError`` and its ``DocumentError``."""
    if argument is None:
        raise UsageError("DOC is missing: give the path of a document, or - for standard input.")
    name = name_of(argument)
    try:
        from phfs.sidecar import document
    except ImportError as error:
        raise ConfigError(
            f"phfs-sidecar needs more than is installed ({error}).",
            "Install it with pip install 'phfs[sidecar]'.",
        ) from None
    return document.load(bytes_of(argument), name)


def bytes_of(argument: str) -> bytes:
    """What is in the file, or in standard input; no more than is looked at. Raises
    ``ConfigError``."""
    from phfs.sidecar import reading

    try:
        if argument == "-":
            return sys.stdin.buffer.read(reading.MAX_BYTES + 1)
        with Path(argument).open("rb") as file:
            return file.read(reading.MAX_BYTES + 1)
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise ConfigError(
            f"The document {name_of(argument)} cannot be read: {reason}.",
            "Give the path of a file.",
        ) from None


def name_of(argument: str) -> str:
    """What the document is called in messages."""
    return "standard input" if argument == "-" else argument
