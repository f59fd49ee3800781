"""A link is made for a file that is there, and for nothing else."""

from __future__ import annotations

import pytest

from phfs.core.objects import Attributes
from phfs.errors import AccessDenied, IsDirectory, NotFound
from phfs.files.paths import Remote
from phfs.files.sharing import share
from phfs.s3.sign import Link
from phfs.s3.store import Described
from tests.files.test_looking import SmallPages, store_of


def link(key: str, seconds: int, name: str) -> Link:
    return Link(f"{key} {seconds} {name}", 0, False, None)


async def test_a_file_has_a_link() -> None:
    store = await store_of(["a/b"])
    entry, made = await share(store, link, Remote("a/b"), 60, "c")
    assert (entry.path, entry.size, made.url) == ("a/b", 3, "a/b 60 c")


async def test_a_directory_and_nothing_have_none() -> None:
    store = await store_of(["a/b", "a"])
    with pytest.raises(IsDirectory, match="phfs:///a is a directory"):
        await share(store, link, Remote("a"), 60)
    with pytest.raises(NotFound):
        await share(store, link, Remote("b"), 60)


async def test_keys_that_may_not_read_share_nothing() -> None:
    class Refusing(SmallPages):
        async def head(self, key: str) -> Described:
            raise AccessDenied("no")

    store = Refusing(1000)
    await store.put("a", [b"x"], Attributes())
    with pytest.raises(AccessDenied, match=r"may not read phfs:///a\."):
        await share(store, link, Remote("a"), 60)
