"""The memory store beyond the common contract: S3's fine print, and what tests may look at."""

from __future__ import annotations

import pytest

from phfs.core.objects import Attributes, ByteRange, Part
from phfs.errors import (
    Corrupted,
    InvalidKey,
    InvalidRequest,
    KeyTooLong,
    NoSuchUpload,
)
from phfs.s3.memory import MAX_ENTRIES, MemoryStore
from phfs.s3.rules import list_names
from phfs.s3.store import MAX_PARTS, MIN_PART
from tests.support.sinks import BytesSink, read

PLAIN = Attributes()


@pytest.fixture
def store() -> MemoryStore:
    return MemoryStore(lambda: 1_700_000_000.9, min_part=4)


async def test_the_wall_clock_is_cut_to_seconds(store: MemoryStore) -> None:
    assert (await store.put("a", [b"x"], PLAIN)).modified == 1_700_000_000
    assert (await store.head("a")).info.modified == 1_700_000_000


async def test_objects_and_uploads_can_be_looked_at(store: MemoryStore) -> None:
    await store.put("a", [b"x", b"y"], PLAIN)
    upload = await store.create_upload("b", PLAIN)
    part = await store.put_part("b", upload, 7, [b"abc"])
    assert store.objects["a"].data == b"xy"
    assert store.uploads[upload].key == "b"
    assert store.uploads[upload].parts == {7: part}
    await store.abort_upload("b", upload)
    assert dict(store.uploads) == {}


async def test_a_part_of_an_object_is_not_taken_for_the_whole(store: MemoryStore) -> None:
    stored = await store.put("a", [b"0123456789"], PLAIN)
    sink = BytesSink(4)
    with pytest.raises(Corrupted):
        await store.get("a", ByteRange(0, 4), sink, if_match=stored.etag, whole=True)
    assert sink.filled == b""


async def test_an_upload_belongs_to_its_key(store: MemoryStore) -> None:
    upload = await store.create_upload("a", PLAIN)
    with pytest.raises(NoSuchUpload):
        await store.put_part("b", upload, 1, [b"x"])
    await store.abort_upload("b", upload)
    assert upload in store.uploads


@pytest.mark.parametrize("number", [0, MAX_PARTS + 1])
async def test_part_numbers_have_bounds(store: MemoryStore, number: int) -> None:
    upload = await store.create_upload("a", PLAIN)
    with pytest.raises(InvalidRequest):
        await store.put_part("a", upload, number, [b"x"])


async def test_an_upload_without_parts_is_not_completed(store: MemoryStore) -> None:
    upload = await store.create_upload("a", PLAIN)
    with pytest.raises(InvalidRequest):
        await store.complete_upload("a", upload, [])
    assert upload in store.uploads


@pytest.mark.parametrize("change", [{"etag": "0" * 32}, {"checksum": "AAAAAA=="}])
async def test_a_part_is_completed_only_as_it_was_sent(
    store: MemoryStore, change: dict[str, str]
) -> None:
    upload = await store.create_upload("a", PLAIN)
    part: Part = await store.put_part("a", upload, 1, [b"x"])
    with pytest.raises(InvalidRequest):
        await store.complete_upload("a", upload, [part._replace(**change)])  # type: ignore[arg-type]


async def test_the_least_part_size_is_that_of_s3_unless_lowered() -> None:
    store = MemoryStore(lambda: 0.0)
    upload = await store.create_upload("a", PLAIN)
    parts = [await store.put_part("a", upload, n, [bytes(MIN_PART - 1)]) for n in (1, 2)]
    with pytest.raises(InvalidRequest):
        await store.complete_upload("a", upload, parts)


async def test_a_range_over_the_end_gives_what_there_is_and_fails(store: MemoryStore) -> None:
    stored = await store.put("a", [b"abc"], PLAIN)
    sink = BytesSink(4)
    with pytest.raises(Corrupted):
        await store.get("a", ByteRange(1, 5), sink, if_match=stored.etag)
    assert sink.filled == b"bc"


async def test_the_copy_of_a_multipart_object_has_a_plain_etag(store: MemoryStore) -> None:
    upload = await store.create_upload("a", PLAIN)
    part = await store.put_part("a", upload, 1, [b"abc"])
    source = await store.complete_upload("a", upload, [part])
    assert source.etag.endswith("-1")
    assert (await store.copy("a", "b", if_match=source.etag)).etag == part.etag


async def test_an_object_is_not_copied_to_itself(store: MemoryStore) -> None:
    stored = await store.put("a", [b"abc"], PLAIN)
    with pytest.raises(InvalidRequest):
        await store.copy("a", "a", if_match=stored.etag)


async def test_keys_are_measured_in_bytes(store: MemoryStore) -> None:
    await store.put("é" * 512, [b"x"], PLAIN)
    with pytest.raises(KeyTooLong):
        await store.put("é" * 513, [b"x"], PLAIN)
    for key in ("", "\udc80"):
        with pytest.raises(InvalidKey):
            await store.put(key, [b"x"], PLAIN)
    failures = await store.delete_many(["a", "k" * 1025])
    assert [(each.key, type(each.error)) for each in failures] == [("k" * 1025, KeyTooLong)]


async def test_a_page_never_has_more_than_the_most_entries(store: MemoryStore) -> None:
    for number in range(MAX_ENTRIES + 1):
        await store.put(f"{number:04}", [], PLAIN)
    page = await store.list_page("", limit=5000)
    assert len(page.objects) == MAX_ENTRIES
    assert page.next_token is not None
    assert (await store.list_page("", limit=0)).next_token is None


async def test_listings_refuse_what_makes_no_sense(store: MemoryStore) -> None:
    for token in ("%", "AAA", "/w=="):
        with pytest.raises(InvalidRequest):
            await store.list_page("", token=token)
    with pytest.raises(InvalidRequest):
        await store.list_page("", limit=-1)


async def test_start_after_inside_a_directory_leaves_it_out(store: MemoryStore) -> None:
    for key in ("a/1", "a/2", "b"):
        await store.put(key, [], PLAIN)
    page = await store.list_page("", delimiter="/", start_after="a/1")
    assert (page.prefixes, [info.key for info in page.objects]) == ([], ["b"])


async def test_attributes_are_kept_the_way_s3_keeps_them(store: MemoryStore) -> None:
    given = Attributes(None, "STANDARD", {"Owner": "Ada"}, {"cache-control": "no-cache"})
    await store.put("a", [], given)
    assert (await store.head("a")).attributes == Attributes(
        "binary/octet-stream", None, {"owner": "Ada"}, {"Cache-Control": "no-cache"}
    )
    await store.put("cold", [], Attributes(storage_class="STANDARD_IA"))
    assert (await store.head("cold")).attributes.storage_class == "STANDARD_IA"


async def test_tags_are_set_counted_and_copied(store: MemoryStore) -> None:
    stored = await store.put("a", [b"x"], PLAIN)
    store.set_tags("a", "team=lab&empty=")
    await store.copy("a", "b", if_match=stored.etag)
    assert (await store.head("b")).tag_count == 2
    assert await store.tags("b") == "team=lab&empty="
    assert await read(store, "b") == b"x"


async def test_one_rolled_up_directory_costs_the_same_whatever_it_holds(
    store: MemoryStore,
) -> None:
    class CountingKeys(list[str]):
        looked_at = 0

        def __getitem__(self, at):  # type: ignore[no-untyped-def]
            CountingKeys.looked_at += 1
            return super().__getitem__(at)

    keys = CountingKeys(f"d/{number:05}" for number in range(20_000))
    assert list(list_names(keys, "", "/", "")) == [("d/", True)]
    assert CountingKeys.looked_at < 50
