"""The file system that fsspec knows as ``phfs``: a directory of s3fs's, or of the machine's.

Owns the shape of its paths, and that a process that was forked uses connections of its own. What
files are and how they are written is the business of what is below. Made by fsspec.
"""

# ruff: noqa: ARG002, FBT001, FBT002 - the arguments are those of fsspec's methods
from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from glob import has_magic
from pathlib import Path
from typing import Any

from fsspec.asyn import AsyncFileSystem, get_loop  # type: ignore[import-untyped]
from fsspec.implementations.dirfs import DirFileSystem  # type: ignore[import-untyped]

from phfs.config import MountConfig
from phfs.errors import Exists, Invalid, IsDirectory, NotFound, NotPermitted, Unsupported
from phfs.fsspec import paths
from phfs.fsspec.mounted import Mounted
from phfs.fsspec.places import place
from phfs.fsspec.refusals import refusal, told

_TUNING = ("default_block_size", "default_cache_type", "max_concurrency")
"""Options that s3fs is given as they are; a mount does not need them."""


class PhfsFileSystem(DirFileSystem):  # type: ignore[misc]
    """The files of one group, by paths that begin with ``/``.

    ``storage_options`` are the options of a mount that say where the files are (``bucket``,
    ``group``, ``endpoint_url`` …), or ``mount``; without any, the variables and files that a mount
    reads, or the mount that is there. Errors are ``OSError``.
    """

    protocol = paths.PROTOCOL
    root_marker = "/"
    # The variables may say something else by now; what costs time is kept in ``reuse``.
    cachable = False

    def __init__(
        self,
        *,
        asynchronous: bool = False,
        loop: Any = None,
        batch_size: int | None = None,
        **options: Any,
    ) -> None:
        tuning = {name: options.pop(name) for name in _TUNING if name in options}
        with told():
            self._place = place(options, os.environ)
        self._made = 0
        self._how: Mapping[str, Any] = {"asynchronous": asynchronous, "loop": loop, **tuning}
        inner = self._reach()
        super().__init__(
            path=_root(self._place),
            fs=inner,
            asynchronous=asynchronous,
            loop=loop,
            batch_size=batch_size,
        )
        self.async_impl = inner.async_impl

    def _reach(self) -> Any:
        if isinstance(self._place, Path):
            if self._how["asynchronous"]:
                raise refusal(Unsupported("A mount cannot be used with asynchronous=True.", ""))
            return Mounted(str(self._place))
        from phfs.fsspec.reuse import objects

        with told():
            return objects(self._place, **self._how)

    @property
    def fs(self) -> Any:
        """What is below, with connections of this process's own."""
        if self._made != os.getpid():
            self.fs = self._reach()
            if not self.asynchronous:
                self._pid, self._loop = os.getpid(), get_loop()
        return self._below

    @fs.setter
    def fs(self, below: Any) -> None:
        self._below, self._made = below, os.getpid()

    @property
    def loop(self) -> Any:
        """The loop of this process, for what fsspec does in several requests."""
        _ = self.fs
        return AsyncFileSystem.loop.fget(self)

    @property
    def transaction(self) -> Any:
        """Files written inside appear at its end."""
        return self.fs.transaction

    # -- paths ---------------------------------------------------------------------------------

    @classmethod
    def _strip_protocol(cls, path: Any) -> Any:
        if isinstance(path, list):
            return [cls._strip_protocol(each) for each in path]
        try:
            with told():
                return paths.stripped(os.fspath(path))
        except TypeError:
            raise refusal(Invalid(f"{path!r} is no path.")) from None

    def _join(self, path: Any) -> Any:
        if isinstance(path, Mapping):
            return {self._join(each): value for each, value in path.items()}
        if not isinstance(path, str | os.PathLike):
            return [self._join(each) for each in path]
        inner = self._strip_protocol(path).removeprefix("/")
        end = "/" if inner and os.fspath(path).endswith("/") else ""
        return f"{self.path}/{inner}{end}" if inner else self.path

    def _relpath(self, path: Any) -> Any:
        if not isinstance(path, str):
            return [self._relpath(each) for each in path]
        return "/" + path.removeprefix(self.path).strip("/")

    # -- files ---------------------------------------------------------------------------------

    def open(self, path: str, mode: str = "rb", **kwargs: Any) -> Any:
        """A file; what is written is there when it is closed. ``x`` in ``mode`` refuses one that is
        there already."""
        if mode[0] in "wxa" and os.fspath(path).endswith("/"):
            raise refusal(IsDirectory(f"{path} is a directory's name.", "Name a file in it."))
        if "x" in mode and self.exists(path):
            # s3fs lets the store decide, but not of a file that stays empty.
            raise refusal(Exists(f"{path} exists already.", "Choose another name."))
        return self.fs.open(self._join(path), mode, **kwargs)

    # -- removing, moving ----------------------------------------------------------------------

    def rm(self, path: Any, recursive: bool = False, maxdepth: int | None = None) -> None:
        """Remove files; ``recursive`` also directories with all that is in them.

        Names are taken as they are, never as patterns.
        """
        named = self._named(path, maxdepth)
        with _as_named(named):
            self.fs.rm(self._join(named), recursive=recursive)

    async def _rm(
        self, path: Any, recursive: bool = False, maxdepth: int | None = None, **kwargs: Any
    ) -> None:
        named = self._named(path, maxdepth)
        with _as_named(named):
            await super()._rm(named, recursive=recursive, **kwargs)

    def _named(self, path: Any, maxdepth: int | None) -> list[Any]:
        """The paths that are to be removed, if they may be."""
        named = [path] if isinstance(path, str | os.PathLike) else list(path)
        self._keep_root(*named)
        if maxdepth is not None:
            raise refusal(Unsupported("rm of phfs:// knows no maxdepth.", "Name what is to go."))
        return named

    def delete(self, path: Any, recursive: bool = False, maxdepth: int | None = None) -> None:
        """As ``rm``."""
        self.rm(path, recursive=recursive, maxdepth=maxdepth)

    def rm_file(self, path: str, **kwargs: Any) -> None:
        """Remove a file."""
        self.rm(path)

    async def _rm_file(self, path: str, **kwargs: Any) -> None:
        await self._rm(path)

    def rmdir(self, path: str) -> None:
        """Remove an empty directory."""
        self._keep_root(path)
        self.fs.rmdir(self._join(path))

    def mv(
        self,
        path1: str,
        path2: str,
        recursive: bool | None = None,
        maxdepth: int | None = None,
        **kwargs: Any,
    ) -> None:
        """Rename a file or a directory, or move it into the directory ``path2``.

        Names are taken as they are. ``recursive=False`` refuses a directory.
        """
        for path in (path1, path2):
            if not isinstance(path, str | os.PathLike):
                raise refusal(Invalid(f"{path!r} is no path.", "Move one after the other."))
        if maxdepth is not None:
            raise refusal(Unsupported("mv of phfs:// knows no maxdepth.", "Name what is to go."))
        self._keep_root(path1)
        source = self._strip_protocol(path1)
        target = self._target(source, path2)
        if recursive is False and self.isdir(source):
            raise refusal(IsDirectory(f"{source} is a directory.", "Give recursive=True."))
        self.fs.mv(self._join(source), self._join(target))

    async def _mv_file(self, path1: str, path2: str) -> None:
        _keep_outside(self._strip_protocol(path1), self._strip_protocol(path2))
        await super()._mv_file(path1, path2)

    def _target(self, source: str, path: str) -> str:
        """The name that ``source`` will have. Refuses one at or below ``source``, by which it
        would be deleted, and one that a directory has."""
        target: str = self._strip_protocol(path)
        _keep_outside(source, target)
        if not (os.fspath(path).endswith("/") or self.isdir(target)):
            return target
        target = f"{target.removesuffix('/')}/{source.rpartition('/')[2]}"
        _keep_outside(source, target)
        if self.isdir(target):
            raise refusal(Exists(f"{target} is a directory already.", "Choose another name."))
        return target

    def _keep_root(self, *paths: Any) -> None:
        if "/" in map(self._strip_protocol, paths):
            raise refusal(
                NotPermitted(
                    "phfs:/// is the directory of the whole group, which is not removed or moved.",
                    "Name what is in it.",
                )
            )

    def __repr__(self) -> str:
        return f"PhfsFileSystem({_shown(self._place)})"


def _root(found: MountConfig | Path) -> str:
    if isinstance(found, Path):
        return str(found)
    return f"{found.bucket}/{found.prefix}".rstrip("/")


def _shown(found: MountConfig | Path) -> str:
    return str(found) if isinstance(found, Path) else found.source


def _keep_outside(source: str, target: str) -> None:
    if f"{target}/".startswith(f"{source}/"):
        raise refusal(
            Invalid(
                f"phfs://{source} cannot be moved to phfs://{target}, which is itself or in it.",
                "Choose another name.",
            )
        )


@contextmanager
def _as_named(paths: list[Any]) -> Iterator[None]:
    """Who gives a pattern that is no file's name is told how patterns are removed."""
    try:
        yield
    except FileNotFoundError as error:
        for each in map(os.fspath, paths):
            if has_magic(each):
                why = f"{each}: there is no file of that name, and rm takes no patterns."
                raise refusal(NotFound(why, "Give it what glob finds.")) from error
        raise
