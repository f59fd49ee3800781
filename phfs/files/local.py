"""Files of this machine as they are copied from: found, recognised again, read.

Owns what of a directory can be in an object store, and the notice that a file has changed while it
was read. Blocking: called in worker threads, by ``plan`` and ``upload``.
"""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from typing import NamedTuple

from phfs.errors import OperationFailed, PhfsError, Stale, Unsupported
from phfs.s3.resumable import Source

PART_ENDING = ".phfs-part"
"""Ends the name of a file that is being fetched, see ``partial``; nobody wants it copied."""

_PART = re.compile(rf"\..+{re.escape(PART_ENDING)}(-[0-9a-f]{{12}})?", re.DOTALL)

BATCH = 200
"""Entries of a directory that are handed over at a time."""


class Found(NamedTuple):
    """Something in a directory: a file with its ``mark``; a ``problem``: why it is left out; or
    neither: a directory that is empty."""

    path: Path
    mark: Source | None = None
    problem: PhfsError | None = None


def mark_of(path: Path, status: os.stat_result) -> Source:
    """By what a file is recognised again, with its bytes unchanged."""
    return Source(os.path.abspath(path), *_version(status))


def is_still(mark: Source, status: os.stat_result) -> bool:
    """Whether a file is the one that was marked, and was not written to since."""
    return mark[1:] == _version(status)


def _version(status: os.stat_result) -> tuple[int, int, int, int, int]:
    times = status.st_mtime_ns, status.st_ctime_ns
    return (status.st_dev, status.st_ino, status.st_size, *times)


def failed(path: Path, doing: str, error: OSError) -> OperationFailed:
    """What the system refused, as an error of the tree."""
    reason = (error.strerror or str(error)).lower()
    return OperationFailed(f"{path} cannot be {doing}: {reason}.")


def walk(directory: Path, *, follow: bool) -> Iterator[Found]:
    """Every file and every empty directory in a directory and below, by name. ``follow``: links are
    what they lead to; a circle of them is left out."""
    yield from _walk(directory, follow=follow, above=())


def take(found: Iterator[Found]) -> list[Found]:
    """The next of what ``walk`` finds, at most ``BATCH``."""
    return list(islice(found, BATCH))


def _walk(directory: Path, *, follow: bool, above: tuple[tuple[int, int], ...]) -> Iterator[Found]:
    try:
        status = directory.stat()
        with os.scandir(directory) as entries:
            found = sorted(entries, key=lambda entry: os.fsencode(entry.name))
    except OSError as error:
        yield Found(directory, problem=failed(directory, "listed", error))
        return
    own = (status.st_dev, status.st_ino)
    if own in above:
        why = f"{directory} leads back to a directory it is in: it is left out."
        yield Found(directory, problem=Unsupported(why, "Remove the link."))
        return
    if not found:
        yield Found(directory)
    for entry in found:
        if _PART.fullmatch(entry.name):
            continue
        path = directory / entry.name
        try:
            if entry.is_dir(follow_symlinks=follow):
                yield from _walk(path, follow=follow, above=(*above, own))
            else:
                yield _file(path, entry.stat(follow_symlinks=follow))
        except OSError as error:
            yield Found(path, problem=failed(path, "read", error))


def _file(path: Path, status: os.stat_result) -> Found:
    if stat.S_ISREG(status.st_mode):
        return Found(path, mark_of(path, status))
    if stat.S_ISLNK(status.st_mode):
        why = f"{path} is a symbolic link, which an object store cannot hold."
        return Found(path, problem=Unsupported(why, "Copy what it leads to with -L."))
    kind = next((name for is_kind, name in _KINDS if is_kind(status.st_mode)), "no regular file")
    why = f"{path} is {kind}: only regular files can be copied."
    return Found(path, problem=Unsupported(why, "Leave it out."))


_KINDS = (
    (stat.S_ISFIFO, "a named pipe"),
    (stat.S_ISSOCK, "a socket"),
    (stat.S_ISBLK, "a device"),
    (stat.S_ISCHR, "a device"),
)


@contextmanager
def opened(path: Path, mark: Source) -> Iterator[int]:
    """The file's descriptor, of the version ``mark`` still.

    Raises ``Stale``, ``OperationFailed``.
    """
    try:
        # Without O_NONBLOCK a pipe put in the file's place would hold us for ever.
        file = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    except OSError as error:
        raise failed(path, "read", error) from None
    try:
        check(file, path, mark)
        yield file
    finally:
        os.close(file)


def check(file: int, path: Path, mark: Source) -> None:
    """Raises ``Stale`` if the file is another one, or was written to, since ``mark``."""
    if not is_still(mark, os.fstat(file)):
        raise changed(path)


def changed(path: Path) -> Stale:
    """The file is not what it was when it was found."""
    return Stale(
        f"{path} was written to while it was copied.",
        "Nothing was saved of it: copy it again when whatever writes it has ended.",
    )


def read_into(file: int, path: Path, start: int, buffer: memoryview) -> None:
    """Fill the buffer with the file's bytes from ``start`` on. Raises ``Stale`` if there are not so
    many any more, ``OperationFailed``."""
    done = 0
    try:
        while done < len(buffer):
            with buffer[done:] as rest:
                count = os.preadv(file, [rest], start + done)
            if count == 0:
                raise changed(path)
            done += count
    except OSError as error:
        raise failed(path, "read", error) from None
