"""The values the file system takes from and gives to whoever drives it (``fuse`` or a test).

Owns no behaviour. ``Stat`` has no owner and no permission bits: those are the mount's options and
belong to the boundary.
"""

from __future__ import annotations

from typing import NamedTuple


class Stat(NamedTuple):
    """An inode's attributes: ``size`` in bytes, ``mtime`` in whole epoch seconds, ``ttl`` the
    seconds for which they (and the name that led to them) may be believed without asking again."""

    ino: int
    is_dir: bool
    size: int
    mtime: int
    ttl: float


class OpenFlags(NamedTuple):
    """What a program asks for when it opens or creates a file."""

    read: bool = True
    write: bool = False
    append: bool = False
    truncate: bool = False
    exclusive: bool = False


class Opened(NamedTuple):
    """An open file: its handle, and how the kernel is to treat its pages.

    ``direct_io``: the page cache is bypassed. ``keep_cache``: pages cached earlier are of this
    version and stay.
    """

    handle: int
    direct_io: bool
    keep_cache: bool


class Entry(NamedTuple):
    """One name of a directory; ``offset`` is where the listing goes on behind it."""

    name: str
    stat: Stat
    offset: int
