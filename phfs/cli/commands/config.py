"""``phfs config [@NAME]``: what each option of a mount is, and where that was said.

Shows what variables and configuration files say; keys are never shown. Looks at no store.
"""

from __future__ import annotations

import argparse
import json
import os
from collections.abc import Iterable
from dataclasses import MISSING
from typing import NamedTuple

from phfs.cli.shared import add_config
from phfs.commandline import Command, Parser
from phfs.config import Files, MountConfig, find, load
from phfs.config.document import example
from phfs.config.files import names
from phfs.config.load import gather, value_of
from phfs.config.mount import OPTIONS
from phfs.config.option import Row, option_of
from phfs.config.sources import Given


class _Shown(NamedTuple):
    name: str
    value: str | None
    """None for a default that is no value."""
    source: str
    words: str
    """The value, or what the default is, for people."""


def _add_options(parser: Parser) -> None:
    parser.usage = "phfs config [@NAME] [OPTION]..."
    add_config(parser)
    parser.add_argument("--json", action="store_true", help="print it as JSON")
    parser.add_argument(
        "--example", action="store_true", help="print a file with every option, commented out"
    )


def _run(given: argparse.Namespace) -> int:
    if given.example:
        print(example(), end="")
        return 0
    files = find(os.environ, given.config, given.mount_name)
    found = gather(OPTIONS, {}, os.environ, files)
    complete = {"bucket", "mountpoint"} <= set(found) and {"group", "prefix"} & set(found)
    # What is complete is judged as a whole, and some defaults follow from the rest.
    config = load({}, os.environ, files) if complete else None
    shown = [_shown(row, found.get(row.name), config) for row in OPTIONS]
    mounts = names(os.environ, given.config)
    print(_as_json(shown, files, mounts) if given.json else _as_table(shown, files, mounts))
    return 0


def _shown(row: Row, given: Given | None, config: MountConfig | None) -> _Shown:
    about = option_of(row)
    if given is not None:
        value = value_of(row, given)
        text = "set" if about.secret else about.kind.show(value)
        return _Shown(row.name, text, given.where or given.name, text)
    value = getattr(config, row.name) if config is not None else _default(row)
    if value is None:
        return _Shown(row.name, None, "default", about.default_text or "-")
    text = about.kind.show(value)
    return _Shown(row.name, text, "default", text)


def _default(row: Row) -> object:
    if row.default_factory is not MISSING:
        return row.default_factory()
    return None if row.default is MISSING else row.default


def _as_json(shown: Iterable[_Shown], files: Files, mounts: list[str]) -> str:
    document = {
        "mount": files.name,
        "files": [str(path) for path in files.paths],
        "mounts": mounts,
        "options": {one.name: {"value": one.value, "from": one.source} for one in shown},
    }
    return json.dumps(document, indent=2, ensure_ascii=False)


def _as_table(shown: Iterable[_Shown], files: Files, mounts: list[str]) -> str:
    rows = [("OPTION", "VALUE", "FROM"), *((one.name, one.words, one.source) for one in shown)]
    first = max(len(row[0]) for row in rows)
    second = max(len(row[1]) for row in rows)
    lines = [f"{name:<{first}}  {value:<{second}}  {source}" for name, value, source in rows]
    lines += ["", f"Files read: {', '.join(map(str, files.paths)) or 'none'}"]
    lines.append(f"Named mounts: {', '.join('@' + name for name in mounts) or 'none'}")
    return "\n".join(line.rstrip() for line in lines)


COMMAND = Command(
    "config", "Show what each option of a mount is, and where that was said.", _add_options, _run
)
