"""Options of a subcommand that mean the same as for a mount, from the one table of options.

Owns how they are added to a parser and read back, and which of them say where a group's files are.
Defines none. A mount's ``@NAME`` stands for what a configuration file says of it. Called by
``commands``.
"""

from __future__ import annotations

import argparse
import os
from collections.abc import Sequence
from typing import Any

from phfs.cli.arguments import CONFIG_HELP
from phfs.commandline import Parser
from phfs.config import Files, MountConfig, find, kinds, load, read, unknown_variables
from phfs.config.load import KEYS, SECRETS, gather
from phfs.config.mount import BY_NAME, OPTIONS
from phfs.config.option import flag, option_of
from phfs.errors import ConfigError

_PLACE = (
    "bucket", "group", "prefix", "endpoint_url", "region", "profile", "path_style", "ca_bundle",
    "credentials_file", "timeout", "retry_deadline", "state_dir",
)  # fmt: skip
"""Where a group's files are, for a command without a mount."""

_OF_NEW_OBJECTS = ("part_size", "storage_class", "sse", "sse_kms_key")


def add_config(parser: Parser) -> None:
    """Add ``--config`` and ``@NAME``, and tell of variables that mean nothing."""
    parser.takes_name = True
    parser.remarks = lambda: unknown_variables(os.environ)
    parser.expected["--config"] = "the path of a file"
    parser.add_argument("--config", metavar="FILE", help=CONFIG_HELP)


def add_shared(parser: Parser, names: Sequence[str]) -> None:
    """Add the options of these names, in the order of the table, and ``--config``.

    With ``@NAME`` on the command line, the bucket is no argument.
    """
    add_config(parser)
    for row in OPTIONS:
        if row.name not in names:
            continue
        option = option_of(row)
        if option.positional:
            if parser.mount_name is None:
                metavar, help_text = option.kind.metavar, f"{option.help}, or @NAME of a mount"
                parser.add_argument(row.name, nargs="?", metavar=metavar, help=help_text)
            continue
        parser.expected[flag(row)] = option.kind.expected
        parser.add_argument(flag(row), dest=row.name, metavar=option.kind.metavar, help=option.help)


def shared_texts(given: argparse.Namespace, names: Sequence[str]) -> dict[str, str]:
    """What the command line says of them, unchecked."""
    texts = {name: getattr(given, name, None) for name in names}
    return {name: text for name, text in texts.items() if text is not None}


def shared_files(given: argparse.Namespace) -> Files:
    """What the configuration files say for it. Raises ``ConfigError``."""
    return find(os.environ, given.config, given.mount_name)


def shared_values(given: argparse.Namespace, names: Sequence[str]) -> dict[str, Any]:
    """Their values and the keys', wherever they are given. Raises ``ConfigError``."""
    rows = [row for row in OPTIONS if row.name in (*names, *SECRETS)]
    return read(rows, shared_texts(given, names), os.environ, shared_files(given))


def administrators_values(
    given: argparse.Namespace, names: Sequence[str]
) -> tuple[dict[str, Any], bool]:
    """As ``shared_values``, without the keys of the mount that ``@NAME`` chooses, which are a
    group's; and whether there are such, and no others. Raises ``ConfigError``."""
    texts, files = shared_texts(given, names), shared_files(given)
    values = read([BY_NAME[name] for name in names if name not in KEYS], texts, os.environ, files)
    rows = [BY_NAME[name] for name in KEYS]
    keys = read(rows, texts, os.environ, files._replace(part=()))
    groups = gather(rows, {}, {}, Files(part=files.part))
    return values | keys, bool(groups) and not keys


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
    # An empty prefix is one: that of a whole bucket.
    texts = shared_texts(given, (*_PLACE, *_OF_NEW_OBJECTS))
    files = shared_files(given)
    if not gather([BY_NAME["bucket"]], texts, os.environ, files):
        raise ConfigError(
            "Neither --bucket nor PHFS_BUCKET is given, and no mount's @NAME: say which bucket "
            "holds the files, as in --bucket my-bucket --group my-group."
        )
    return load({**texts, "mountpoint": "/"}, os.environ, files)
