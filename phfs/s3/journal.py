"""Remembers multipart uploads under way on the local disk, so that a crash leaves none for ever.

Owns one file per process in the state directory: a line of JSON when an upload begins and one when
it ends, locked (flock) while the process lives. The first line names the ``origin``, the place in
the store the uploads belong to. At the next start the files that nobody locks any more are worked
off. Never looks into the store for uploads: a key that is allowed only its group's objects may not
list them. Called by ``mount``; ``JournaledStore`` by ``vfs`` through the port.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import json
import logging
import os
import uuid
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from phfs.config import MountConfig
from phfs.core.objects import Attributes, ByteRange, ETag, Page, Part, Stored, UploadId
from phfs.errors import ConfigError, NoSuchUpload, StoreError
from phfs.s3.store import Body, DeleteFailure, Described, Kept, Sink, Store

log = logging.getLogger(__name__)

COMPACT_BYTES = 256 * 1024
"""Above this size the file starts afresh whenever no upload is under way."""


class UploadJournal:
    """The journal of this process for ``origin`` in ``directory``.

    ``origin`` is any text that is the same for the same endpoint, bucket and prefix. Raises
    ``ConfigError`` if the directory is missing or cannot be written.
    """

    def __init__(self, directory: Path, origin: str) -> None:
        self._under_way: dict[UploadId, str] = {}
        self._header = _line({"origin": origin, "pid": os.getpid()})
        name = uuid.uuid4().hex
        self.path = directory / f"{_stem(origin)}{name}.jsonl"
        unlocked = directory / f".{name}"
        try:
            flags = os.O_CREAT | os.O_EXCL | os.O_APPEND | os.O_WRONLY
            self._file = os.open(unlocked, flags, 0o600)
            # It gets the name others look for only when it is locked: they would take it for dead.
            fcntl.flock(self._file, fcntl.LOCK_EX)
            os.write(self._file, self._header)
            unlocked.rename(self.path)
        except OSError as error:
            raise ConfigError(
                f"the state directory {directory} cannot be used: {error.strerror}",
                "Make the directory, or name a writable one with --state-dir.",
            ) from error

    def begun(self, key: str, upload: UploadId) -> None:
        """Write down that an upload is under way."""
        self._under_way[upload] = key
        self._append({"begun": upload, "key": key})

    def ended(self, upload: UploadId) -> None:
        """Write down that an upload is published or thrown away."""
        if self._under_way.pop(upload, None) is None:
            return
        self._append({"ended": upload})
        if not self._under_way and os.fstat(self._file).st_size > COMPACT_BYTES:
            os.ftruncate(self._file, len(self._header))

    def close(self) -> None:
        """Release the file; it stays for the next start only if an upload is still under way."""
        if not self._under_way:
            self.path.unlink(missing_ok=True)
        os.close(self._file)

    def _append(self, entry: dict[str, str]) -> None:
        try:
            os.write(self._file, _line(entry))
        except OSError as error:
            # A full local disk is no reason to refuse a write to the store.
            log.warning("an upload is not written down in %s: %s", self.path, error.strerror)


async def abort_leftovers(store: Store, directory: Path, origin: str) -> int:
    """Throw away the uploads that dead processes left under way at ``origin``; how many.

    Keys in the journals are those of the ``JournaledStore`` that wrote them: ``store`` has to
    stand at the same place. What cannot be aborted now is logged and left for the next start.
    """
    aborted = 0
    for path in sorted(directory.glob(f"{_stem(origin)}*.jsonl")):
        with _abandoned(path) as journal:
            if journal is None:
                continue
            failures = 0
            for upload, key in _unfinished(journal).items():
                try:
                    await store.abort_upload(key, upload)
                    aborted += 1
                except StoreError as error:
                    failures += 1
                    log.warning("an unfinished upload of %s stays for now: %s", key, error.why)
            if not failures:
                path.unlink(missing_ok=True)
    return aborted


class Noted(NamedTuple):
    """An upload that stands in a journal. ``living``: its process is still there; ``changed``: when
    the journal last was, in epoch seconds."""

    key: str
    upload: UploadId
    living: bool
    changed: float


def noted(directory: Path, origin: str) -> list[Noted]:
    """The uploads under way, or left behind, by the journals for ``origin`` in ``directory``."""
    found = []
    for path in sorted(directory.glob(f"{_stem(origin)}*.jsonl")):
        try:
            file = path.open("rb")
        except OSError:  # ended meanwhile, or not ours
            continue
        with file:
            try:
                fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
                living = False
            except BlockingIOError:
                living = True
            changed = os.fstat(file.fileno()).st_mtime
            for upload, key in _unfinished(file.read()).items():
                found.append(Noted(key, upload, living, changed))
    return found


def origin_of(config: MountConfig) -> str:
    """The place in a store that a mount's journals are for."""
    return f"{config.endpoint_url or 'Amazon S3'} {config.source}"


class JournaledStore:
    """Wraps ``store``; every multipart upload stands in ``journal`` while it is under way."""

    def __init__(self, store: Store, journal: UploadJournal) -> None:
        self._store = store
        self._journal = journal

    async def head(self, key: str) -> Described:
        """Pass on."""
        return await self._store.head(key)

    async def kept(self, key: str, *, part: int = 0) -> Kept:
        """Pass on."""
        return await self._store.kept(key, part=part)

    async def get(
        self, key: str, byte_range: ByteRange, sink: Sink, *, if_match: ETag, whole: bool = False
    ) -> None:
        """Pass on."""
        await self._store.get(key, byte_range, sink, if_match=if_match, whole=whole)

    async def list_page(
        self,
        prefix: str,
        *,
        delimiter: str = "",
        token: str | None = None,
        start_after: str = "",
        limit: int = 1000,
    ) -> Page:
        """Pass on."""
        return await self._store.list_page(
            prefix, delimiter=delimiter, token=token, start_after=start_after, limit=limit
        )

    async def put(
        self, key: str, body: Body, attributes: Attributes, *, if_none_match: bool = False
    ) -> Stored:
        """Pass on."""
        return await self._store.put(key, body, attributes, if_none_match=if_none_match)

    async def copy(self, source: str, target: str, *, if_match: ETag) -> Stored:
        """Pass on."""
        return await self._store.copy(source, target, if_match=if_match)

    async def delete(self, key: str) -> None:
        """Pass on."""
        await self._store.delete(key)

    async def delete_many(self, keys: Sequence[str]) -> list[DeleteFailure]:
        """Pass on."""
        return await self._store.delete_many(keys)

    async def tags(self, key: str) -> str:
        """Pass on."""
        return await self._store.tags(key)

    async def create_upload(
        self, key: str, attributes: Attributes, *, tagging: str = "", summed: bool = False
    ) -> UploadId:
        """Begin an upload and write it down before anybody learns its id."""
        upload = await self._store.create_upload(key, attributes, tagging=tagging, summed=summed)
        self._journal.begun(key, upload)
        return upload

    async def put_part(self, key: str, upload: UploadId, number: int, body: Body) -> Part:
        """Pass on."""
        return await self._store.put_part(key, upload, number, body)

    async def copy_part(
        self,
        key: str,
        upload: UploadId,
        number: int,
        source: str,
        byte_range: ByteRange,
        *,
        if_match: ETag,
    ) -> Part:
        """Pass on."""
        return await self._store.copy_part(
            key, upload, number, source, byte_range, if_match=if_match
        )

    async def complete_upload(
        self, key: str, upload: UploadId, parts: Sequence[Part], *, if_none_match: bool = False
    ) -> Stored:
        """Publish an upload; it has ended then, or if the store does not know it any more."""
        try:
            stored = await self._store.complete_upload(
                key, upload, parts, if_none_match=if_none_match
            )
        except NoSuchUpload:
            self._journal.ended(upload)
            raise
        self._journal.ended(upload)
        return stored

    async def abort_upload(self, key: str, upload: UploadId) -> None:
        """Throw an upload away; it has ended when the store says so."""
        await self._store.abort_upload(key, upload)
        self._journal.ended(upload)


def _stem(origin: str) -> str:
    return f"uploads-{hashlib.sha256(origin.encode()).hexdigest()[:16]}-"


def _line(entry: Mapping[str, object]) -> bytes:
    return json.dumps(entry).encode() + b"\n"


@contextlib.contextmanager
def _abandoned(path: Path) -> Iterator[bytes | None]:
    """The content of a journal, locked meanwhile; None if its process lives, or it is not ours."""
    try:
        file = path.open("rb")
    except OSError:
        yield None
        return
    with file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            yield None
            return
        yield file.read()


def _unfinished(journal: bytes) -> dict[UploadId, str]:
    """The uploads begun and not ended, with their keys; the last line may be torn."""
    under_way: dict[UploadId, str] = {}
    for line in journal.splitlines():
        try:
            entry = json.loads(line)
        except ValueError:
            continue
        match entry:
            case {"begun": str(upload), "key": str(key)}:
                under_way[UploadId(upload)] = key
            case {"ended": str(upload)}:
                under_way.pop(UploadId(upload), None)
    return under_way
