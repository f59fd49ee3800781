"""The directory of a mount, with the mount's own reasons in its errors.

Owns how a refusal of the kernel's, which has no more than its name, gets the sentences that the
mount keeps for it in ``.phfs``. Called by ``filesystem``.
"""

# ruff: noqa: ARG002, FBT001, FBT002 - the arguments are those of fsspec's methods
from __future__ import annotations

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from fsspec.implementations.local import (  # type: ignore[import-untyped]
    LocalFileOpener,
    LocalFileSystem,
)

from phfs.core.names import EXPLANATIONS
from phfs.errors import IsDirectory
from phfs.fsspec.refusals import refusal

_LOOKED_AT = 20
"""Failures among which one's own is looked for; others may have failed meanwhile."""


class Mounted(LocalFileSystem):  # type: ignore[misc]
    """The files of the mount at ``root``, by their paths on this machine."""

    cachable = False

    def __init__(self, root: str) -> None:
        # As in a bucket, a directory need not be made before a file in it.
        super().__init__(auto_mkdir=True)
        self._root = Path(root)

    @contextmanager
    def explained(self, *paths: str) -> Iterator[None]:
        """An ``OSError`` about one of ``paths`` leaves with the mount's reason, if it has one."""
        try:
            yield
        except OSError as error:
            reason = self._reason(error, paths)
            if not reason:
                raise
            raise OSError(error.errno, reason) from error

    def _reason(self, error: OSError, paths: tuple[str, ...]) -> str:
        own = {f"/{Path(path).relative_to(self._root)}" for path in paths}
        try:
            failures = json.loads((self._root / EXPLANATIONS / "errors.json").read_text())
        except (OSError, ValueError):
            return ""
        for one in failures[:_LOOKED_AT]:
            if one["path"] in own and one["meaning"] == os.strerror(error.errno or 0):
                return f"{one['why']} {one['advice']}".rstrip()
        return ""

    def _open(self, path: str, mode: str = "rb", block_size: Any = None, **kwargs: Any) -> Any:
        with self.explained(path):
            if mode[0] in "wxa":
                self.makedirs(self._parent(path), exist_ok=True)
            return _File(path, mode, fs=self, **kwargs)

    def rm(self, path: Any, recursive: bool = False, maxdepth: int | None = None) -> None:
        """Remove files; ``recursive`` also directories with all that is in them."""
        for each in [path] if isinstance(path, str) else path:
            if not recursive and os.path.isdir(each):
                raise refusal(IsDirectory(f"{each} is a directory.", "Give recursive=True."))
            with self.explained(each):
                super().rm(each, recursive=recursive, maxdepth=maxdepth)

    def mv(self, path1: str, path2: str, recursive: bool = True, **kwargs: Any) -> None:
        """Rename a file or a directory."""
        with self.explained(path1, path2):
            super().mv(path1, path2, recursive=recursive, **kwargs)


class _File(LocalFileOpener):  # type: ignore[misc]
    """A file of a mount: what it refuses of what is written, and of the end, is explained."""

    def write(self, *args: Any, **kwargs: Any) -> Any:
        with self.fs.explained(self.path):
            return self.f.write(*args, **kwargs)

    def flush(self, *args: Any, **kwargs: Any) -> Any:
        with self.fs.explained(self.path):
            return self.f.flush(*args, **kwargs)

    def close(self) -> Any:
        with self.fs.explained(self.path):
            return self.f.close()

    def __exit__(self, *args: object) -> None:
        self._incontext = False
        with self.fs.explained(self.path):
            self.f.__exit__(*args)
