"""Options of a subcommand that mean the same as for a mount, from the one table of options.

Owns how they are added to a parser and read back, and which of them say where a group's files are.
Defines none. Called by ``commands``.
"""

from __future__ import annotations

import argparse
import os
from collections.abc import Sequence
from typing import Any

from phfs.commandline import Parser
from phfs.config import MountConfig, kinds, load, read
from phfs.config.mount import OPTIONS, flag, option_of
from phfs.errors import ConfigError

_PLACE = (
    "bucket", "group", "prefix", "endpoint_url", "region", "profile", "path_style", "ca_bundle",
    "credentials_file", "timeout", "retry_deadline", "state_dir",
)  # fmt: skip
"""Where a group's files are, for a command without a mount."""

_OF_NEW_OBJECTS = ("part_size", "storage_class", "sse", "sse_kms_key")

_BY_NAME = {*_PLACE, *_OF_NEW_OBJECTS}

_KEYS = ("access_key_id", "secret_access_key", "session_token")
"""Variables only: they are on no command line."""


def add_shared(parser: Parser, names: Sequence[str]) -> None:
    """Add the options of these names, in the order of the table."""
    for row in OPTIONS:
        if row.name not in names:
            continue
        option = option_of(row)
        if option.positional:
            metavar = option.kind.metavar
            parser.add_argument(row.name, nargs="?", metavar=metavar, help=option.help)
            continue
        parser.expected[flag(row)] = option.kind.expected
        parser.add_argument(flag(row), dest=row.name, metavar=option.kind.metavar, help=option.help)


def shared_texts(given: argparse.Namespace, names: Sequence[str]) -> dict[str, str]:
    """What the command line says of them, unchecked."""
    return {name: getattr(given, name) for name in names if getattr(given, name) is not None}


def shared_values(given: argparse.Namespace, names: Sequence[str]) -> dict[str, Any]:
    """Their values and the keys', from the command line and variables. Raises ``ConfigError``."""
    rows = [row for row in OPTIONS if row.name in (*names, *_KEYS)]
    return read(rows, shared_texts(given, names), os.environ)


def add_place(parser: Parser, *, writes: bool = False) -> None:
    """Add the options that say where a group's files are; the bucket is one of them, because the
    arguments are paths. ``writes``: also those that say how new objects are made."""
    names = (*_PLACE, *_OF_NEW_OBJECTS) if writes else _PLACE
    add_shared(parser, [name for name in names if name != "bucket"])
    parser.expected["--bucket"] = kinds.BUCKET.expected
    parser.add_argument("--bucket", metavar="BUCKET", help="the bucket's name")


def place_config(given: argparse.Namespace) -> MountConfig:
    """Where the files are, as a mount would be told; its mount point means nothing.

    Raises ``ConfigError``.
    """
    texts = {name: text for name, text in vars(given).items() if name in _BY_NAME and text}
    if "bucket" not in texts and not os.environ.get("PHFS_BUCKET"):
        raise ConfigError(
            "Neither --bucket nor PHFS_BUCKET is given: say which bucket holds the files, as in "
            "--bucket my-bucket --group my-group."
        )
    return load({**texts, "mountpoint": "/"}, os.environ)
