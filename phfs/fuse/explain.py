"""The directory in which the mount explains itself: ``.phfs`` at the root, in no listing.

Owns its files, made when they are opened from what is in memory, so that they can be read
while the store is down. Never asks the store and never shows a secret: it shows what ``status``
gives. Called by ``operations``, which leaves to it every name and number that is its own.
"""

# ruff: noqa: ARG002 - the arguments are those of every Volume
from __future__ import annotations

import itertools
import json
from collections.abc import AsyncGenerator, Callable, Iterator, Mapping
from contextlib import suppress
from typing import NamedTuple, NoReturn

from phfs.core.inodes import ROOT
from phfs.core.names import EXPLANATIONS
from phfs.core.sizes import size
from phfs.errors import (
    BadHandle,
    ConfigError,
    IsDirectory,
    NotDirectory,
    NotFound,
    NotPermitted,
    Stale,
)
from phfs.fuse.counts import Counts
from phfs.fuse.failures import Failures
from phfs.fuse.shown import ShownFile
from phfs.fuse.volume import RESERVED
from phfs.vfs.values import Entry, Opened, OpenFlags, Stat

DIRECTORY = RESERVED
"""The inode of ``.phfs``, and the handle of every pass over it; its files follow."""


class _Document(NamedTuple):
    name: str
    ino: int
    render: Callable[[], bytes]
    changed: Callable[[], float]


class Explanations:
    """A ``Volume`` of read-only documents."""

    def __init__(
        self,
        failures: Failures,
        counts: Counts,
        status: Callable[[], Mapping[str, object]],
        shown: ShownFile | None = None,
    ) -> None:
        """``status`` gives the mount's state as nested plain values; ``shown`` is a file of
        somebody else's. Raises ``ConfigError`` if that has the name of one of the mount's own."""
        inodes = itertools.count(DIRECTORY + 1)
        documents: tuple[_Document, ...] = (
            _Document("errors", next(inodes), self._errors_text, lambda: failures.changed),
            _Document("errors.json", next(inodes), self._errors_json, lambda: failures.changed),
            _Document("status", next(inodes), self._status_text, failures.now),
            _Document("status.json", next(inodes), self._status_json, failures.now),
        )
        if shown is not None:
            if shown.name in {document.name for document in documents}:
                raise ConfigError(f"--show-file names {shown.name}, a name of the mount's own.")
            documents += (_Document(shown.name, next(inodes), shown.content, shown.changed),)
        self._failures = failures
        self._counts = counts
        self._status = status
        self._by_name = {document.name: document for document in documents}
        self._by_ino = {document.ino: document for document in documents}
        self._handles = itertools.count(DIRECTORY + 1)
        self._open: dict[int, bytes] = {}

    # -- reading -------------------------------------------------------------------------------

    async def lookup(self, parent: int, name: str) -> Stat:
        """``.phfs`` in the root, a document in ``.phfs``. Raises ``NotFound``."""
        if parent == ROOT and name == EXPLANATIONS:
            return await self.getattr(DIRECTORY)
        document = self._by_name.get(name)
        if document is None or parent != DIRECTORY:
            raise NotFound(f"There is no /{EXPLANATIONS}/{name}.")
        return await self.getattr(document.ino)

    async def getattr(self, ino: int, handle: int | None = None) -> Stat:
        """Size and time are those the document would have now. Raises ``Stale``."""
        if ino == DIRECTORY:
            changed = int(self._failures.changed)
            return Stat(ino, is_dir=True, size=0, mtime=changed, ttl=0.0)
        document = self._document(ino)
        size = len(document.render())
        return Stat(ino, is_dir=False, size=size, mtime=int(document.changed()), ttl=0.0)

    def forget(self, ino: int, count: int) -> None:
        """Nothing to do: the inodes are always there."""

    def remember(self, ino: int) -> None:
        """Nothing to do: the inodes are always there."""

    async def open(self, ino: int, flags: OpenFlags) -> Opened:
        """Make the document. Raises ``NotPermitted`` for writing."""
        if ino == DIRECTORY:
            raise IsDirectory(f"/{EXPLANATIONS} is a directory.")
        document = self._document(ino)
        if flags.write or flags.truncate:
            self._refuse()
        handle = next(self._handles)
        self._open[handle] = document.render()
        # Another text each time: what the kernel cached of an earlier one is not of this one.
        return Opened(handle, direct_io=True, keep_cache=False)

    async def read(self, handle: int, offset: int, size: int) -> bytes:
        """Bytes of the document as it was when it was opened. Raises ``BadHandle``."""
        content = self._open.get(handle)
        if content is None:
            raise BadHandle(f"Handle {handle} is not open.")
        return content[offset : offset + size]

    async def flush(self, handle: int) -> None:
        """Nothing to do."""

    async def fsync(self, handle: int) -> None:
        """Nothing to do."""

    async def release(self, handle: int) -> None:
        """Drop the document's text."""
        self._open.pop(handle, None)

    async def opendir(self, ino: int) -> int:
        """Raises ``NotDirectory``."""
        if ino != DIRECTORY:
            raise NotDirectory(f"{self.path_of(ino)} is a file.")
        return DIRECTORY

    async def readdir(self, handle: int, offset: int) -> AsyncGenerator[Entry, None]:
        """The documents."""
        assert handle == DIRECTORY
        own = await self.getattr(DIRECTORY)
        named = [(".", own), ("..", own._replace(ino=ROOT))]
        for name, document in self._by_name.items():
            with suppress(NotFound):  # what is shown may be absent
                named.append((name, await self.getattr(document.ino)))
        for position, (name, stat) in enumerate(named[offset:], offset + 1):
            yield Entry(name, stat, position)

    async def releasedir(self, handle: int) -> None:
        """Nothing to do: a listing keeps nothing."""

    def path_of(self, ino: int) -> str:
        """``/.phfs`` or a document's path."""
        document = self._by_ino.get(ino)
        return f"/{EXPLANATIONS}" if document is None else f"/{EXPLANATIONS}/{document.name}"

    def path_of_handle(self, handle: int) -> str:
        """``/.phfs``: which of its documents makes no difference to anybody."""
        return f"/{EXPLANATIONS}"

    # -- changing: refused -----------------------------------------------------------------------

    async def create(self, parent: int, name: str, flags: OpenFlags) -> NoReturn:
        """Raises ``NotPermitted``."""
        self._refuse()

    async def make_file(self, parent: int, name: str) -> NoReturn:
        """Raises ``NotPermitted``."""
        self._refuse()

    async def write(self, handle: int, offset: int, data: bytes) -> NoReturn:
        """Raises ``NotPermitted``."""
        self._refuse()

    async def truncate(
        self,
        ino: int,
        size: int,
        handle: int | None = None,
    ) -> NoReturn:
        """Raises ``NotPermitted``."""
        self._refuse()

    async def mkdir(self, parent: int, name: str) -> NoReturn:
        """Raises ``NotPermitted``."""
        self._refuse()

    async def rmdir(self, parent: int, name: str) -> None:
        """Raises ``NotPermitted``."""
        self._refuse()

    async def unlink(self, parent: int, name: str) -> None:
        """Raises ``NotPermitted``."""
        self._refuse()

    async def rename(
        self,
        parent: int,
        name: str,
        new_parent: int,
        new_name: str,
        *,
        replace: bool = True,
    ) -> None:
        """Raises ``NotPermitted``."""
        self._refuse()

    # -- the documents -------------------------------------------------------------------------

    def _document(self, ino: int) -> _Document:
        document = self._by_ino.get(ino)
        if document is None:
            raise Stale(f"There is no document {ino}.")
        return document

    def _refuse(self) -> NoReturn:
        raise NotPermitted(
            f"/{EXPLANATIONS} belongs to the mount, which explains its errors and its state there.",
            "Choose another name or another directory.",
        )

    def _errors_text(self) -> bytes:
        return self._failures.text().encode()

    def _errors_json(self) -> bytes:
        return _json([failure.values() for failure in self._failures.newest_first()])

    def _status_json(self) -> bytes:
        return _json({**self._status(), **self._counts.values()})

    def _status_text(self) -> bytes:
        lines = _lines({**self._status(), **self._counts.words()}, "")
        return "".join(line + "\n" for line in lines).encode()


def _json(value: object) -> bytes:
    """Text stays readable; what a terminal would obey, and bytes that are no text, are escaped."""
    text = json.dumps(value, indent=2, ensure_ascii=False, default=str)
    lines = (line if line.isprintable() else _ascii(line) for line in text.split("\n"))
    return ("\n".join(lines) + "\n").encode()


def _ascii(line: str) -> str:
    """A line of JSON with only printable characters; others stand inside strings."""
    return "".join(c if c.isprintable() else json.dumps(c)[1:-1] for c in line)


def _lines(values: Mapping[str, object], indent: str) -> Iterator[str]:
    """Nested values as indented lines, names in words, columns aligned."""
    width = max((len(name) for name in values), default=0)
    for name, value in values.items():
        words = name.removesuffix("_bytes").replace("_", " ")
        if isinstance(value, Mapping) and value:
            yield f"{indent}{words}:"
            yield from _lines(value, indent + "  ")
        elif isinstance(value, list | tuple) and value:
            yield f"{indent}{words}:"
            yield from (f"{indent}  {_item(item)}" for item in value)
        else:
            yield f"{indent}{words:<{width}}  {_figure(name, value)}"


def _item(item: object) -> str:
    """One of a list, on one line; of values with names those that say something."""
    if not isinstance(item, Mapping):
        return _word(item)
    said = {name: value for name, value in item.items() if not _says_nothing(value)}
    return ", ".join(
        f"{name.removesuffix('_bytes').replace('_', ' ')} {_figure(name, value)}"
        for name, value in said.items()
    )


def _says_nothing(value: object) -> bool:
    return value is None or value is False or value == ""


def _figure(name: str, value: object) -> str:
    return size(value) if name.endswith("_bytes") and isinstance(value, int) else _word(value)


def _word(value: object) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if value is None or value in ({}, [], ()):
        return "none"
    text = str(value)
    return text if text.isprintable() else repr(text)[1:-1]
