"""Where files are laid down to be read, and where everything is removed from.

Owns nothing that is measured: with keys it is the store, past every mount; without, the mount
itself. Used by ``scenarios`` to prepare and by ``measure`` to clean up.
"""

from __future__ import annotations

import mmap
import random
import shutil
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Protocol

from phfs.bench.floor import PIECE, THREADS, Floor

BLOCK = random.Random(1).randbytes(PIECE)
"""What large files are made of."""

REQUEST = memoryview(mmap.mmap(-1, 1024**2))
"""A request of 1 MiB that writes of it, at the start of a page, where cp, dd and fio have theirs:
elsewhere 1 MiB lies in 257 pages, and the kernel, which hands over 256 at once, makes two requests
of it."""
REQUEST[:] = BLOCK[: len(REQUEST)]


class Place(Protocol):
    """A directory of objects; names are relative to it."""

    def below(self, name: str) -> Place:
        """The same, one directory further down."""
        ...

    def make_directory(self) -> None:
        """Make the directory itself."""
        ...

    def put_all(self, files: Iterable[tuple[str, bytes]]) -> None:
        """Write small files, names and contents; directories come by themselves."""
        ...

    def put_large(self, name: str, size: int) -> None:
        """Write a file of ``size`` bytes."""
        ...

    def remove(self, name: str = "") -> None:
        """Remove a directory below and everything in it; without a name everything."""
        ...


class StorePlace:
    """A place in the store, reached without a mount."""

    def __init__(self, floor: Floor) -> None:
        self._floor = floor

    def below(self, name: str) -> StorePlace:
        """See ``Place``."""
        return StorePlace(self._floor.below(name))

    def make_directory(self) -> None:
        """See ``Place``."""
        self._floor.put("", b"")

    def put_all(self, files: Iterable[tuple[str, bytes]]) -> None:
        """See ``Place``."""
        self._floor.put_all(files)

    def put_large(self, name: str, size: int) -> None:
        """See ``Place``."""
        self._floor.upload(name, BLOCK, size)

    def remove(self, name: str = "") -> None:
        """See ``Place``."""
        self._floor.delete_below(f"{name}/" if name else "")


class DirectoryPlace:
    """A place on a mount, for those who have no keys."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory

    def below(self, name: str) -> DirectoryPlace:
        """See ``Place``."""
        return DirectoryPlace(self._directory / name)

    def make_directory(self) -> None:
        """See ``Place``."""
        self._directory.mkdir(parents=True, exist_ok=True)

    def put_all(self, files: Iterable[tuple[str, bytes]]) -> None:
        """See ``Place``."""
        known: set[Path] = set()

        def put(file: tuple[str, bytes]) -> None:
            path = self._directory / file[0]
            if path.parent not in known:
                path.parent.mkdir(parents=True, exist_ok=True)
                known.add(path.parent)
            path.write_bytes(file[1])

        with ThreadPoolExecutor(THREADS) as pool:
            list(pool.map(put, files))

    def put_large(self, name: str, size: int) -> None:
        """See ``Place``."""
        with (self._directory / name).open("wb", buffering=0) as file:
            for at in range(0, size, PIECE):
                file.write(BLOCK[: size - at])

    def remove(self, name: str = "") -> None:
        """See ``Place``."""
        # A turn that failed may not have made it.
        shutil.rmtree(self._directory / name, ignore_errors=True)
