"""A listing that does not come to an end is found out, and one that does is not suspected."""

from __future__ import annotations

import itertools
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from phfs.core.objects import ETag, ObjectInfo, Page
from phfs.errors import InvalidRequest, ServerFault
from phfs.s3.memory import MemoryStore
from phfs.s3.paging import MOST_EMPTY, START, place_of, token_after
from phfs.s3.prefix import PrefixedStore


class Circling(MemoryStore):
    """Sends a page with one name for each token it is told to give."""

    def __init__(self, tokens: Iterator[str | None], *, name: str = "g/a") -> None:
        super().__init__(lambda: 0.0)
        self.asked: list[str | None] = []
        self._tokens = tokens
        self._names = [ObjectInfo(name, 1, ETag("e"), 0)] if name else []

    async def list_page(
        self,
        prefix: str,
        *,
        delimiter: str = "",
        token: str | None = None,
        start_after: str = "",
        limit: int = 1000,
    ) -> Page:
        self.asked.append(token)
        return Page(self._names, [], next(self._tokens))


async def listed(store: PrefixedStore) -> int:
    """List to the end; how many pages there were."""
    token, pages = None, 0
    while True:
        page = await store.list_page("", token=token)
        pages += 1
        token = page.next_token
        if token is None:
            return pages


@given(before=st.integers(0, 40), length=st.integers(1, 40))
async def test_any_circle_is_found_soon(before: int, length: int) -> None:
    tokens = itertools.chain(
        (f"once {number}" for number in range(before)),
        itertools.cycle([f"again {number}" for number in range(length)]),
    )
    circling = Circling(tokens)
    with pytest.raises(ServerFault, match="again and again"):
        await listed(PrefixedStore(circling, "g/"))
    assert len(circling.asked) <= 3 * (before + length) + 2


async def test_the_store_gets_its_own_tokens_back() -> None:
    tokens = ["a", "b c", "", "- 1", *(str(number) for number in range(3000))]
    circling = Circling(iter([*tokens, None]))
    assert await listed(PrefixedStore(circling, "g/")) == len(tokens) + 1
    assert circling.asked == [None, *tokens]


@pytest.mark.parametrize("name", ["", "other/a"])
@pytest.mark.expects_log
async def test_pages_without_anything_of_ours_are_not_awaited_for_ever(name: str) -> None:
    circling = Circling((str(number) for number in itertools.count()), name=name)
    with pytest.raises(ServerFault, match="empty pages"):
        await listed(PrefixedStore(circling, "g/"))
    assert len(circling.asked) == MOST_EMPTY


def test_empty_pages_between_others_are_not_counted_together() -> None:
    token: str | None = None
    for number in range(5 * MOST_EMPTY):
        token = token_after(place_of(token), str(number), "/", empty=number % 2 == 0)
    assert place_of(token).pages == 5 * MOST_EMPTY


@pytest.mark.parametrize("token", ["", "x", "1", "1 2", "1 2 3", "a 2 3 4", "1 -2 3 4"])
def test_a_token_of_another_kind_is_refused(token: str) -> None:
    with pytest.raises(InvalidRequest, match="no continuation token"):
        place_of(token)
    assert place_of(None) == START
