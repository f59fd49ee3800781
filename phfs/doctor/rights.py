"""What the keys may do below the prefix, one right after the other, and whether they reach further.

Owns the requests that find out. Writes below the run's own name only, and nothing where it could
not be removed again. Called by ``run``.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import trio

from phfs.config import MountConfig
from phfs.core.objects import Attributes, ByteRange, ETag, ObjectInfo, Part, UploadId
from phfs.doctor.examination import Verdict, fail, ok, skip, warn
from phfs.errors import (
    AccessDenied,
    Corrupted,
    NoSuchKey,
    NoSuchUpload,
    NotSupported,
    PreconditionFailed,
    StoreError,
)
from phfs.s3 import control
from phfs.s3.capabilities import Capabilities
from phfs.s3.client import S3Store
from phfs.s3.exchange import Request
from phfs.s3.opening import options_of
from phfs.s3.requests import Requests
from phfs.s3.sink import Bytes
from phfs.s3.store import Store

BODY = b"written by phfs doctor\n" * 512

NO_UPLOAD = UploadId("phfs-doctor-began-no-such-upload")
NO_PART = Part(1, ETag("0" * 32), len(BODY))
"""Completing such an upload needs the right to write, and changes nothing."""

ABORT_SECONDS = 5.0


class Rights:
    """Of one set of keys. ``store`` sees the run's own names, ``whole`` the mount's prefix,
    ``client`` the bucket."""

    def __init__(
        self, config: MountConfig, client: S3Store, whole: Store, store: Store, token: str
    ) -> None:
        self._config = config
        self._client = client
        self._whole = whole
        self._store = store
        self._token = token
        self.may_remove = False

    async def delete(self) -> Verdict:
        """Delete a name that is not there: what is written has to be removed again."""
        denied = await self._denied(lambda: self._store.delete("none"))
        self.may_remove = not denied
        return self._judged(denied, "delete", "s3:DeleteObject")

    async def write(self) -> Verdict:
        """Put an object; where it could not be removed, only ask whether one might be put."""
        if not self.may_remove:
            allowed = await self._may_write(self._client, self._config.prefix + self._token)
            verdict = self._judged(not allowed, "write", "s3:PutObject")
            return verdict if not allowed else ok("allowed; nothing was written, as it would stay")
        denied = await self._denied(lambda: self._store.put("write", [BODY], Attributes()))
        return self._judged(denied, "write", "s3:PutObject")

    async def read(self, *, written: bool) -> Verdict:
        """Get what was written, or some object that is there."""

        async def get_back() -> None:
            await self._get(self._store, (await self._store.head("write")).info, BODY)

        if written:
            return self._judged(await self._denied(get_back), "read", "s3:GetObject")
        page = await self._whole.list_page("", limit=100)
        found = next((info for info in page.objects if info.size), None)
        if found is None:
            return skip("there is nothing to be read below the prefix")
        return self._judged(
            await self._denied(lambda: self._get(self._whole, found)), "read", "s3:GetObject"
        )

    async def multipart(self) -> Verdict:
        """Put an object in parts, as every large file is."""

        async def upload() -> None:
            name = await self._store.create_upload("parts", Attributes())
            try:
                part = await self._store.put_part("parts", name, 1, [BODY])
                await self._store.complete_upload("parts", name, [part])
            except BaseException:
                with trio.move_on_after(ABORT_SECONDS, shield=True):
                    await self._store.abort_upload("parts", name)
                raise

        return self._judged(await self._denied(upload), "write in parts", "s3:PutObject")

    async def copy(self) -> Verdict:
        """Copy inside the store, as a rename does."""

        async def copy() -> None:
            info = (await self._store.head("write")).info
            await self._store.copy("write", "copy", if_match=info.etag)

        return self._judged(await self._denied(copy), "copy", "s3:GetObject, s3:PutObject")

    async def delete_many(self) -> Verdict:
        """Delete all that was written, in one request, and see that it is gone."""
        names = [info.key for info in (await self._store.list_page("")).objects]
        failures = await self._store.delete_many(names)
        if failures:
            denied = isinstance(failures[0].error, AccessDenied)
            if denied:
                return self._judged(denied, "delete many at once", "s3:DeleteObject")
            raise failures[0].error
        left = (await self._store.list_page("")).objects
        if left:
            return fail(
                f"{len(left)} objects are there after they were deleted",
                "Tell whoever runs the object store: files would come back.",
            )
        return ok("allowed")

    async def list_uploads(self) -> Verdict:
        """Which a mount does without."""
        config = self._config
        requests = Requests(
            options_of(config), control.credentials_of(vars(config)), Capabilities()
        )
        query = {"uploads": "", "prefix": config.prefix, "max-uploads": "1"}
        try:
            await requests.ask("list_uploads", Request("GET", None, query))
        except (AccessDenied, NotSupported):
            return ok("not allowed, and no mount needs it: its journal knows its uploads")
        finally:
            requests.exchange.close()
        return ok("allowed: phfs uploads list shows all there are")

    async def outside(self, *, writes: bool) -> Verdict:
        """Whether the keys reach what is not below the prefix, asked without changing anything."""
        config = self._config
        if not config.prefix:
            return skip("the prefix is the whole bucket")
        beside = config.prefix.rstrip("/").rpartition("/")[0]
        places = dict.fromkeys(["", f"{beside}/" if beside else ""])
        reached: dict[str, None] = {}
        for place in places:
            name = f"{place}{self._token}/x"
            if await self._may_list(place):
                reached["list"] = None
            if await self._may_read(name):
                reached["read"] = None
            if writes and await self._may_write(self._client, name):
                reached["write"] = None
        if not reached:
            return ok(f"nothing but {config.source}")
        who = f"--group {config.group}" if config.group else "--group GROUP"
        return warn(
            f"these keys reach more than {config.source}: they may {_listed(list(reached))} beside "
            "it",
            f"phfs provision {config.bucket} {who} makes keys for a group alone.",
        )

    async def promises(self) -> Verdict:
        """What the store keeps of S3's promises, as its answers have shown."""
        if self.may_remove:
            try:
                await self._store.put("write", [BODY], Attributes(), if_none_match=True)
            except PreconditionFailed:
                pass
            else:
                return fail(
                    "an object that was there was replaced in spite of If-None-Match",
                    "Do not rely on O_EXCL or lock files in this bucket.",
                )
        capabilities = self._client.capabilities
        missing = capabilities.not_guaranteed()
        server = capabilities.server or "the store does not say what it is"
        if missing:
            return warn(f"{server}: {' '.join(missing)}", "docs/semantics.md has the details.")
        return ok(f"{server} keeps all that a mount relies on")

    # -- how it is asked -------------------------------------------------------------------------

    async def _may_list(self, prefix: str) -> bool:
        try:
            await self._client.list_page(prefix, limit=1)
        except StoreError:
            return False
        return True

    async def _may_read(self, name: str) -> bool:
        try:
            await self._client.head(name)
        except NoSuchKey:
            return True
        except StoreError:
            return False
        return True

    async def _may_write(self, client: S3Store, name: str) -> bool:
        try:
            await client.complete_upload(name, NO_UPLOAD, [NO_PART])
        except NoSuchUpload:
            return True
        except StoreError:
            return False
        return True

    async def _get(self, store: Store, info: ObjectInfo, expected: bytes = b"") -> None:
        sink = Bytes.of(min(info.size, len(BODY)))
        span = ByteRange(0, len(sink.buffer))
        await store.get(info.key, span, sink, if_match=info.etag)
        if expected and bytes(sink.buffer) != expected:
            raise Corrupted("other bytes came than were written")

    async def _denied(self, work: Callable[[], Awaitable[object]]) -> bool:
        try:
            await work()
        except AccessDenied:
            return True
        return False

    def _judged(self, denied: bool, what: str, action: str) -> Verdict:  # noqa: FBT001
        if not denied:
            return ok("allowed")
        need = "" if what == "read" else ", or mount with --read-only"
        return fail(
            f"these keys may not {what} below {self._config.source} ({action})",
            f"Ask whoever manages the bucket for the right{need}; phfs provision makes keys that "
            "have it.",
        )


def _listed(words: list[str]) -> str:
    *others, last = words
    return f"{', '.join(others)} and {last}" if others else last
