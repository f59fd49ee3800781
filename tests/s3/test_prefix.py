"""Keys are relative above the prefix and whole below it; nothing outside comes through."""

from __future__ import annotations

import pytest

from phfs.core.objects import Attributes, ByteRange, ETag, ObjectInfo, Page
from phfs.errors import (
    AccessDenied,
    KeyTooLong,
    NoSuchKey,
    NoSuchUpload,
    PreconditionFailed,
    TransientError,
)
from phfs.s3.faults import FaultyStore
from phfs.s3.memory import MemoryStore
from phfs.s3.prefix import PrefixedStore
from tests.support.sinks import read

PLAIN = Attributes()
PREFIX = "groups/lab/"
OTHER_VERSION = ETag("0" * 32)


@pytest.fixture
def store(memory: MemoryStore) -> PrefixedStore:
    return PrefixedStore(memory, PREFIX)


async def test_every_key_is_below_the_prefix(store: PrefixedStore, memory: MemoryStore) -> None:
    stored = await store.put("a", [b"abc"], PLAIN)
    await store.copy("a", "d/b", if_match=stored.etag)
    upload = await store.create_upload("c", PLAIN)
    assert memory.uploads[upload].key == "groups/lab/c"
    parts = [
        await store.copy_part("c", upload, 1, "a", ByteRange(0, 2), if_match=stored.etag),
        await store.put_part("c", upload, 2, [b"!"]),
    ]
    await store.complete_upload("c", upload, parts)
    assert list(memory.objects) == ["groups/lab/a", "groups/lab/d/b", "groups/lab/c"]
    assert await read(store, "c") == b"ab!"
    assert (await store.head("c")).info.key == "c"
    memory.set_tags("groups/lab/a", "team=lab")
    assert await store.tags("a") == "team=lab"
    upload = await store.create_upload("c", PLAIN)
    await store.abort_upload("c", upload)
    assert dict(memory.uploads) == {}
    await store.delete("a")
    assert await store.delete_many(["c", "d/b"]) == []
    assert dict(memory.objects) == {}


async def test_a_listing_stays_inside_and_is_relative(
    store: PrefixedStore, memory: MemoryStore
) -> None:
    for key in ("groups/lab", "groups/lab2/x", "groups/la/x", "groups/lab/", "groups/lab/a/b"):
        await memory.put(key, [b"x"], PLAIN)
    page = await store.list_page("", delimiter="/")
    assert ([info.key for info in page.objects], page.prefixes) == ([""], ["a/"])
    assert [info.key for info in (await store.list_page("a")).objects] == ["a/b"]
    assert store.strays == 0


async def test_pages_and_start_after_are_relative_too(store: PrefixedStore) -> None:
    for key in ("a", "b", "c", "d"):
        await store.put(key, [b"x"], PLAIN)
    first = await store.list_page("", start_after="a", limit=2)
    assert [info.key for info in first.objects] == ["b", "c"]
    second = await store.list_page("", token=first.next_token, limit=2)
    assert [info.key for info in second.objects] == ["d"]


class Lying(MemoryStore):
    """Lists things nobody asked for."""

    async def list_page(
        self,
        prefix: str,
        *,
        delimiter: str = "",
        token: str | None = None,
        start_after: str = "",
        limit: int = 1000,
    ) -> Page:
        stray = ObjectInfo("groups/other/secret", 1, OTHER_VERSION, 0)
        return Page(
            [stray, stray._replace(key="groups/lab/d/x")], ["../", "groups/lab/d/s/"], "token"
        )


async def test_a_listing_that_fails_speaks_of_what_the_bucket_was_asked_for() -> None:
    class Silent(MemoryStore):
        async def list_page(self, prefix: str, **_: object) -> Page:
            raise TransientError(f"bucket b, keys with {prefix!r}: no answer")

    store = PrefixedStore(Silent(lambda: 1e9), PREFIX)
    for key in ("", "a/"):
        with pytest.raises(TransientError) as caught:
            await store.list_page(key)
        assert caught.value.why == f"bucket b, keys with {PREFIX + key!r}: no answer"


@pytest.mark.expects_log
async def test_what_lies_outside_is_dropped_and_counted(caplog: pytest.LogCaptureFixture) -> None:
    store = PrefixedStore(Lying(lambda: 0.0), PREFIX)
    for _ in range(2):
        page = await store.list_page("d/", delimiter="/")
        assert [info.key for info in page.objects] == ["d/x"]
        assert page.prefixes == ["d/s/"]
        assert page.next_token is not None
        assert page.next_token.endswith(" token")
    assert store.strays == 4
    assert len(caplog.records) == 1


async def test_sentences_name_the_keys_the_user_knows(
    store: PrefixedStore, memory: MemoryStore
) -> None:
    with pytest.raises(NoSuchKey, match=r"^a: there is no such object"):
        await store.head("a")
    await store.put("a", [b"abc"], PLAIN)
    with pytest.raises(PreconditionFailed, match=r"^a: ") as caught:
        await store.copy("a", "b", if_match=OTHER_VERSION)
    assert PREFIX not in caught.value.why
    upload = await store.create_upload("c", PLAIN)
    await store.abort_upload("c", upload)
    with pytest.raises(NoSuchUpload, match=r"^c: "):
        await store.put_part("c", upload, 1, [b"x"])


async def test_a_key_is_too_long_with_its_prefix(store: PrefixedStore) -> None:
    with pytest.raises(KeyTooLong):
        await store.put("k" * (1025 - len(PREFIX)), [], PLAIN)
    await store.put("k" * (1024 - len(PREFIX)), [], PLAIN)


async def test_a_failed_delete_names_the_relative_key(store: PrefixedStore) -> None:
    long = "k" * 1024
    assert [failure.key for failure in await store.delete_many(["a", long])] == [long]


async def test_a_refused_listing_of_everything_names_the_prefix(memory: MemoryStore) -> None:
    faulty = FaultyStore(memory)
    faulty.fail(AccessDenied(f"{PREFIX}: may not be listed"))
    with pytest.raises(AccessDenied, match=r"^groups/lab/: may not be listed"):
        await PrefixedStore(faulty, PREFIX).list_page("")
