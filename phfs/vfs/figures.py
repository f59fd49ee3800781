"""How a file system is doing, in numbers.

Owns what is told of each part for ``.phfs``. Reads only, waits for nothing. Called by
``filesystem``; files that are being written are told by ``ending``.
"""

from __future__ import annotations

from typing import NamedTuple

from phfs.vfs.budget import Budget
from phfs.vfs.directories import Directories
from phfs.vfs.fetcher import Fetcher
from phfs.vfs.files import Files
from phfs.vfs.namespace import Namespace
from phfs.vfs.uploads import UploadService


class Figures(NamedTuple):
    """The parts of one file system."""

    budget: Budget
    namespace: Namespace
    fetcher: Fetcher
    uploads: UploadService
    files: Files
    directories: Directories

    def values(self) -> dict[str, object]:
        """Plain values, by topic."""
        namespace, uploads = self.namespace, self.uploads
        return {
            "memory": {
                f"{name}_bytes" if name != "waiting" else name: figure
                for name, figure in self.budget.usage._asdict().items()
            },
            "open": {"files": len(self.files.handles), "directories": len(self.directories)},
            "inodes": len(namespace.inodes),
            "names_remembered": namespace.known.cached[1],
            "uploads": {"begun": uploads.begun, "aborted": uploads.aborted},
            "ranges_fetched": self.fetcher.requests,
            "bytes_fetched": self.fetcher.asked,
            "fetched_ahead_bytes": self.fetcher.unread,
            "files_fetched_ahead": len(self.files.siblings),
            "ignored_keys": list(namespace.known.ignored),
            "shadowed_files": list(namespace.known.shadowed),
            "more_ignored_or_shadowed": namespace.known.overlooked,
        }
