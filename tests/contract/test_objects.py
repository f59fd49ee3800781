"""The contract of single objects: head, get, put, copy, delete, tags."""

from __future__ import annotations

import hashlib

import pytest
import trio

from phfs.core.objects import Attributes, ByteRange, ETag
from phfs.errors import (
    InvalidRequest,
    KeyTooLong,
    NoSuchKey,
    PreconditionFailed,
    TimedOut,
)
from phfs.s3.store import Store
from tests.support.sinks import BytesSink, Scattered, read, read_version

PLAIN = Attributes()
RICH = Attributes(
    content_type="text/csv",
    metadata={"owner": "ada"},
    headers={"Cache-Control": "no-cache", "Content-Disposition": "attachment"},
)
OTHER_VERSION = ETag("0" * 32)


async def test_put_is_seen_by_head_list_and_get(store: Store) -> None:
    stored = await store.put("d/a.csv", [b"ab", bytearray(b"c"), memoryview(b"de")], PLAIN)
    info = (await store.head("d/a.csv")).info
    assert (info.key, info.size, info.etag) == ("d/a.csv", 5, stored.etag)
    assert stored.etag == hashlib.md5(b"abcde").hexdigest()
    assert (await store.list_page("d/")).objects == [info]
    assert abs(info.modified - stored.modified) <= 1
    assert await read(store, "d/a.csv") == b"abcde"


async def test_empty_object(store: Store) -> None:
    stored = await store.put("empty", [], PLAIN)
    info = (await store.head("empty")).info
    assert (info.size, info.etag) == (0, stored.etag)


async def test_put_replaces_the_object(store: Store) -> None:
    old = await store.put("a", [b"old"], RICH)
    new = await store.put("a", [b"newer"], PLAIN)
    assert new.etag != old.etag
    assert await read(store, "a") == b"newer"
    assert (await store.head("a")).attributes.metadata == {}


async def test_attributes_come_back(store: Store) -> None:
    await store.put("a", [b"x"], RICH)
    described = await store.head("a")
    assert described.attributes == RICH
    assert described.tag_count == 0


@pytest.mark.parametrize(("start", "stop"), [(0, 10), (3, 7), (9, 10), (0, 1)])
async def test_ranges(store: Store, start: int, stop: int) -> None:
    stored = await store.put("a", [b"0123456789"], PLAIN)
    assert await read_version(store, "a", stored.etag, start, stop) == b"0123456789"[start:stop]


async def test_progress_only_grows_and_ends_at_the_whole_range(store: Store) -> None:
    body = bytes(range(256)) * 4096
    stored = await store.put("a", [body], PLAIN)
    sink = BytesSink(len(body) - 100)
    await store.get("a", ByteRange(100, len(body)), sink, if_match=stored.etag)
    assert sink.advances == sorted(sink.advances)
    assert sink.filled == body[100:]


async def test_a_sink_may_take_a_range_in_several_places(store: Store) -> None:
    body = bytes(range(256)) * 1000
    stored = await store.put("a", [body], PLAIN)
    for span in (ByteRange(0, len(body)), ByteRange(3, len(body) - 3)):
        sink = Scattered(span.size, 10_007)
        whole = span == (0, len(body))
        await store.get("a", span, sink, if_match=stored.etag, whole=whole)
        assert b"".join(sink.places) == body[span.start : span.stop]
        assert sink.filled == span.size


@pytest.mark.parametrize(("start", "stop"), [(3, 5), (3, 3), (1, 1), (7, 9)])
async def test_range_without_bytes_is_refused(store: Store, start: int, stop: int) -> None:
    stored = await store.put("a", [b"abc"], PLAIN)
    with pytest.raises(InvalidRequest):
        await store.get("a", ByteRange(start, stop), BytesSink(stop - start), if_match=stored.etag)


async def test_get_of_another_version_is_refused(store: Store) -> None:
    old = await store.put("a", [b"old"], PLAIN)
    await store.put("a", [b"new"], PLAIN)
    sink = BytesSink(3)
    with pytest.raises(PreconditionFailed):
        await store.get("a", ByteRange(0, 3), sink, if_match=old.etag)
    assert sink.filled == b""


@pytest.mark.parametrize("size", [1, 10_000, 400_000])
async def test_an_object_got_whole(store: Store, size: int) -> None:
    body = (bytes(range(251)) * (size // 251 + 1))[:size]
    stored = await store.put("a", [body], PLAIN)
    sink = BytesSink(size)
    await store.get("a", ByteRange(0, size), sink, if_match=stored.etag, whole=True)
    assert sink.filled == body


async def test_a_whole_object_of_another_version_is_refused(store: Store) -> None:
    old = await store.put("a", [b"old"], PLAIN)
    await store.put("a", [b"new"], PLAIN)
    with pytest.raises(PreconditionFailed):
        await store.get("a", ByteRange(0, 3), BytesSink(3), if_match=old.etag, whole=True)


async def test_what_is_not_there(store: Store) -> None:
    with pytest.raises(NoSuchKey):
        await store.head("a")
    with pytest.raises(NoSuchKey):
        await store.get("a", ByteRange(0, 1), BytesSink(1), if_match=OTHER_VERSION)
    with pytest.raises(NoSuchKey):
        await store.copy("a", "b", if_match=OTHER_VERSION)
    with pytest.raises(NoSuchKey):
        await store.tags("a")
    await store.delete("a")


async def test_a_sink_nobody_wants_ends_the_get(store: Store) -> None:
    stored = await store.put("a", [b"abc"], PLAIN)
    sink = BytesSink(3)
    sink.cancelled = True
    with pytest.raises(TimedOut):
        await store.get("a", ByteRange(0, 3), sink, if_match=stored.etag)


async def test_if_none_match_lets_one_put_win(store: Store) -> None:
    await store.put("a", [b"first"], PLAIN, if_none_match=True)
    with pytest.raises(PreconditionFailed):
        await store.put("a", [b"second"], PLAIN, if_none_match=True)
    assert await read(store, "a") == b"first"


async def test_if_none_match_with_many_at_once_lets_one_win(store: Store) -> None:
    won = []

    async def contend(number: int) -> None:
        try:
            await store.put("a", [b"%d" % number], PLAIN, if_none_match=True)
        except PreconditionFailed:
            return
        won.append(number)

    async with trio.open_nursery() as nursery:
        for number in range(8):
            nursery.start_soon(contend, number)
    assert len(won) == 1
    assert await read(store, "a") == b"%d" % won[0]


async def test_copy_keeps_bytes_and_attributes(store: Store) -> None:
    stored = await store.put("a", [b"abc"], RICH)
    copied = await store.copy("a", "d/b", if_match=stored.etag)
    described = await store.head("d/b")
    assert described.attributes == RICH
    assert described.info.etag == copied.etag
    assert await read(store, "d/b") == b"abc"
    assert await read(store, "a") == b"abc"


async def test_copy_of_another_version_is_refused(store: Store) -> None:
    await store.put("a", [b"abc"], PLAIN)
    with pytest.raises(PreconditionFailed):
        await store.copy("a", "b", if_match=OTHER_VERSION)
    with pytest.raises(NoSuchKey):
        await store.head("b")


async def test_delete(store: Store) -> None:
    await store.put("a", [b"x"], PLAIN)
    await store.delete("a")
    with pytest.raises(NoSuchKey):
        await store.head("a")
    await store.delete("a")


async def test_delete_many_takes_more_keys_than_one_request(store: Store) -> None:
    keys = [f"d/{number:04}" for number in range(1100)]
    for key in (keys[0], keys[999], keys[1000], keys[-1], "other & <kept>"):
        await store.put(key, [b"x"], PLAIN)
    assert await store.delete_many(keys) == []
    assert [info.key for info in (await store.list_page("")).objects] == ["other & <kept>"]
    assert await store.delete_many([]) == []


@pytest.mark.parametrize(
    "key",
    [
        "d/with space",
        "d/plus+percent%20and%2F",
        "d/amp&ersand=<tag>\"quote'",
        "d/question?hash#semi;colon:at@",
        "d/back\\slash~tilde*star",
        "d/grüße-文字-🎉",
        "d/new\u0301combining",
        "d/" + "n" * 254,
    ],
)
async def test_keys_of_every_kind(store: Store, key: str) -> None:
    stored = await store.put(key, [b"abc"], PLAIN)
    assert [info.key for info in (await store.list_page("d/", delimiter="/")).objects] == [key]
    assert await read(store, key) == b"abc"
    await store.copy(key, f"copy/{key}", if_match=stored.etag)
    assert await store.delete_many([key, f"copy/{key}"]) == []
    assert (await store.list_page("")).objects == []


@pytest.mark.needs("odd_keys")
@pytest.mark.parametrize("key", ["d//a", "d/../a", "d/./a", "/a", "a//"])
async def test_keys_that_are_no_path(store: Store, key: str) -> None:
    await store.put(key, [b"abc"], PLAIN)
    assert [info.key for info in (await store.list_page("")).objects] == [key]
    assert await read(store, key) == b"abc"
    await store.delete(key)
    assert (await store.list_page("")).objects == []


async def test_a_key_that_is_too_long(store: Store) -> None:
    with pytest.raises(KeyTooLong):
        await store.put("d/" * 550, [b"x"], PLAIN)


async def test_a_cancelled_call_has_no_effect(store: Store) -> None:
    with trio.CancelScope() as scope:
        scope.cancel()
        await store.put("a", [b"x"], PLAIN)
    assert scope.cancelled_caught
    assert (await store.list_page("")).objects == []
