"""A store that asks again when an answer says "perhaps later".

Owns when a call is repeated, how long it waits in between, and what is made of a repetition that
finds the first one done. Repeats after ``TransientError`` only; never changes what is asked. Stands
directly above a store that speaks to a network; ``vfs`` calls it through the port.

The wait before a new try is drawn evenly from nothing to 0.1 s, doubled with each try to at most
5 s ("full jitter", AWS Architecture Blog, "Exponential Backoff And Jitter"). No try begins later
than ``deadline`` seconds after the call. A call that sends or fetches no bytes is also cut off
there; one that does is left to the store's own watch over progress, because a slow link is no
failure. A get that has brought bytes goes on where it broke, with a new deadline.

A call whose answer was lost may have taken effect. Most may simply be done twice. A multipart
upload whose id was lost stays behind until the store's lifecycle rule removes it.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import TypeVar

import trio
from tenacity import RetryCallState, Retrying, wait_random_exponential

from phfs.core.objects import Attributes, ByteRange, ETag, Page, Part, Stored, UploadId
from phfs.errors import (
    NoSuchKey,
    NoSuchUpload,
    PreconditionFailed,
    Throttled,
    TimedOut,
    TransientError,
)
from phfs.s3.etags import body_etag, multipart_etag
from phfs.s3.store import Body, DeleteFailure, Described, Sink, Store
from phfs.s3.window import SinkWindow

FIRST_WAIT = 0.1
"""Longest wait before the second try, in seconds."""

LONGEST_WAIT = 5.0
"""Longest wait before any try, in seconds."""

_draw_wait = wait_random_exponential(multiplier=FIRST_WAIT, max=LONGEST_WAIT)

T = TypeVar("T")


class _Tries:
    """The tries of one call. ``unsure`` is true once an answer was lost: an earlier try may have
    taken effect (a store that asks for fewer requests has refused)."""

    def __init__(self, deadline: float) -> None:
        self.unsure = False
        self._deadline = deadline
        self._begun = trio.current_time()
        self.give_up = self._begun + deadline
        self._count = 0

    def renew(self) -> None:
        """There was progress: count the deadline from now."""
        self.give_up = trio.current_time() + self._deadline

    def wait_after(self, error: TransientError) -> float | None:
        """Seconds to wait after a failed try, None if that would reach the deadline."""
        self._count += 1
        self.unsure = self.unsure or not isinstance(error, Throttled)
        state = RetryCallState(Retrying(), None, (), {})
        state.attempt_number = self._count
        seconds = _draw_wait(state)
        return seconds if trio.current_time() + seconds < self.give_up else None

    def summary(self, error: TransientError) -> TransientError:
        """``error`` again, its sentence saying how often and how long it was tried."""
        tries = "1 try" if self._count == 1 else f"{self._count} tries"
        seconds = trio.current_time() - self._begun
        return type(error)(f"{error.why} ({tries} in {seconds:.0f} s)", error.advice)


class RetryingStore:
    """Wraps ``store``; every call is tried for at most ``deadline`` seconds of trio's time."""

    def __init__(self, store: Store, deadline: float = 60.0) -> None:
        self._store = store
        self._deadline = deadline

    async def head(self, key: str) -> Described:
        """Describe an object, trying until the deadline."""
        return await self._ask(lambda: self._store.head(key))

    async def get(self, key: str, byte_range: ByteRange, sink: Sink, *, if_match: ETag) -> None:
        """Read a range, going on where a try broke; a sink nobody wants is not tried again."""
        tries = _Tries(self._deadline)
        done = 0

        async def rest() -> None:
            nonlocal done
            while True:
                window = SinkWindow(sink, done, byte_range.size)
                missing = ByteRange(byte_range.start + done, byte_range.stop)
                try:
                    return await self._store.get(key, missing, window, if_match=if_match)
                except TransientError:
                    done += window.filled
                    if done == byte_range.size:
                        return None
                    if window.filled == 0 or sink.cancelled:
                        raise
                    tries.renew()

        await self._run(tries, rest, lambda: not sink.cancelled)

    async def list_page(
        self,
        prefix: str,
        *,
        delimiter: str = "",
        token: str | None = None,
        start_after: str = "",
        limit: int = 1000,
    ) -> Page:
        """One page of a listing, trying until the deadline."""
        return await self._ask(
            lambda: self._store.list_page(
                prefix, delimiter=delimiter, token=token, start_after=start_after, limit=limit
            )
        )

    async def put(
        self, key: str, body: Body, attributes: Attributes, *, if_none_match: bool = False
    ) -> Stored:
        """Store an object. With ``if_none_match``, an object found by a later try is ours if an
        answer was lost and it has the MD5 and the size of ``body``. An empty body is never
        recognised: of two programs that make the same empty lock file only one may have it.
        """
        tries = _Tries(self._deadline)
        try:
            return await self._run(
                tries,
                lambda: self._store.put(key, body, attributes, if_none_match=if_none_match),
            )
        except PreconditionFailed:
            size = sum(len(chunk) for chunk in body)
            if not tries.unsure or size == 0:
                raise
            etag = await trio.to_thread.run_sync(body_etag, body)
            found = await self._look(key, size)
            if found is None or found.etag != etag:
                raise
            return found

    async def copy(self, source: str, target: str, *, if_match: ETag) -> Stored:
        """Copy an object; done twice it is the same copy."""
        return await self._move(lambda: self._store.copy(source, target, if_match=if_match))

    async def delete(self, key: str) -> None:
        """Delete an object, trying until the deadline."""
        await self._ask(lambda: self._store.delete(key))

    async def delete_many(self, keys: Sequence[str]) -> list[DeleteFailure]:
        """Delete objects; those that failed in passing are asked for again, the others not."""
        tries = _Tries(self._deadline)
        final: list[DeleteFailure] = []
        waiting: list[DeleteFailure] = []
        left = list(keys)

        async def rest() -> None:
            nonlocal left, waiting
            waiting = []
            for failure in await self._store.delete_many(left):
                passing = isinstance(failure.error, TransientError)
                (waiting if passing else final).append(failure)
            left = [failure.key for failure in waiting]
            if waiting:
                raise waiting[0].error

        try:
            await self._run(tries, rest)
        except TransientError:
            if not waiting:
                raise
        return final + waiting

    async def tags(self, key: str) -> str:
        """An object's tags, trying until the deadline."""
        return await self._ask(lambda: self._store.tags(key))

    async def create_upload(
        self, key: str, attributes: Attributes, *, tagging: str = ""
    ) -> UploadId:
        """Begin an upload; one whose answer is lost stays behind without parts."""
        return await self._ask(lambda: self._store.create_upload(key, attributes, tagging=tagging))

    async def put_part(self, key: str, upload: UploadId, number: int, body: Body) -> Part:
        """Upload a part; sent twice, the later one replaces the same bytes."""
        return await self._move(lambda: self._store.put_part(key, upload, number, body))

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
        """Make a part from a range of an object; done twice it is the same part."""
        return await self._move(
            lambda: self._store.copy_part(
                key, upload, number, source, byte_range, if_match=if_match
            )
        )

    async def complete_upload(
        self, key: str, upload: UploadId, parts: Sequence[Part], *, if_none_match: bool = False
    ) -> Stored:
        """Publish an upload. If an answer was lost and the upload is gone at a later try, or the
        name taken, the object under the key is ours when its size is that of the parts and its
        ETag theirs. A store that encrypts makes ETags of its own: then its number of parts has to
        fit, and only a vanished upload counts, never a name that is taken.
        """
        tries = _Tries(self._deadline)
        try:
            return await self._run(
                tries,
                lambda: self._store.complete_upload(
                    key, upload, parts, if_none_match=if_none_match
                ),
            )
        except (NoSuchUpload, PreconditionFailed) as error:
            if not tries.unsure:
                raise
            expected = multipart_etag(parts)
            found = await self._look(key, sum(part.size for part in parts))
            if found is None:
                raise
            if expected is not None:
                ours = found.etag == expected
            else:
                ours = isinstance(error, NoSuchUpload) and found.etag.endswith(f"-{len(parts)}")
            if not ours:
                raise
            return found

    async def abort_upload(self, key: str, upload: UploadId) -> None:
        """Throw an upload away, trying until the deadline."""
        await self._ask(lambda: self._store.abort_upload(key, upload))

    async def _ask(self, attempt: Callable[[], Awaitable[T]]) -> T:
        """Run a call that moves no bytes: a try under way is cut off at the deadline."""
        tries = _Tries(self._deadline)

        async def cut() -> T:
            with trio.move_on_at(tries.give_up):
                return await attempt()
            raise TimedOut("the object store did not answer in time")

        return await self._run(tries, cut)

    async def _move(self, attempt: Callable[[], Awaitable[T]]) -> T:
        """Run a call that moves bytes, here or inside the store."""
        return await self._run(_Tries(self._deadline), attempt)

    async def _run(
        self,
        tries: _Tries,
        attempt: Callable[[], Awaitable[T]],
        wanted: Callable[[], bool] = lambda: True,
    ) -> T:
        while True:
            try:
                return await attempt()
            except TransientError as error:
                seconds = tries.wait_after(error)
                if seconds is None or not wanted():
                    raise tries.summary(error) from error
            await trio.sleep(seconds)

    async def _look(self, key: str, size: int) -> Stored | None:
        """What is under ``key``, if it has ``size`` bytes."""
        try:
            info = (await self.head(key)).info
        except NoSuchKey:
            return None
        return Stored(info.etag, info.modified) if info.size == size else None
