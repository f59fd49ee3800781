"""The inode table: numbers the kernel holds, where they hang in the tree, how often it holds them.

Owns numbers, lookup counts and the link from an inode to its parent and name. A file's inode
stands for one version: when the path's ETag changes behind the mount the path gets a new inode.
Never asks the store; knows no handle beyond a count of users. Called by ``vfs``.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from hashlib import blake2b

from phfs.core.demand import Demand
from phfs.core.listing import NO_ETAG, Child
from phfs.core.objects import ETag
from phfs.core.tree import DirectoryCache
from phfs.core.walk import Walk

ROOT = 1
"""The root's inode number (FUSE_ROOT_ID)."""

NUMBERS = 2**52
"""Inode numbers lie below this: a double holds them exactly, as programs that read them from JSON
need."""


@dataclass(slots=True, eq=False)
class Inode:
    """A file's version or a directory. ``parent`` is None for the root and once it is unlinked."""

    number: int
    name: str
    parent: Directory | None
    lookups: int = 0
    users: int = 0
    """Open handles; the inode outlives the kernel's lookups while there are any."""
    seen: float = 0.0
    """Monotonic time of the answer that last confirmed the path."""
    last_key: str = ""
    """The key it had when it was unlinked."""
    last_parent: Directory | None = None
    """The directory it was in when it was unlinked."""

    @property
    def linked(self) -> bool:
        """Whether its path still stands for it."""
        inode: Inode = self
        while inode.parent is not None:
            inode = inode.parent
        return inode.number == ROOT

    @property
    def key(self) -> str:
        """The relative key, also after it was unlinked; a directory's ends with ``/``, the root's
        is empty."""
        return self.last_key if self.parent is None else _path_from_top(self)

    @property
    def path(self) -> str:
        """The path as seen from the mount, for people."""
        return "/" + self.key.removesuffix("/")


@dataclass(slots=True, eq=False)
class Directory(Inode):
    """A directory: what is known of its names, and the inodes that hang in it."""

    cache: DirectoryCache = field(default_factory=DirectoryCache)
    children: dict[str, Inode] = field(default_factory=dict)
    demand: Demand = field(default_factory=Demand)
    walk: Walk | None = None
    mtime: int = 0

    @property
    def key(self) -> str:
        """The relative key with its ``/``; the root's is empty."""
        return self.last_key if self.parent is None else f"{_path_from_top(self)}/"


@dataclass(slots=True, eq=False)
class File(Inode):
    """One version of a file; ``etag`` is ``NO_ETAG`` until it is first committed."""

    size: int = 0
    etag: ETag = NO_ETAG
    mtime: int = 0
    draft: int | None = None
    """Bytes written and not committed; None when nothing is."""
    pages: ETag | None = None
    """The version whose bytes the kernel's page cache may hold."""

    @property
    def committed(self) -> bool:
        """Whether the bucket has a version of it."""
        return self.etag != NO_ETAG

    @property
    def uncommitted(self) -> bool:
        """Whether this mount knows more of the file than the bucket does."""
        return self.draft is not None or not self.committed

    @property
    def length(self) -> int:
        """Bytes of the file as its writer sees it."""
        return self.size if self.draft is None else self.draft


class InodeTable:
    """All inodes the kernel or a handle knows."""

    def __init__(self, mtime: int) -> None:
        self._mtime = mtime
        self.root = Directory(ROOT, "", None, lookups=1, mtime=mtime)
        self._inodes: dict[int, Inode] = {ROOT: self.root}

    def __len__(self) -> int:
        return len(self._inodes)

    def get(self, number: int) -> Inode | None:
        """The inode, if it is known."""
        return self._inodes.get(number)

    def bind(self, parent: Directory, name: str, child: Child) -> Inode:
        """The inode that stands for ``child`` at that name: the one there, or a new one.

        One that was confirmed after ``child`` was seen stays whatever ``child`` says.
        """
        known = parent.children.get(name)
        if known is not None and known.seen > child.seen:
            return known
        if child.is_dir:
            if isinstance(known, Directory):
                known.seen = max(known.seen, child.seen)
                return known
        elif isinstance(known, File) and known.etag == child.etag:
            known.seen = max(known.seen, child.seen)
            return known
        if known is not None:
            self.unlink(known)
        number = self._number(parent, name, child)
        inode: Inode
        if child.is_dir:
            inode = Directory(number, name, parent, seen=child.seen, mtime=self._mtime)
        else:
            inode = File(
                number,
                name,
                parent,
                seen=child.seen,
                size=child.size,
                etag=child.etag,
                mtime=child.mtime,
            )
        self._inodes[number] = inode
        parent.children[name] = inode
        return inode

    def _number(self, parent: Directory, name: str, child: Child) -> int:
        """A free number, the same for the same version whenever it can be."""
        number = _first_number(parent.key, name, child)
        while number in self._inodes:
            number = ROOT + 1 + number % (NUMBERS - ROOT - 1)
        return number

    def unlink(self, inode: Inode) -> None:
        """The path no longer stands for this inode; handles keep it alive."""
        parent = inode.parent
        if parent is None:
            return
        inode.last_key, inode.last_parent = inode.key, parent
        _detach(inode)
        inode.parent = None
        self.drop_unused(inode)
        self.drop_unused(parent)

    def move(self, inode: Inode, parent: Directory, name: str) -> None:
        """The inode gets another path; what hung there is unlinked."""
        replaced = parent.children.get(name)
        if replaced is not None and replaced is not inode:
            self.unlink(replaced)
        old_parent = inode.parent
        _detach(inode)
        inode.parent, inode.name = parent, name
        parent.children[name] = inode
        if old_parent is not None:
            self.drop_unused(old_parent)

    def forget(self, number: int, count: int) -> None:
        """The kernel drops ``count`` lookups."""
        inode = self._inodes.get(number)
        if inode is not None and number != ROOT:
            inode.lookups = max(0, inode.lookups - count)
            self.drop_unused(inode)

    def use(self, inode: Inode) -> None:
        """A handle begins to use the inode."""
        inode.users += 1

    def unuse(self, inode: Inode) -> None:
        """A handle is done with the inode."""
        inode.users -= 1
        self.drop_unused(inode)

    @contextmanager
    def using(self, inode: Inode) -> Iterator[None]:
        """The inode stays in the table while the block lasts, whoever else lets go of it."""
        self.use(inode)
        try:
            yield
        finally:
            self.unuse(inode)

    def drop_unused(self, inode: Inode) -> None:
        """Forget the inode unless the kernel, a handle or an inode beneath it needs it; then those
        above it that were needed for its sake alone."""
        above: Inode | None = inode
        while above is not None and not is_needed(above):
            self._inodes.pop(above.number, None)
            above = above.parent if _detach(above) else None


def number_of(directory: Directory, name: str) -> int:
    """The inode number of a name the directory is known to have: the one it has, or the one it will
    get unless that is taken by then."""
    inode = directory.children.get(name)
    if inode is not None:
        return inode.number
    return _first_number(directory.key, name, directory.cache.children[name])


def _first_number(above: str, name: str, child: Child) -> int:
    """Where to look for a free number.

    The kernel forgets a name when it likes; a program that looks at a file before and after, as
    ``shutil.rmtree`` does, must see one file.
    """
    said = f"{above}{name}\0{'/' if child.is_dir else child.etag}"
    digest = blake2b(said.encode(errors="surrogatepass"), digest_size=8).digest()
    return ROOT + 1 + int.from_bytes(digest, "big") % (NUMBERS - ROOT - 1)


def is_needed(inode: Inode) -> bool:
    """Whether the kernel, a handle or an inode beneath it holds the inode."""
    held = inode.lookups or inode.users or inode.number == ROOT
    return bool(held or (isinstance(inode, Directory) and inode.children))


def _path_from_top(inode: Inode) -> str:
    """The key without a directory's ``/``. A loop: 500 levels deep, a recursion here inside one
    that walks the tree would be more than Python allows."""
    names = []
    while inode.parent is not None:
        names.append(inode.name)
        inode = inode.parent
    return inode.last_key + "/".join(reversed(names))


def _detach(inode: Inode) -> bool:
    """Take the inode out of its parent's children; False if it did not hang there."""
    if inode.parent is None or inode.parent.children.get(inode.name) is not inode:
        return False
    del inode.parent.children[inode.name]
    return True
