"""The contract of multipart uploads and of copies made of parts."""

from __future__ import annotations

import hashlib

import pytest
from awscrt.checksums import crc32c  # type: ignore[import-untyped]

from phfs.core.objects import Attributes, ByteRange, ETag, UploadId
from phfs.errors import (
    InvalidRequest,
    NoSuchKey,
    NoSuchUpload,
    NotSupported,
    PreconditionFailed,
)
from phfs.s3.copying import copy_object
from phfs.s3.store import MIN_PART, Store
from tests.support.sinks import read

PLAIN = Attributes()
RICH = Attributes(
    content_type="text/csv", metadata={"owner": "ada"}, headers={"Cache-Control": "no-cache"}
)
FIRST = b"first" + bytes(MIN_PART)
LAST = b"last"


async def begin(store: Store, key: str = "d/big") -> UploadId:
    return await store.create_upload(key, PLAIN)


async def test_parts_become_one_object_when_completed(store: Store) -> None:
    upload = await store.create_upload("d/big", RICH, tagging="team=lab&kind=raw")
    last = await store.put_part("d/big", upload, 2, [LAST[:2], bytearray(LAST[2:])])
    first = await store.put_part("d/big", upload, 1, [memoryview(FIRST)])
    assert (first.number, first.size, last.number, last.size) == (1, len(FIRST), 2, len(LAST))
    assert (await store.list_page("")).objects == []
    stored = await store.complete_upload("d/big", upload, [first, last])
    sums = hashlib.md5(FIRST).digest() + hashlib.md5(LAST).digest()
    assert stored.etag == f"{hashlib.md5(sums).hexdigest()}-2"
    described = await store.head("d/big")
    assert (described.info.etag, described.info.size) == (stored.etag, len(FIRST + LAST))
    assert described.attributes == RICH
    assert await read(store, "d/big", MIN_PART) == (FIRST + LAST)[MIN_PART:]


@pytest.mark.needs("tag_count")
async def test_tags_are_counted(store: Store) -> None:
    upload = await store.create_upload("d/big", RICH, tagging="team=lab&kind=raw")
    part = await store.put_part("d/big", upload, 1, [LAST])
    await store.complete_upload("d/big", upload, [part])
    assert (await store.head("d/big")).tag_count == 2


@pytest.mark.needs("own_sums")
@pytest.mark.parametrize("summed", [True, False])
async def test_what_is_kept_to_check_an_object_by_fits_it(
    store: Store,
    summed: bool,
) -> None:
    """Stores keep what they like, and tell of parts or not; what they tell is right."""
    upload = await store.create_upload("d/big", PLAIN, summed=summed)
    pieces = [FIRST, LAST]
    parts = [
        await store.put_part("d/big", upload, number, [piece])
        for number, piece in enumerate(pieces, start=1)
    ]
    stored = await store.complete_upload("d/big", upload, parts)
    kept = await store.kept("d/big")
    assert (kept.etag, kept.size) == (stored.etag, len(FIRST + LAST))
    whole = {"x-amz-checksum-crc32c": crc32c(FIRST + LAST)}
    assert {name: kept.sums.get(name) for name in kept.sums} in ({}, whole)
    for number, piece in enumerate(pieces, start=1):
        try:
            part = await store.kept("d/big", part=number)
        except (InvalidRequest, NotSupported):
            continue
        assert part.size in (len(piece), len(FIRST + LAST))  # radosgw of old tells the whole
    with pytest.raises(NoSuchKey):
        await store.kept("d/none")


async def test_a_part_sent_again_replaces_the_first(store: Store) -> None:
    upload = await begin(store)
    await store.put_part("d/big", upload, 1, [b"wrong"])
    part = await store.put_part("d/big", upload, 1, [b"right"])
    await store.complete_upload("d/big", upload, [part])
    assert await read(store, "d/big") == b"right"


async def test_an_aborted_upload_is_gone(store: Store) -> None:
    upload = await begin(store)
    await store.put_part("d/big", upload, 1, [LAST])
    await store.abort_upload("d/big", upload)
    await store.abort_upload("d/big", upload)
    assert (await store.list_page("")).objects == []


@pytest.mark.needs("upload_checks")
async def test_nothing_more_is_done_with_an_aborted_upload(store: Store) -> None:
    upload = await begin(store)
    await store.put_part("d/big", upload, 1, [LAST])
    await store.abort_upload("d/big", upload)
    with pytest.raises(NoSuchUpload):
        await store.put_part("d/big", upload, 2, [LAST])
    with pytest.raises(NoSuchKey):
        await store.head("d/big")


@pytest.mark.needs("upload_checks", "knows_aborted")
async def test_an_aborted_upload_is_not_completed(store: Store) -> None:
    upload = await begin(store)
    part = await store.put_part("d/big", upload, 1, [LAST])
    await store.abort_upload("d/big", upload)
    with pytest.raises(NoSuchUpload):
        await store.complete_upload("d/big", upload, [part])
    with pytest.raises(NoSuchKey):
        await store.head("d/big")


async def test_completing_without_a_part_that_was_not_sent(store: Store) -> None:
    upload = await begin(store)
    part = await store.put_part("d/big", upload, 1, [FIRST])
    missing = part._replace(number=2)
    with pytest.raises(InvalidRequest):
        await store.complete_upload("d/big", upload, [part, missing])
    with pytest.raises(NoSuchKey):
        await store.head("d/big")


@pytest.mark.needs("upload_checks", "parts_in_order")
async def test_parts_are_named_in_order(store: Store) -> None:
    upload = await begin(store)
    first = await store.put_part("d/big", upload, 1, [FIRST])
    second = await store.put_part("d/big", upload, 2, [FIRST])
    with pytest.raises(InvalidRequest):
        await store.complete_upload("d/big", upload, [second, first])


async def test_every_part_but_the_last_has_the_least_size(store: Store) -> None:
    upload = await begin(store)
    first = await store.put_part("d/big", upload, 1, [LAST])
    second = await store.put_part("d/big", upload, 2, [LAST])
    with pytest.raises(InvalidRequest):
        await store.complete_upload("d/big", upload, [first, second])


async def test_if_none_match_refuses_to_replace(store: Store) -> None:
    await store.put("d/big", [b"there"], PLAIN)
    upload = await begin(store)
    part = await store.put_part("d/big", upload, 1, [LAST])
    with pytest.raises(PreconditionFailed):
        await store.complete_upload("d/big", upload, [part], if_none_match=True)
    assert await read(store, "d/big") == b"there"


async def test_if_none_match_publishes_a_new_object(store: Store) -> None:
    upload = await begin(store)
    part = await store.put_part("d/big", upload, 1, [LAST])
    await store.complete_upload("d/big", upload, [part], if_none_match=True)
    assert await read(store, "d/big") == LAST


async def test_a_part_is_made_from_a_range_of_an_object(store: Store) -> None:
    source = await store.put("source & more", [FIRST, LAST], PLAIN)
    upload = await begin(store)
    copied = await store.copy_part(
        "d/big", upload, 1, "source & more", ByteRange(1, MIN_PART + 2), if_match=source.etag
    )
    assert (copied.number, copied.size) == (1, MIN_PART + 1)
    sent = await store.put_part("d/big", upload, 2, [LAST])
    await store.complete_upload("d/big", upload, [copied, sent])
    assert await read(store, "d/big") == FIRST[1 : MIN_PART + 2] + LAST


@pytest.mark.needs("copy_part_checks")
async def test_a_part_of_another_version_is_refused(store: Store) -> None:
    await store.put("source", [LAST], PLAIN)
    upload = await begin(store)
    with pytest.raises(PreconditionFailed):
        await store.copy_part(
            "d/big", upload, 1, "source", ByteRange(0, 4), if_match=ETag("0" * 32)
        )


@pytest.mark.needs("copy_part_checks")
async def test_a_part_beyond_the_source_is_refused(store: Store) -> None:
    source = await store.put("source", [LAST], PLAIN)
    upload = await begin(store)
    with pytest.raises(InvalidRequest):
        await store.copy_part("d/big", upload, 1, "source", ByteRange(0, 5), if_match=source.etag)


async def test_a_copy_made_of_parts_keeps_everything(store: Store) -> None:
    upload = await store.create_upload("source", RICH, tagging="team=lab")
    part = await store.put_part("source", upload, 1, [FIRST, FIRST, LAST])
    source = await store.complete_upload("source", upload, [part])
    copied = await copy_object(
        store,
        "source",
        "d/target",
        size=part.size,
        if_match=source.etag,
        threshold=MIN_PART,
        part_size=MIN_PART,
    )
    described = await store.head("d/target")
    assert described.info.etag == copied.etag
    assert described.attributes == RICH
    assert await read(store, "d/target") == FIRST + FIRST + LAST


@pytest.mark.needs("upload_tags")
async def test_a_copy_made_of_parts_keeps_the_tags(store: Store) -> None:
    upload = await store.create_upload("source", PLAIN, tagging="team=lab&kind=raw")
    part = await store.put_part("source", upload, 1, [FIRST, LAST])
    source = await store.complete_upload("source", upload, [part])
    assert await store.tags("source") in ("team=lab&kind=raw", "kind=raw&team=lab")
    await copy_object(
        store,
        "source",
        "d/target",
        size=part.size,
        if_match=source.etag,
        threshold=MIN_PART,
        part_size=MIN_PART,
    )
    assert await store.tags("d/target") == await store.tags("source")


async def test_an_object_without_tags(store: Store) -> None:
    await store.put("a", [b"x"], PLAIN)
    assert await store.tags("a") == ""
