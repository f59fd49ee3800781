"""The files of one prefix of one bucket, by way of s3fs, as a mount has them.

Owns how they are changed, where that is not as in s3fs: directories made and removed as a mount
does it, a delete that ends at the directory's boundary and says what it could not delete, a move
that deletes nothing but what it has copied. Made by ``reuse``.
"""

# ruff: noqa: ARG002, FBT001, FBT002 - the arguments are those of fsspec's methods
from __future__ import annotations

from typing import Any

from fsspec.asyn import _run_coros_in_chunks, sync_wrapper  # type: ignore[import-untyped]
from s3fs.core import MANAGED_COPY_THRESHOLD  # type: ignore[import-untyped]

from phfs.errors import (
    IsDirectory,
    NotDirectory,
    NotEmpty,
    OperationFailed,
    Stale,
    StoreError,
)
from phfs.fsspec.refusals import refusal
from phfs.fsspec.requests import Requests
from phfs.s3.answers import error_of
from phfs.s3.store import MAX_DELETE
from phfs.s3.xml import Failure


class Objects(Requests):
    """The objects under ``config``'s prefix. Paths are ``bucket/key``, and never outside it."""

    def _open(self, path: str, mode: str = "rb", *args: Any, **kwargs: Any) -> Any:
        if mode[0] in "wxa":
            # Now, and not when hours of work are written.
            self.check_place(path)
        return super()._open(path, mode, *args, **kwargs)

    async def _mkdir(self, path: str, create_parents: bool = True, **kwargs: Any) -> None:
        if await self._exists(path):
            raise FileExistsError(f"{self._shown(self._key(path))} exists already.")
        if not create_parents and not await self._isdir(self._parent(path)):
            raise self._missing(self._parent(path))
        await self._check_above(path)
        if self._config.dir_markers:
            place = {"Bucket": self._config.bucket, "Key": self._key(path) + "/"}
            await self._call_s3("put_object", **place, Body=b"", free=True)

    mkdir = sync_wrapper(_mkdir)

    async def _makedirs(self, path: str, exist_ok: bool = False) -> None:
        try:
            await self._mkdir(path)
        except FileExistsError:
            if not (exist_ok and await self._isdir(path)):
                raise

    makedirs = sync_wrapper(_makedirs)

    async def _rmdir(self, path: str) -> None:
        marker = self._key(path) + "/"
        below = await self._lsdir(self._strip_protocol(path), delimiter="", max_items=2)
        if not below:
            raise self._missing(path)
        if any(self.split_path(entry["name"])[1] != marker for entry in below):
            raise refusal(NotEmpty(f"{self._shown(marker)} is not empty."))
        await self._delete([marker])

    rmdir = sync_wrapper(_rmdir)

    async def _rm(
        self,
        path: Any,
        recursive: bool = False,
        maxdepth: int | None = None,
        **kwargs: Any,
    ) -> None:
        keys: list[str] = []
        # Never as patterns: "data[1].csv" would stand for "data1.csv".
        for each in map(self._strip_protocol, [path] if isinstance(path, str) else path):
            # With the slash, so that "a" does not stand for "ab/".
            limit = None if recursive else 1
            below = await self._lsdir(each, delimiter="", max_items=limit)
            if below and not recursive:
                shown = self._shown(self._key(each))
                raise refusal(IsDirectory(f"{shown} is a directory.", "Give recursive=True."))
            if not below:
                await self._info(each)
            keys += [self.split_path(entry["name"])[1] for entry in below] or [self._key(each)]
        await self._delete(list(dict.fromkeys(keys)))

    async def _rm_file(self, path: str, **kwargs: Any) -> None:
        await self._rm(path)

    async def _delete(self, keys: list[str]) -> None:
        """Delete objects, and tell of the first that was not."""
        for start in range(0, len(keys), MAX_DELETE):
            batch = {"Objects": [{"Key": key} for key in keys[start : start + MAX_DELETE]]}
            answer = await self._call_s3(
                "delete_objects", Bucket=self._config.bucket, Delete={**batch, "Quiet": True}
            )
            for failed in answer.get("Errors", ()):
                said = Failure(str(failed.get("Code")), str(failed.get("Message", "")))
                error: StoreError | OperationFailed = error_of(
                    self._shown(str(failed.get("Key"))), 403, said
                )
                raise refusal(error)

    async def _cp_file(self, path1: str, path2: str, *args: Any, **kwargs: Any) -> None:
        try:
            await super()._cp_file(path1, path2, *args, **kwargs)
        except (FileNotFoundError, IsADirectoryError):
            # Of a directory only its marker is an object; fsspec names it beside what is in it.
            below = await self._lsdir(self._strip_protocol(path1), delimiter="", max_items=1)
            if not below:
                raise
            if self.split_path(below[0]["name"])[1] == self._key(path1) + "/":
                await self._makedirs(path2, exist_ok=True)

    async def _mv(self, path1: str, path2: str) -> None:
        """Copy inside the store, then delete what was copied; of a directory everything in it.

        ``path2`` is no directory, and not below ``path1``.
        """
        found = await self._versions(path1)
        source, target = self._key(path1), self._key(path2)
        if source not in found and await self._isfile(path2):
            raise refusal(NotDirectory(f"{self._shown(target)} is a file.", "Choose another name."))
        await self._check_above(path2)
        copies = [
            self._copy_object(key, target + key.removeprefix(source), size)
            for key, (_, size) in found.items()
        ]
        for failed in await _run_coros_in_chunks(
            copies, batch_size=self.batch_size, return_exceptions=True, nofiles=True
        ):
            if isinstance(failed, BaseException):
                raise failed
        try:
            now = await self._versions(path1)
        except FileNotFoundError:
            now = {}
        await self._delete([key for key, version in found.items() if now.get(key) == version])
        newer = [key for key, version in found.items() if now.get(key, version) != version]
        if newer:
            raise refusal(
                Stale(
                    f"{self._shown(newer[0])} was written again while it was moved to "
                    f"{self._shown(target)}; the new version is where it was.",
                    "Move it again.",
                )
            )

    mv = sync_wrapper(_mv)

    async def _versions(self, path: str) -> dict[str, tuple[str, int]]:
        """The version and the size of each object below a directory, or of the file."""
        below = await self._lsdir(self._strip_protocol(path), delimiter="")
        found = below or [await self._info(path)]
        return {self.split_path(it["name"])[1]: (it.get("ETag", ""), it["size"]) for it in found}

    async def _copy_object(self, source: str, target: str, size: int) -> None:
        bucket = self._config.bucket
        if size > MANAGED_COPY_THRESHOLD:
            await self._copy_managed(f"{bucket}/{source}", f"{bucket}/{target}", size)
            return
        old = {"Bucket": bucket, "Key": source}
        await self._call_s3("copy_object", Bucket=bucket, Key=target, CopySource=old, free=True)
