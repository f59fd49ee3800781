"""Turns pages of keys into the children of one directory.

Owns the rules of the mapping: markers, keys that are no path, a file shadowed by a directory of the
same name. Never fetches a page. Called by ``vfs/namespace`` and ``vfs/directory``.
"""

from __future__ import annotations

from typing import NamedTuple

from phfs.core.names import EXPLANATIONS, is_name
from phfs.core.objects import ETag, ObjectInfo, Page


class Child(NamedTuple):
    """What a directory knows of one name.

    ``seen`` is the monotonic time at which the request that told it began; ``mtime`` whole epoch
    seconds (0 for a directory: it has none in an object store).
    """

    is_dir: bool
    size: int
    etag: ETag
    mtime: int
    seen: float


NO_ETAG = ETag("")
"""The ETag of what has no version in the bucket: directories, and files not committed yet."""


def directory_child(seen: float) -> Child:
    """A sub-directory seen at ``seen``."""
    return Child(is_dir=True, size=0, etag=NO_ETAG, mtime=0, seen=seen)


def file_child(info: ObjectInfo, seen: float) -> Child:
    """A file seen at ``seen``."""
    return Child(is_dir=False, size=info.size, etag=info.etag, mtime=info.modified, seen=seen)


class ListingFold:
    """Folds the pages of one listing of ``key`` (a directory's key), begun at ``begun``, into
    children. Each is as old as its page; that a name is absent is as old as the whole.

    In byte order ``a`` comes before ``a/`` with others between them (``a-b``), perhaps on an
    earlier page; a file is therefore held back until its shadowing directory can no longer come.
    """

    def __init__(self, key: str, begun: float) -> None:
        self.begun = begun
        self.ignored: list[str] = []
        self.shadowed: list[str] = []
        self._key = key
        self._held: dict[str, Child] = {}

    @property
    def first_held(self) -> str | None:
        """The first, in byte order, of the names held back; None if none is."""
        return min(self._held, default=None)

    def add(self, page: Page, begun: float) -> dict[str, Child]:
        """The children that ``page``, asked for at ``begun``, settles; each name once over all
        pages."""
        cut = len(self._key)
        files = self._held
        for info in page.objects:
            name = info.key[cut:]
            if info.key == self._key:  # the directory's own marker, which no path leads to:
                self.ignored.extend([info.key] if info.size else ())  # bytes in it are not seen
            elif self._accepts(name, info.key):
                files[name] = file_child(info, begun)
        children: dict[str, Child] = {}
        for prefix in page.prefixes:
            name = prefix[cut:-1]
            if self._accepts(name, prefix):
                children[name] = directory_child(begun)
                if files.pop(name, None) is not None:
                    self.shadowed.append(self._key + name)
        if page.next_token is None:
            children.update(files)
            self._held = {}
            return children
        last = max([page.objects[-1].key[cut:]] if page.objects else [""])
        if page.prefixes:
            last = max(last, page.prefixes[-1][cut:])
        self._held = {name: child for name, child in files.items() if name + "/" > last}
        children.update((name, child) for name, child in files.items() if name not in self._held)
        return children

    def _accepts(self, name: str, key: str) -> bool:
        if is_name(name) and not (self._key == "" and name == EXPLANATIONS):
            return True
        self.ignored.append(key)
        return False
