"""How commands show files: sizes, times, names, and one JSON document.

Owns what goes to standard output and in which form. Never asks a store. Called by ``commands`` that
look at a group's files.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from datetime import UTC, datetime
from types import TracebackType
from typing import TYPE_CHECKING

from phfs.commandline import Parser
from phfs.core.names import printable
from phfs.core.sizes import size
from phfs.files.paths import Remote

if TYPE_CHECKING:
    from phfs.files.looking import Entry

SIZE_WIDTH = 14
"""Columns of a size: a listing is printed as it comes, before its longest is known."""

PATHS = "Paths are from the group's root: data/a.csv, /data/a.csv or phfs:///data/a.csv."
"""At the end of a command's help."""

NONE = "-"
"""Stands for a size or a time that something has not got."""


def add_sizes(parser: Parser) -> None:
    """Add ``--human`` and ``--bytes``."""
    parser.add_argument(
        "-h", "--human", action="store_true", help="sizes as in 1.5 MiB (default on a terminal)"
    )
    parser.add_argument(
        "--bytes", action="store_true", help="sizes in bytes (default where no terminal is)"
    )


def add_json(parser: Parser) -> None:
    """Add ``--json``."""
    parser.add_argument("--json", action="store_true", help="print one JSON document")


def is_human(*, human: bool, in_bytes: bool) -> bool:
    """Whether sizes are for people: as asked for, else where a person looks."""
    return human or (not in_bytes and sys.stdout.isatty())


def size_of(count: int, *, human: bool) -> str:
    """A number of bytes; for people with its unit."""
    return size(count) if human else str(count)


def time_of(epoch: int) -> str:
    """A time in this machine's zone, to the second."""
    return datetime.fromtimestamp(epoch).isoformat(" ", "seconds")


def zoned(epoch: int) -> str:
    """As ``time_of``, with the zone, for who passes it on to somebody elsewhere."""
    return datetime.fromtimestamp(epoch).astimezone().isoformat(" ", "seconds")


def utc(epoch: int) -> str:
    """A time as RFC 3339 has it."""
    return datetime.fromtimestamp(epoch, UTC).isoformat(timespec="seconds").replace("+00:00", "Z")


def name_of(text: str) -> str:
    """A name as it is printed: raw for programs, without what a terminal would obey for people."""
    return printable(text) if sys.stdout.isatty() else text


def counted(number: int, noun: str) -> str:
    """``1 object``, ``1,234 objects``."""
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def values_of(entry: Entry) -> dict[str, object]:
    """An entry as JSON has it everywhere."""
    values: dict[str, object] = {
        "name": entry.name,
        "path": f"/{entry.path}",
        "uri": str(Remote(entry.path)),
        "type": "directory" if entry.is_dir else "file",
        "size": None,
        "modified": None,
        "etag": None,
    }
    if not entry.is_dir:
        values |= {"size": entry.size, "modified": utc(entry.modified), "etag": entry.etag}
    return values


def print_json(value: object) -> None:
    """Print a whole document."""
    print(_json(value, indent=2))


class JsonList:
    """A document that is a list, printed element by element. After an error, or if it is ``torn``
    because the elements of one thing broke off, it stays open, so that nobody takes a part for the
    whole."""

    def __init__(self) -> None:
        self.length = 0
        self.torn = False

    def __enter__(self) -> JsonList:
        print("[", end="")
        return self

    def add(self, value: Mapping[str, object]) -> None:
        """Print one element."""
        print(",\n" if self.length else "\n", _json(value), sep="", end="")
        self.length += 1

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if kind is None and not self.torn:
            print("\n]" if self.length else "]")


def _json(value: object, indent: int | None = None) -> str:
    """JSON in which what a terminal would obey is escaped."""
    text = json.dumps(value, indent=indent, ensure_ascii=False)
    if text.isprintable():
        return text
    return "".join(
        sign if sign.isprintable() or sign == "\n" else json.dumps(sign)[1:-1] for sign in text
    )
