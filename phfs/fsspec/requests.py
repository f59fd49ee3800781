"""s3fs, kept to one prefix of one bucket and to the names that a mount has.

Owns what is different in what is asked of the store: keys that follow their source, no listings
remembered, paths that are keys to the letter, no file where a directory is, links that end, errors
with a reason; and what is there. The base of ``objects``.
"""

# ruff: noqa: FBT001, FBT002 - the arguments are those of fsspec's methods
from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any

from aiobotocore.session import AioSession  # type: ignore[import-untyped]
from botocore.exceptions import BotoCoreError
from fsspec.asyn import sync_wrapper  # type: ignore[import-untyped]
from s3fs import S3FileSystem  # type: ignore[import-untyped]

from phfs.config import MountConfig
from phfs.core.content_type import content_type
from phfs.core.names import MAX_KEY, check_new_name, split_key
from phfs.errors import (
    ConnectionFailed,
    Invalid,
    IsDirectory,
    NoSuchBucket,
    NotDirectory,
    NotFound,
    PhfsError,
    ReadOnly,
)
from phfs.fsspec.keys import FollowedKeys
from phfs.fsspec.refusals import refusal, told
from phfs.s3 import control
from phfs.s3.answers import error_of
from phfs.s3.refusals import place_of
from phfs.s3.sign import MAX_LINK_SECONDS
from phfs.s3.xml import Failure

_READING = ("get_", "head_", "list_")
_MAKING = ("put_object", "create_multipart_upload", "copy_object")


class Requests(S3FileSystem):  # type: ignore[misc]
    """Requests for what is under ``config``'s prefix. Paths are ``bucket/key``."""

    cachable = False

    def __init__(self, config: MountConfig, **kwargs: Any) -> None:
        session = AioSession()
        session._credentials = FollowedKeys(control.credentials_of(vars(config)))
        client = {"region_name": control.region(region=config.region, profile=config.profile)}
        if config.ca_bundle is not None:
            control.check_ca_bundle(config.ca_bundle)
            client["verify"] = str(config.ca_bundle)
        style = {"on": "path", "off": "virtual"}.get(config.path_style, "auto")
        new = {
            "StorageClass": config.storage_class,
            "ServerSideEncryption": config.sse,
            "SSEKMSKeyId": config.sse_kms_key,
        }
        super().__init__(
            endpoint_url=config.endpoint_url,
            session=session,
            client_kwargs=client,
            config_kwargs={
                "s3": {"addressing_style": style},
                # Links of the older signature are valid for as long as one likes.
                "signature_version": "s3v4",
                "connect_timeout": config.timeout,
                "read_timeout": config.timeout,
            },
            s3_additional_kwargs={name: value for name, value in new.items() if value},
            # Another pod may have written meanwhile.
            use_listings_cache=False,
            **kwargs,
        )
        self._config = config
        self._root = f"{config.bucket}/{config.prefix}".rstrip("/")

    # -- requests ------------------------------------------------------------------------------

    async def _call_s3(self, method: str, *akwarglist: Any, **kwargs: Any) -> Any:
        key = _key_of(kwargs)
        # ``free``: the caller knows that no file stands in the way, or makes a directory's marker.
        free = kwargs.pop("free", False)
        if not method.startswith(_READING):
            with told():
                self._check_change(method, key, free=free)
        if method in _MAKING and not free:
            await self._check_place(f"{self._config.bucket}/{key}")
        try:
            if method in _MAKING and not any("ContentType" in one for one in akwarglist):
                kwargs.setdefault("ContentType", content_type(key))
            return await super()._call_s3(method, *akwarglist, **kwargs)
        except PhfsError as error:
            raise refusal(error) from error
        except OSError as error:
            raise self._explained(error, key) from error
        except BotoCoreError as error:
            place = place_of(self._config.endpoint_url)
            why = f"{self._shown(key)}: {place} cannot be used: {str(error).rstrip('.')}."
            raise refusal(ConnectionFailed(why)) from error

    call_s3 = sync_wrapper(_call_s3)

    def _check_change(self, method: str, key: str, *, free: bool) -> None:
        if self._config.read_only:
            raise ReadOnly(f"{self._shown(key)} cannot be changed: read_only is on.")
        if method not in _MAKING:
            return
        if key.endswith("/") and not free:
            raise IsDirectory(f"{self._shown(key)}/ is a directory's name.", "Name a file in it.")
        above, room = "", MAX_KEY - len(self._config.prefix.encode())
        for name in split_key(key.removeprefix(self._config.prefix)):
            check_new_name(above, name, room)
            above += f"{name}/"

    async def _check_place(self, path: str) -> None:
        """Refuse a file where a directory is, or below a file: some stores then list one of the two
        no more, and a mount cannot show both."""
        taken = self._is_root(path)
        if not taken:
            taken, _ = await asyncio.gather(self._holds(path), self._check_above(path))
        if taken:
            shown = self._shown(self.split_path(path)[1])
            raise refusal(IsDirectory(f"{shown} is a directory.", "Name a file in it."))

    check_place = sync_wrapper(_check_place)

    async def _check_above(self, path: str) -> None:
        """Refuse what would be below a file."""
        above = self._parent(path)
        while not await self._isdir(above):
            if await self._isfile(above):
                shown = self._shown(self._key(above))
                why = f"{shown} is a file, and nothing can be in it."
                raise refusal(NotDirectory(why, "Choose another name."))
            above = self._parent(above)

    async def _holds(self, path: str) -> bool:
        """Whether anything is below a path, the marker of an empty directory included."""
        below = await self._lsdir(self._strip_protocol(path), delimiter="", max_items=1)
        return bool(below)

    def _explained(self, error: OSError, key: str) -> OSError:
        """The error with a sentence; of the same class, by which s3fs decides what comes next."""
        answer: Any = getattr(error.__cause__, "response", None)
        if not isinstance(answer, Mapping):
            return error
        code = str(answer.get("Error", {}).get("Code", ""))
        status = int(answer.get("ResponseMetadata", {}).get("HTTPStatusCode", 0))
        if code.isdigit():  # a HEAD's answer has no code
            status, code = int(code), ""
        message = "" if not code else str(answer["Error"].get("Message", ""))
        meant = error_of(self._shown(key), status, Failure(code, message))
        if isinstance(meant, NoSuchBucket):
            # Not "not found": nobody is to take the files for missing.
            place = place_of(self._config.endpoint_url)
            why = f"{self._shown(key)}: there is no bucket {self._config.bucket!r} at {place}."
            return refusal(NoSuchBucket(why, "Check the bucket's name and endpoint_url."))
        found = refusal(meant)
        if type(found) is type(error):
            return found
        return type(error)(found.errno, found.strerror) if error.errno is None else error

    def _shown(self, key: str) -> str:
        inner = f"{key.removesuffix('/')}/".removeprefix(self._config.prefix)
        return f"phfs:///{inner.removesuffix('/')}"

    async def _url(self, path: str, expires: int = 3600, *args: Any, **kwargs: Any) -> str:
        if not 1 <= expires <= MAX_LINK_SECONDS:
            raise refusal(
                Invalid(
                    f"{self._shown(self.split_path(path)[1])}: a link cannot be valid for "
                    f"{expires} seconds.",
                    f"Give an expiration from 1 to {MAX_LINK_SECONDS}, which are seven days.",
                )
            )
        link: str = await super()._url(path, expires, *args, **kwargs)
        return link

    url = sync_wrapper(_url)

    # -- paths ---------------------------------------------------------------------------------

    def split_path(self, path: str) -> tuple[str, str, None]:
        """Bucket and key. No path names a version: what s3fs takes for one belongs to the name."""
        end = path[len(path.rstrip("/")) :]
        bucket, key = self._find_bucket_key(self._strip_protocol(path).lstrip("/"))
        return bucket, f"{key}{end}" if key else "", None

    def _key(self, path: str) -> str:
        return self.split_path(path)[1].removesuffix("/")

    def _is_root(self, path: str) -> bool:
        return bool(self._strip_protocol(path).rstrip("/") == self._root)

    # -- looking -------------------------------------------------------------------------------

    def _missing(self, path: str) -> OSError:
        shown = self._shown(self._key(path))
        return refusal(NotFound(f"{shown}: there is no such file or directory."))

    async def _info(self, path: str, *args: Any, **kwargs: Any) -> Any:
        if self._is_root(path):
            # Keys of a group may ask for nothing that is above what is in it.
            return {"name": self._root, "size": 0, "type": "directory"}
        try:
            return await super()._info(path, *args, **kwargs)
        except FileNotFoundError:
            raise self._missing(path) from None
        except PermissionError:
            # Stores say 403 to a HEAD of what is not there, unless one may list everything.
            if await self._holds(path):
                return {"name": self._strip_protocol(path), "size": 0, "type": "directory"}
            parent = await self._lsdir(self._parent(path))
            if any(entry["name"] == self._strip_protocol(path) for entry in parent):
                raise
            raise self._missing(path) from None

    async def _exists(self, path: str) -> bool:
        try:
            await self._info(path)
        except FileNotFoundError:
            return False
        return True

    exists = sync_wrapper(_exists)

    async def _isdir(self, path: str) -> bool:
        return self._is_root(path) or await self._holds(path)

    isdir = sync_wrapper(_isdir)

    async def _isfile(self, path: str) -> bool:
        try:
            return bool((await self._info(path))["type"] == "file")
        except FileNotFoundError:
            return False

    async def _ls(self, path: str, detail: bool = False, **kwargs: Any) -> Any:
        if self._is_root(path):
            files = await self._lsdir(self._root)
        else:
            try:
                files = await super()._ls(path, detail=True, **kwargs)
            except FileNotFoundError:
                raise self._missing(path) from None
        shown = [entry for entry in files if not _is_marker(entry)]
        return shown if detail else sorted(entry["name"] for entry in shown)

    async def _find(
        self, path: str, maxdepth: int | None = None, withdirs: bool | None = None, **kwargs: Any
    ) -> Any:
        detail = kwargs.pop("detail", False)
        found = await super()._find(path, maxdepth, withdirs, detail=True, **kwargs)
        shown = {
            name: entry
            for name, entry in found.items()
            if not _is_marker(entry) and (withdirs or entry["type"] == "file")
        }
        return shown if detail else list(shown)

    find = sync_wrapper(_find)


def _key_of(arguments: Mapping[str, Any]) -> str:
    """The key, or the first of several, that a request is about."""
    if "Delete" in arguments:
        return str(arguments["Delete"]["Objects"][0]["Key"])
    return str(arguments.get("Key", arguments.get("Prefix", "")))


def _is_marker(entry: Mapping[str, Any]) -> bool:
    """An object that stands for a directory, which is shown as one."""
    return str(entry["name"]).endswith("/")
