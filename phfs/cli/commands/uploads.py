"""``phfs uploads list|abort BUCKET --group G``: multipart uploads that nobody has ended.

A mount ends its own, and those of a process that died at its next start. What is left is of mounts
that never came back, of other programs, or was begun in the moment of a crash.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import time
from contextlib import closing
from datetime import datetime
from typing import TYPE_CHECKING

from phfs.cli.shared import add_shared, shared_files, shared_texts
from phfs.commandline import Command, Parser, UsageError, say
from phfs.config import load
from phfs.core.names import printable
from phfs.errors import ConfigError, StoreError

if TYPE_CHECKING:
    from phfs.uploads import Unended

PROG = "phfs uploads"

_SHARED = (
    "bucket", "group", "prefix", "endpoint_url", "region", "profile", "path_style", "ca_bundle",
    "credentials_file", "timeout", "state_dir",
)  # fmt: skip
"""Options that mean the same as for a mount."""

_DAY = 86_400.0


def _add_options(parser: Parser) -> None:
    parser.add_argument("action", nargs="?", metavar="list|abort", help="show them, or end them")
    add_shared(parser, _SHARED)
    parser.add_argument(
        "named", nargs="*", metavar="KEY|ID", help="which to abort: all of a key, or one by its id"
    )
    parser.add_argument(
        "--all", action="store_true", help="abort all but those a mount of this machine writes"
    )
    parser.expected["--older-than"] = "a number of days, as in 0.5"
    parser.add_argument(
        "--older-than",
        type=_days,
        default=1.0,
        metavar="DAYS",
        help="leave out what was begun later, unless it is named (default: 1)",
    )
    parser.add_argument("--json", action="store_true", help="print them as JSON")


def _days(text: str) -> float:
    number = float(text)
    if not (math.isfinite(number) and number >= 0):
        raise ValueError(text)
    return number


def _run(given: argparse.Namespace) -> int:
    if given.action not in ("list", "abort"):
        raise UsageError("Neither list nor abort is given, as in phfs uploads list my-bucket.")
    if given.action == "list" and (given.named or given.all):
        raise UsageError("list shows all there are: leave KEY, ID and --all to abort.")
    if given.action == "abort" and bool(given.named) == given.all:
        raise UsageError("Say which uploads are to be aborted: by KEY or ID, or --all.")
    texts = {**shared_texts(given, _SHARED), "mountpoint": "/"}
    config = load(texts, os.environ, shared_files(given))
    try:
        from phfs.uploads import Uploads
    except ImportError as error:
        raise ConfigError(f"PHFS is not installed completely ({error}).") from None
    with closing(Uploads(config)) as uploads:
        found = uploads.find()
        if found.remark:
            say(PROG, found.remark)
        chosen = _chosen(given, found.uploads, config.prefix)
        failed = 0
        if given.action == "abort":
            done = []
            for one in chosen:
                try:
                    uploads.abort(one)
                    done.append(one)
                except StoreError as error:
                    failed += 1
                    say(PROG, f"{printable(one.key)} {one.upload} stays: {error.why}")
            chosen = done
    print(_as_json(chosen) if given.json else _as_table(chosen, given.action), end="")
    return 1 if failed else 0


def _chosen(given: argparse.Namespace, found: list[Unended], prefix: str) -> list[Unended]:
    if not given.named:
        latest = time.time() - given.older_than * _DAY
        old = [one for one in found if one.begun <= latest]
        return old if given.action == "list" else [one for one in old if not one.living]
    chosen = []
    for name in given.named:
        fitting = [one for one in found if name in (one.upload, one.key, one.key[len(prefix) :])]
        if not fitting:
            raise ConfigError(
                f"There is no upload {name!r}: phfs uploads list shows all there are."
            )
        chosen += fitting
    return list(dict.fromkeys(chosen))


def _as_json(uploads: list[Unended]) -> str:
    values = [{**one._asdict(), "begun": _when(one)} for one in uploads]
    return json.dumps(values, indent=2, ensure_ascii=False) + "\n"


def _as_table(uploads: list[Unended], action: str) -> str:
    if not uploads:
        return "No upload was aborted.\n" if action == "abort" else "There are no such uploads.\n"
    head = "ABORTED" if action == "abort" else "BEGUN"
    rows = [(head, "STATE", "KEY", "ID")]
    rows += [
        (_when(one), "under way" if one.living else "left", printable(one.key), one.upload)
        for one in uploads
    ]
    widths = [max(len(row[column]) for row in rows) for column in range(3)]
    lines = []
    for row in rows:
        padded = [text.ljust(width) for text, width in zip(row, widths, strict=False)]
        lines.append("  ".join([*padded, row[3]]))
    return "\n".join(lines) + "\n"


def _when(one: Unended) -> str:
    return datetime.fromtimestamp(one.begun).astimezone().isoformat(timespec="seconds")


COMMAND = Command(
    "uploads", "List or abort multipart uploads that nobody has ended.", _add_options, _run
)
