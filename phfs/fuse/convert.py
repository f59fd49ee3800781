"""Between the kernel's words and the file system's: names, flags, attributes.

Owns the conversions and nothing else. Called by ``operations``.
"""

from __future__ import annotations

import os
import stat
from typing import NamedTuple

import pyfuse3
from pyfuse3 import FileHandleT, InodeT, ModeT

from phfs.errors import NameNotText
from phfs.fuse.volume import RESERVED
from phfs.vfs.values import Opened, OpenFlags, Stat

BLOCK = 128 * 1024
"""st_blksize in bytes: the buffer that Python, cp and C's stdio then use. As large as one
read-ahead of an untuned kernel, so that a small random read through a buffer costs no second
request, and large enough that a request's fixed cost (some 40 us) is small beside its copying."""

SECTOR = 512
"""The unit of st_blocks (stat(2))."""

CAPACITY = 2**50
"""Bytes that ``df`` shows, all of them free (1 PiB): an object store has no figure of its own."""

FILES = 2**32
"""Inodes that ``df -i`` shows."""

MAX_NAME = 255
"""f_namemax in bytes (NAME_MAX)."""

EXPLAINING_DIR = ModeT(stat.S_IFDIR | 0o555)
EXPLAINING_FILE = ModeT(stat.S_IFREG | 0o444)


class Ownership(NamedTuple):
    """What the store does not know and the mount's options say, for every file alike."""

    uid: int
    gid: int
    file_mode: int
    dir_mode: int


def decode_name(name: bytes) -> str:
    """A name as text. Raises ``NameNotText``."""
    try:
        return name.decode()
    except UnicodeDecodeError:
        raise NameNotText(
            f"The name {readable_name(name)!r} is not UTF-8, and an object's key has to be."
        ) from None


def readable_name(name: bytes) -> str:
    """A name for messages: bytes that are no text are shown as ``\\xNN``."""
    return name.decode(errors="backslashreplace")


def open_flags(flags: int) -> OpenFlags:
    """The flags of open(2)."""
    access = flags & os.O_ACCMODE
    return OpenFlags(
        read=access in (os.O_RDONLY, os.O_RDWR),
        write=access in (os.O_WRONLY, os.O_RDWR),
        append=bool(flags & os.O_APPEND),
        truncate=bool(flags & os.O_TRUNC),
        exclusive=bool(flags & os.O_EXCL),
    )


def file_info(opened: Opened) -> pyfuse3.FileInfo:
    """How the kernel is to treat an open file; pyfuse3's own default would keep stale pages."""
    return pyfuse3.FileInfo(
        fh=FileHandleT(opened.handle),
        direct_io=opened.direct_io,
        keep_cache=opened.keep_cache,
    )


class Attributes:
    """Makes the kernel's attributes from a ``Stat`` and the mount's ownership."""

    def __init__(self, ownership: Ownership) -> None:
        self._uid = ownership.uid
        self._gid = ownership.gid
        self._file_mode = ModeT(stat.S_IFREG | ownership.file_mode)
        self._dir_mode = ModeT(stat.S_IFDIR | ownership.dir_mode)

    def of(self, known: Stat) -> pyfuse3.EntryAttributes:
        """Attributes of an inode, and how long the kernel may believe them and its name."""
        entry = pyfuse3.EntryAttributes()
        entry.st_ino = InodeT(known.ino)
        entry.entry_timeout = entry.attr_timeout = known.ttl
        if known.is_dir:
            entry.st_mode = self._dir_mode
            entry.st_nlink = 2
        else:
            entry.st_mode = self._file_mode
            entry.st_size = known.size
            entry.st_blocks = -(-known.size // SECTOR)
        if known.ino >= RESERVED:  # whom the mount lets in may read its explanations
            entry.st_mode = EXPLAINING_DIR if known.is_dir else EXPLAINING_FILE
        entry.st_blksize = BLOCK
        entry.st_uid = self._uid
        entry.st_gid = self._gid
        modified = known.mtime * 1_000_000_000
        entry.st_mtime_ns = entry.st_ctime_ns = entry.st_atime_ns = modified
        return entry


def capacity() -> pyfuse3.StatvfsData:
    """The figures of ``df``: so much is free that no program refuses to begin."""
    figures = pyfuse3.StatvfsData()
    figures.f_bsize = figures.f_frsize = BLOCK
    figures.f_blocks = figures.f_bfree = figures.f_bavail = CAPACITY // BLOCK
    figures.f_files = figures.f_ffree = figures.f_favail = FILES
    figures.f_namemax = MAX_NAME
    return figures
