"""A file of somebody else's that the mount shows among its own documents.

Owns how it is read: as it is at the time, and never what a link in its place leads to, because the
mount may read what its users may not. Never writes it. Called by ``explain``.
"""

from __future__ import annotations

import os
import stat
from pathlib import Path

from phfs.errors import NotFound

MOST_BYTES = 2**20
"""What is beyond this is not shown."""


class ShownFile:
    """The file at ``path``, which may come and go."""

    def __init__(self, path: Path) -> None:
        self.name = path.name
        self._path = path

    def content(self) -> bytes:
        """Its first ``MOST_BYTES``. Raises ``NotFound`` while there is no such regular file."""
        try:
            # A pipe in its place must not keep the mount waiting for somebody to write into it.
            number = os.open(self._path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
        except OSError as error:
            raise self._absent(error.strerror) from None
        try:
            if not stat.S_ISREG(os.fstat(number).st_mode):
                raise self._absent("it is no file")
            return os.read(number, MOST_BYTES)
        except OSError as error:
            raise self._absent(error.strerror) from None
        finally:
            os.close(number)

    def changed(self) -> float:
        """When it was last written (epoch seconds). Raises ``NotFound``."""
        try:
            return os.lstat(self._path).st_mtime
        except OSError as error:
            raise self._absent(error.strerror) from None

    def _absent(self, reason: str | None) -> NotFound:
        return NotFound(f"{self._path} cannot be shown: {reason}.")
