"""A store that fails, waits and stalls when it is told to; otherwise it passes everything on.

Owns the faults that are set and the record of calls. Never decides by chance or by a clock: a
fault hits the n-th call, a delay is trio's time. Used by tests, and to see how something built on
the port behaves when its store does not. In a few lines::

    faulty = FaultyStore(store)
    faulty.fail(ServerFault("broken"), kind="put_part", nth=3)     # instead of taking effect
    faulty.fail(ConnectionFailed("cut"), kind="put", after=True)   # the answer is lost
    faulty.fail(Corrupted("short"), kind="get", filled=100)        # after 100 bytes
    gate = faulty.hold(kind="complete_upload")                     # until gate.release()
    faulty.latency, faulty.byte_seconds = 0.05, 1e-6               # on every call
    faulty.count("put"), faulty.calls                              # what was asked for
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import NamedTuple, TypeVar

import trio

from phfs.core.objects import Attributes, ByteRange, ETag, Page, Part, Stored, UploadId
from phfs.errors import StoreError
from phfs.s3.store import Body, DeleteFailure, Described, Kept, Sink, Store
from phfs.s3.window import SinkWindow

PIECE = 128 * 1024
"""Bytes that a slow get hands over at a time."""

T = TypeVar("T")


class Call(NamedTuple):
    """A call that came in: the method's name, and its key, target or prefix (first of many)."""

    kind: str
    key: str


class Gate:
    """Holds calls before they take effect; ``reached`` is set when the first has come."""

    def __init__(self) -> None:
        self.reached = trio.Event()
        self._released = trio.Event()

    def release(self) -> None:
        """Let everything through from now on."""
        self._released.set()

    async def wait(self) -> None:
        """Wait for ``release``."""
        self.reached.set()
        await self._released.wait()


@dataclass
class _Fault:
    """What happens to the calls ``nth`` to ``nth + times - 1`` of a kind, counted from now."""

    kind: str | None
    nth: int
    times: float
    error: StoreError | None = None
    after: bool = False
    filled: int | None = None
    gate: Gate | None = None
    _seen: int = 0

    def hits(self, call: Call) -> bool:
        if self.kind not in (None, call.kind):
            return False
        self._seen += 1
        return self.nth <= self._seen < self.nth + self.times

    def fresh_error(self) -> StoreError | None:
        # A new one each time: an exception collects a traceback whenever it is raised.
        return self.error and type(self.error)(self.error.why, self.error.advice)


class _Fate:
    """The faults that hit one call."""

    def __init__(self, faults: list[_Fault]) -> None:
        self._faults = faults
        self.filled = min((f.filled for f in faults if f.filled is not None), default=None)

    async def wait(self) -> None:
        for fault in self._faults:
            if fault.gate is not None:
                await fault.gate.wait()

    def fail(self, *, after: bool) -> None:
        for fault in self._faults:
            error = fault.fresh_error()
            if error is not None and fault.after == after:
                raise error


class FaultyStore:
    """Wraps ``store``. ``calls`` lists every call in the order they came, ``latency`` is seconds
    before each takes effect, ``byte_seconds`` seconds per byte got or put."""

    def __init__(self, store: Store) -> None:
        self.calls: list[Call] = []
        self.latency = 0.0
        self.byte_seconds = 0.0
        self._store = store
        self._faults: list[_Fault] = []

    def count(self, kind: str | None = None) -> int:
        """How many calls of a kind, or in all, came so far."""
        return sum(kind in (None, call.kind) for call in self.calls)

    def fail(
        self,
        error: StoreError,
        *,
        kind: str | None = None,
        nth: int = 1,
        times: float = 1,
        after: bool = False,
        filled: int | None = None,
    ) -> None:
        """Fail ``times`` calls with ``error``, beginning with the ``nth`` from now on.

        ``kind`` is a method's name, None for any; ``times`` may be ``math.inf``. ``after``: the
        call takes effect first. ``filled``: a get fails after so many bytes.
        """
        late = after or filled is not None
        self._faults.append(_Fault(kind, nth, times, error, late, filled))

    def hold(self, *, kind: str | None = None, nth: int = 1, times: float = 1) -> Gate:
        """Hold calls, named as in ``fail``, until the gate that is returned is released."""
        gate = Gate()
        self._faults.append(_Fault(kind, nth, times, gate=gate))
        return gate

    def heal(self) -> None:
        """Forget every fault and delay that was set; calls held stay held."""
        self._faults.clear()
        self.latency = self.byte_seconds = 0.0

    async def head(self, key: str) -> Described:
        """Pass on, subject to the faults set."""
        return await self._pass(Call("head", key), lambda: self._store.head(key))

    async def kept(self, key: str, *, part: int = 0) -> Kept:
        """Pass on, subject to the faults set."""
        return await self._pass(Call("kept", key), lambda: self._store.kept(key, part=part))

    async def get(
        self, key: str, byte_range: ByteRange, sink: Sink, *, if_match: ETag, whole: bool = False
    ) -> None:
        """Pass on; a slow get comes in pieces, a cut one only to where it is cut."""
        fate = await self._enter(Call("get", key))
        if fate.filled is None and not self.byte_seconds:
            await self._store.get(key, byte_range, sink, if_match=if_match, whole=whole)
        else:
            size = byte_range.size if fate.filled is None else min(fate.filled, byte_range.size)
            step = PIECE if self.byte_seconds else max(size, 1)
            for start in range(0, size, step):
                stop = min(start + step, size)
                await trio.sleep(self.byte_seconds * (stop - start))
                piece = ByteRange(byte_range.start + start, byte_range.start + stop)
                await self._store.get(key, piece, SinkWindow(sink, start), if_match=if_match)
        fate.fail(after=True)

    async def list_page(
        self,
        prefix: str,
        *,
        delimiter: str = "",
        token: str | None = None,
        start_after: str = "",
        limit: int = 1000,
    ) -> Page:
        """Pass on, subject to the faults set."""
        return await self._pass(
            Call("list_page", prefix),
            lambda: self._store.list_page(
                prefix, delimiter=delimiter, token=token, start_after=start_after, limit=limit
            ),
        )

    async def put(
        self, key: str, body: Body, attributes: Attributes, *, if_none_match: bool = False
    ) -> Stored:
        """Pass on, subject to the faults set."""
        return await self._pass(
            Call("put", key),
            lambda: self._store.put(key, body, attributes, if_none_match=if_none_match),
            body,
        )

    async def copy(self, source: str, target: str, *, if_match: ETag) -> Stored:
        """Pass on, subject to the faults set."""
        return await self._pass(
            Call("copy", target), lambda: self._store.copy(source, target, if_match=if_match)
        )

    async def delete(self, key: str) -> None:
        """Pass on, subject to the faults set."""
        await self._pass(Call("delete", key), lambda: self._store.delete(key))

    async def delete_many(self, keys: Sequence[str]) -> list[DeleteFailure]:
        """Pass on, subject to the faults set."""
        first = keys[0] if keys else ""
        return await self._pass(Call("delete_many", first), lambda: self._store.delete_many(keys))

    async def tags(self, key: str) -> str:
        """Pass on, subject to the faults set."""
        return await self._pass(Call("tags", key), lambda: self._store.tags(key))

    async def create_upload(
        self, key: str, attributes: Attributes, *, tagging: str = "", summed: bool = False
    ) -> UploadId:
        """Pass on, subject to the faults set."""
        return await self._pass(
            Call("create_upload", key),
            lambda: self._store.create_upload(key, attributes, tagging=tagging, summed=summed),
        )

    async def put_part(self, key: str, upload: UploadId, number: int, body: Body) -> Part:
        """Pass on, subject to the faults set."""
        return await self._pass(
            Call("put_part", key), lambda: self._store.put_part(key, upload, number, body), body
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
        """Pass on, subject to the faults set."""
        return await self._pass(
            Call("copy_part", key),
            lambda: self._store.copy_part(
                key, upload, number, source, byte_range, if_match=if_match
            ),
        )

    async def complete_upload(
        self, key: str, upload: UploadId, parts: Sequence[Part], *, if_none_match: bool = False
    ) -> Stored:
        """Pass on, subject to the faults set."""
        return await self._pass(
            Call("complete_upload", key),
            lambda: self._store.complete_upload(key, upload, parts, if_none_match=if_none_match),
        )

    async def abort_upload(self, key: str, upload: UploadId) -> None:
        """Pass on, subject to the faults set."""
        await self._pass(Call("abort_upload", key), lambda: self._store.abort_upload(key, upload))

    async def _enter(self, call: Call) -> _Fate:
        self.calls.append(call)
        fate = _Fate([fault for fault in self._faults if fault.hits(call)])
        await trio.sleep(self.latency)
        await fate.wait()
        fate.fail(after=False)
        return fate

    async def _pass(self, call: Call, method: Callable[[], Awaitable[T]], body: Body = ()) -> T:
        fate = await self._enter(call)
        await trio.sleep(self.byte_seconds * sum(len(chunk) for chunk in body))
        result = await method()
        fate.fail(after=True)
        return result
