"""Carries one handle's written bytes to the store: buffers, parts, commit, abort.

Owns the buffer of a write handle, its multipart upload and the parts under way. What may be
written when is decided by ``core/upload``; who may write by ``files``. Called by ``files`` under
the handle's lock.

Whoever begins a multipart upload here ends it here: it is completed, or aborted in a shielded
scope with a deadline, whatever happened.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import trio

from phfs.core.content_type import content_type
from phfs.core.objects import Attributes, ByteRange, ETag, Part, Stored, UploadId
from phfs.core.upload import Action, Event, State, Upload
from phfs.errors import (
    Corrupted,
    Exists,
    NoSuchKey,
    OperationFailed,
    PhfsError,
    PreconditionFailed,
    Stale,
    StoreError,
    TooLarge,
)
from phfs.s3.store import MAX_PARTS, MAX_SINGLE_COPY, MIN_PART
from phfs.vfs.partbuffer import PartBuffer
from phfs.vfs.tasks import Turn
from phfs.vfs.uploads import UploadService

log = logging.getLogger(__name__)


class Writer:
    """The bytes of one write handle. ``key`` gives the object's key of the moment."""

    def __init__(
        self, service: UploadService, upload: Upload, key: Callable[[], str], *, exclusive: bool
    ) -> None:
        self.upload = upload
        self._service = service
        self._key = key
        self._exclusive = exclusive
        self._buffer = PartBuffer()
        self._committed: ETag | None = None
        self._upload_key = ""
        self._upload_id: UploadId | None = None
        self._creating = Turn()
        self._parts: dict[int, Part] = {}
        self._last_part = 0
        self._sending: set[trio.CancelScope] = set()
        self._sent = trio.Event()
        self._error: PhfsError | None = None
        self.begun = trio.current_time()
        """When the bytes of now began to come, by trio's clock."""
        self.waits_for = ""
        """What holds up the program that writes; empty if nothing does."""

    @property
    def destination(self) -> str:
        """The key that the bytes written go to."""
        return self._key() if self._upload_id is None else self._upload_key

    @property
    def stored(self) -> int:
        """Bytes of what is written now that the store has confirmed."""
        return sum(part.size for part in self._parts.values())

    async def append(self, data: bytes) -> None:
        """Take bytes at the end. Waits for memory; raises what a part already sent ran into."""
        if self._error is not None:
            raise self._error
        if not self.upload.dirty:
            self.begun = trio.current_time()
        if self.upload.state is State.COMMITTED and self._buffer.size == 0 and self.upload.end:
            await self._continue_committed()
        await self._charge(len(data))
        self._buffer.append(data)
        self.upload.wrote(len(data))
        if self._buffer.size >= self._service.target(self._last_part + 1):
            await self._spill()

    async def _charge(self, length: int) -> None:
        """Take memory for ``length`` more bytes. Where it is short, what is held goes out first."""
        budget = self._service.budget
        cost = self._buffer.cost(length)
        if cost and not budget.try_acquire(cost, for_write=True):
            if self._buffer.size >= MIN_PART:
                await self._spill()
                cost = self._buffer.cost(length)
            with self._waiting_for("memory"):
                await budget.acquire(cost, for_write=True)
        if self._buffer.size == 0:
            self._service.writing += 1

    @contextmanager
    def _waiting_for(self, what: str) -> Iterator[None]:
        self.waits_for = what
        try:
            yield
        finally:
            self.waits_for = ""

    async def _spill(self) -> None:
        await self._send_part()
        self.upload.fire(Event.SEND)

    async def commit(self, action: Action) -> Stored:
        """Publish everything written. Raises ``Exists`` when an exclusive create came second."""
        self.upload.fire(Event.FLUSH)
        exclusive = self._exclusive and self._committed is None
        try:
            if action is Action.PUT:
                stored = await self._put(if_none_match=exclusive)
            else:
                stored = await self._complete(if_none_match=exclusive)
        except PreconditionFailed as error:
            if not exclusive:
                raise
            raise Exists(
                f"{self.upload.path} was created by somebody else while it was being written.",
                "Choose another name, or look at the file that is there now.",
            ) from error
        self.upload.fire(Event.STORED)
        self._committed = stored.etag
        return stored

    def moved(self, etag: ETag) -> None:
        """The committed object was renamed; its copy has this ETag."""
        self._committed = etag

    async def abort(self) -> None:
        """Let go of everything: parts under way, the upload, the buffer. Never raises."""
        with trio.CancelScope(shield=True):
            for scope in list(self._sending):
                scope.cancel()
            await self._wait_sent()
            self._drop_buffer()
            if self._upload_id is not None:
                upload_id, self._upload_id = self._upload_id, None
                await self._abort_upload(upload_id)
            self._parts.clear()
            self._last_part = 0
            self._error = None

    # -- commit --------------------------------------------------------------------------------

    async def _put(self, *, if_none_match: bool) -> Stored:
        buffer, budget = self._buffer, self._service.budget
        budget.mark_in_flight(buffer.allocated)
        try:
            stored = await self._service.store.put(
                self._key(), buffer.chunks, self._attributes(), if_none_match=if_none_match
            )
        finally:
            budget.mark_held(buffer.allocated)
        if buffer.size >= MIN_PART:
            self._drop_buffer()  # what follows can be appended by a copy inside the store
        return stored

    async def _complete(self, *, if_none_match: bool) -> Stored:
        if self._buffer.size:
            await self._send_part()
        await self._wait_sent()
        if self._error is not None:
            raise self._error
        parts = [self._parts[number] for number in sorted(self._parts)]
        total = sum(part.size for part in parts)
        if len(parts) != self._last_part or total != self.upload.end:
            raise Corrupted(
                f"{self.upload.path}: {total} bytes in {len(parts)} parts were sent of "
                f"{self.upload.end} in {self._last_part}."
            )
        assert self._upload_id is not None
        stored = await self._service.store.complete_upload(
            self._upload_key, self._upload_id, parts, if_none_match=if_none_match
        )
        self._upload_id = None
        self._parts.clear()
        self._last_part = 0
        return stored

    async def _continue_committed(self) -> None:
        """Go on behind a committed object: its bytes become the first parts by a copy."""
        key, size, etag = self._key(), self.upload.end, self._committed
        assert etag is not None
        upload_id = await self._ensure_upload()
        count = -(-size // MAX_SINGLE_COPY)
        for number in range(1, count + 1):
            span = ByteRange(size * (number - 1) // count, size * number // count)
            try:
                part = await self._service.store.copy_part(
                    key, upload_id, number, key, span, if_match=etag
                )
            except (PreconditionFailed, NoSuchKey) as error:
                raise Stale(
                    f"{self.upload.path} was replaced by somebody else since it was last saved."
                ) from error
            self._parts[number] = part._replace(size=span.size)
            self._last_part = number
        self.upload.fire(Event.SEND)

    # -- parts ---------------------------------------------------------------------------------

    async def _send_part(self) -> None:
        """Hand the buffer over to a request of its own, as soon as there is a place for one."""
        number = self._last_part + 1
        if number > MAX_PARTS:
            raise TooLarge(
                f"{self.upload.path} has reached {MAX_PARTS} parts, S3's limit, at "
                f"{self.upload.end} bytes.",
                "Write it in several files, or mount with a larger --part-size and --memory-limit.",
            )
        scope = trio.CancelScope()
        with self._waiting_for("earlier parts to be sent"):
            await self._service.slots.acquire_on_behalf_of(scope)
        self._last_part = number
        buffer, self._buffer = self._buffer, PartBuffer()
        self._service.writing -= 1
        self._service.budget.mark_in_flight(buffer.allocated)
        self._sending.add(scope)
        self._service.nursery.start_soon(self._put_part, number, buffer, scope)

    async def _put_part(self, number: int, buffer: PartBuffer, scope: trio.CancelScope) -> None:
        try:
            with scope:
                upload_id = await self._ensure_upload()
                self._parts[number] = await self._service.store.put_part(
                    self._upload_key, upload_id, number, buffer.chunks
                )
        except PhfsError as error:
            self._error = self._error or error
        except Exception:
            log.exception("part %d of %s", number, self.upload.path)
            self._error = self._error or OperationFailed(
                f"Part {number} of {self.upload.path} could not be sent."
            )
        finally:
            self._service.slots.release_on_behalf_of(scope)
            self._service.budget.release(buffer.allocated, for_write=True, in_flight=True)
            self._sending.discard(scope)
            if not self._sending:
                self._sent.set()

    async def _wait_sent(self) -> None:
        while self._sending:
            self._sent = trio.Event()
            await self._sent.wait()

    async def _ensure_upload(self) -> UploadId:
        async with self._creating:
            if self._upload_id is None:
                self._upload_key, service = self._key(), self._service
                with service.creation():
                    self._upload_id = await service.store.create_upload(
                        self._upload_key, self._attributes()
                    )
                    service.begun += 1
            if self._upload_id is None:
                raise OperationFailed(f"The upload of {self.upload.path} was not begun in time.")
            return self._upload_id

    async def _abort_upload(self, upload_id: UploadId) -> None:
        self._service.aborted += 1
        with self._service.abortion():
            try:
                await self._service.store.abort_upload(self._upload_key, upload_id)
            except StoreError as error:
                log.warning("the upload of %s could not be aborted: %s", self.upload.path, error)

    def _drop_buffer(self) -> None:
        if self._buffer.size:
            self._service.writing -= 1
            self._service.budget.release(self._buffer.allocated, for_write=True)
            self._buffer = PartBuffer()

    def _attributes(self) -> Attributes:
        return Attributes(content_type=content_type(self._key()))
