"""A store that asks again when an answer says "perhaps later".

Owns when a call is repeated, and what is made of one whose answer was lost. Repeats after
``TransientError`` only; never changes what is asked. Stands directly above a store that speaks to
a network; ``vfs`` calls it through the port. How long it waits is in ``tries``.

No try begins later than ``deadline`` seconds after the call. A call that sends or fetches no bytes
is also cut off there; one that does is left to the store's own watch over progress, because a slow
link is no failure. A get that has brought bytes goes on where it broke, with a new deadline.

A call whose answer was lost may have taken effect. All but two may simply be done twice: the
completion of an upload, and a put of a name that must be new. Whatever ends in an error after a
lost answer is looked for in the store before the error is told (``looking``), for ``LOOK_SECONDS``
if there is no time left. A multipart upload whose id was lost stays behind until the store's
lifecycle rule removes it.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import TypeVar

import trio

from phfs.core.objects import Attributes, ByteRange, ETag, Page, Part, Stored, UploadId
from phfs.errors import NoSuchUpload, StoreError, TimedOut, TransientError
from phfs.s3 import looking
from phfs.s3.store import Body, DeleteFailure, Described, Kept, Sink, Store
from phfs.s3.tries import Tries
from phfs.s3.window import SinkWindow

LOOK_SECONDS = 5.0
"""How long looking for what a call did may take beyond the call's deadline."""

T = TypeVar("T")


class RetryingStore:
    """Wraps ``store``; every call is tried for at most ``deadline`` seconds of trio's time.

    ``retries`` counts the tries after a first one.
    """

    def __init__(self, store: Store, deadline: float = 60.0) -> None:
        self.retries = 0
        self._store = store
        self._deadline = deadline

    async def head(self, key: str) -> Described:
        """Describe an object, trying until the deadline."""
        return await self._ask(lambda: self._store.head(key))

    async def kept(self, key: str, *, part: int = 0) -> Kept:
        """What to check bytes by, trying until the deadline."""
        return await self._ask(lambda: self._store.kept(key, part=part))

    async def get(
        self, key: str, byte_range: ByteRange, sink: Sink, *, if_match: ETag, whole: bool = False
    ) -> None:
        """Read a range, going on where a try broke; a sink nobody wants is not tried again."""
        tries = Tries(self._deadline)
        done = 0

        async def rest() -> None:
            nonlocal done
            window = SinkWindow(sink, done)
            missing = ByteRange(byte_range.start + done, byte_range.stop)
            all_of_it = whole and not done
            try:
                await self._store.get(key, missing, window, if_match=if_match, whole=all_of_it)
            except TransientError:
                done += window.filled
                if done < byte_range.size:
                    tries.progressed(window.filled)
                    raise

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
        """Store an object; one found after a lost answer is ours if it has the MD5 and the size of
        ``body``. With ``if_none_match`` an empty body is never recognised: of two programs that
        make the same empty lock file only one may have it.
        """
        tries = Tries(self._deadline)

        async def look(_: StoreError) -> Stored | None:
            if if_none_match and not any(body):
                return None
            return await looking.stored_body(self._looked_at(tries), key, body)

        return await self._settled(
            tries,
            lambda: self._store.put(key, body, attributes, if_none_match=if_none_match),
            look,
        )

    async def copy(self, source: str, target: str, *, if_match: ETag) -> Stored:
        """Copy an object; done twice it is the same copy."""
        tries = Tries(self._deadline)
        return await self._settled(
            tries,
            self._cut(tries, lambda: self._store.copy(source, target, if_match=if_match)),
            lambda _: looking.stored_copy(self._looked_at(tries), target, if_match),
        )

    async def delete(self, key: str) -> None:
        """Delete an object; one that is not there after a lost answer is deleted."""
        tries = Tries(self._deadline)

        async def look(_: StoreError) -> bool | None:
            there = await looking.find(self._looked_at(tries), key)
            return None if there else True

        async def delete() -> bool:
            await self._store.delete(key)
            return True

        await self._settled(tries, self._cut(tries, delete), look)

    async def delete_many(self, keys: Sequence[str]) -> list[DeleteFailure]:
        """Delete objects; those that failed in passing are asked for again, the others not."""
        tries = Tries(self._deadline)
        final: list[DeleteFailure] = []
        waiting: list[DeleteFailure] = []
        left = list(keys)

        async def rest() -> bool:
            nonlocal left, waiting
            waiting = []
            for failure in await self._store.delete_many(left):
                passing = isinstance(failure.error, TransientError)
                (waiting if passing else final).append(failure)
            left = [failure.key for failure in waiting]
            if waiting:
                raise waiting[0].error
            return True

        async def look(error: StoreError) -> bool | None:
            there = None if waiting else await looking.remaining(self._looked_at(tries), left)
            if there is None:
                return None
            final.extend(DeleteFailure(key, error) for key in left if key in there)
            return True

        try:
            await self._settled(tries, rest, look)
        except TransientError:
            if not waiting:
                raise
        return final + waiting

    async def tags(self, key: str) -> str:
        """An object's tags, trying until the deadline."""
        return await self._ask(lambda: self._store.tags(key))

    async def create_upload(
        self, key: str, attributes: Attributes, *, tagging: str = "", summed: bool = False
    ) -> UploadId:
        """Begin an upload; one whose answer is lost stays behind without parts."""
        return await self._ask(
            lambda: self._store.create_upload(key, attributes, tagging=tagging, summed=summed)
        )

    async def put_part(self, key: str, upload: UploadId, number: int, body: Body) -> Part:
        """Upload a part; sent twice, the later one replaces the same bytes."""
        return await self._run(
            Tries(self._deadline), lambda: self._store.put_part(key, upload, number, body)
        )

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
        return await self._ask(
            lambda: self._store.copy_part(
                key, upload, number, source, byte_range, if_match=if_match
            )
        )

    async def complete_upload(
        self, key: str, upload: UploadId, parts: Sequence[Part], *, if_none_match: bool = False
    ) -> Stored:
        """Publish an upload; the object found after a lost answer is ours if it has the size and
        the ETag of the parts.

        A store that was killed meanwhile may have published the object and yet say that the parts
        are gone (MinIO: ``InvalidPart``), or have lost them.
        """
        tries = Tries(self._deadline)

        async def look(error: StoreError) -> Stored | None:
            vanished = isinstance(error, NoSuchUpload)
            return await looking.stored_parts(self._looked_at(tries), key, parts, vanished=vanished)

        return await self._settled(
            tries,
            self._cut(
                tries,
                lambda: self._store.complete_upload(
                    key, upload, parts, if_none_match=if_none_match
                ),
            ),
            look,
        )

    async def abort_upload(self, key: str, upload: UploadId) -> None:
        """Throw an upload away, trying until the deadline."""
        await self._ask(lambda: self._store.abort_upload(key, upload))

    async def _ask(self, attempt: Callable[[], Awaitable[T]]) -> T:
        """Run a call that moves no bytes from or to here."""
        tries = Tries(self._deadline)
        return await self._run(tries, self._cut(tries, attempt))

    def _cut(self, tries: Tries, attempt: Callable[[], Awaitable[T]]) -> Callable[[], Awaitable[T]]:
        """``attempt``, cut off at the deadline while it is under way: what was wrong before then
        says more than that."""

        async def cut() -> T:
            with trio.move_on_at(tries.give_up):
                return await attempt()
            tries.unsure = True
            raise tries.last or TimedOut("the object store did not answer in time")

        return cut

    async def _run(
        self,
        tries: Tries,
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
            self.retries += 1
            await trio.sleep(seconds)

    async def _settled(
        self,
        tries: Tries,
        attempt: Callable[[], Awaitable[T]],
        look: Callable[[StoreError], Awaitable[T | None]],
    ) -> T:
        """Run a call; after a lost answer ``look`` says what it did, whatever the error is. An
        error of the store's that cannot be settled so is not told: it may be wrong."""
        try:
            return await self._run(tries, attempt)
        except StoreError as error:
            if not tries.unsure:
                raise
            try:
                found = await look(error)
            except StoreError as unseen:
                if isinstance(error, TransientError):
                    raise error from unseen
                raise unseen from error
            if found is None:
                raise
            return found

    def _looked_at(self, tries: Tries) -> RetryingStore:
        """The store, to be asked for what a call did, in the time that is left for it."""
        left = tries.give_up - trio.current_time()
        return RetryingStore(self._store, max(left, min(LOOK_SECONDS, self._deadline)))
