"""Which files are fetched when those of a directory are read in no order."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable

import pytest

from phfs.core.shuffle import (
    AT_ONCE,
    LEAST_READ,
    LOOKED_AT,
    MOST_NAMES,
    RECENT,
    REPEATED,
    SHARE,
    Shuffle,
)

NAMES = [f"{number:04}.jpg" for number in range(1000)]
SIZE = 1000
ENOUGH = 10_000 * SIZE
"""Memory for more than all of them."""


class Readers:
    """Reads names, and counts which of them were fetched before they were read."""

    def __init__(self, names: list[str] = NAMES, memory: int = ENOUGH) -> None:
        self.names = names
        self.memory = memory
        self.sizes: dict[str, int] = {}
        self.fetched: list[str] = []
        self.waiting: set[str] = set()
        self.met = 0
        self.worth: Callable[[str], bool] = lambda name: True
        self.shuffle = Shuffle()

    def read(self, name: str) -> list[str]:
        """One file begins to be read; returns what is fetched then."""
        self.met += name in self.waiting
        self.waiting.discard(name)
        size = self.sizes.get(name, SIZE)
        found = self.shuffle.read(
            self.names, name, size, len(self.waiting), self.memory, self.worth
        )
        self.waiting.update(found)
        self.fetched += found
        return [*found]

    def read_all(self, names: Iterable[str]) -> None:
        for name in names:
            self.read(name)


def shuffled(names: list[str] = NAMES, seed: int = 1) -> list[str]:
    return random.Random(seed).sample(names, len(names))


def test_most_of_a_shuffled_directory_is_there_before_it_is_read() -> None:
    readers = Readers()
    readers.read_all(shuffled())
    assert readers.met > 650
    assert len(readers.fetched) == len(set(readers.fetched)) == readers.met, "none in vain"


def test_no_more_waits_than_was_read_and_nothing_for_the_first_few() -> None:
    readers = Readers()
    for count, name in enumerate(shuffled()[:400], 1):
        assert len(readers.read(name)) <= AT_ONCE
        assert count >= LEAST_READ or not readers.fetched
        assert len(readers.waiting) <= count
    assert len(readers.waiting) > 200


def test_no_more_waits_than_memory_holds() -> None:
    readers = Readers(memory=300 * SIZE)
    for name in shuffled():
        readers.read(name)
        assert len(readers.waiting) <= 300
    assert readers.met > 400


def test_what_memory_holds_follows_from_the_files_that_were_read() -> None:
    readers = Readers(memory=300 * SIZE)
    for number, name in enumerate(NAMES):
        readers.sizes[name] = SIZE // 10 if number % 2 else 3 * SIZE
    readers.read_all(shuffled()[:500])
    assert 100 < len(readers.waiting) < 300


def test_a_directory_of_which_memory_holds_little_is_left_alone_until_little_is_left() -> None:
    readers = Readers(memory=50 * SIZE)
    order = shuffled()
    readers.read_all(order[: len(order) - SHARE * 50 - 1])
    assert readers.fetched == []
    readers.read_all(order[len(order) - SHARE * 50 - 1 :])
    assert readers.met > 50


def test_what_was_read_in_order_counts_as_read() -> None:
    readers = Readers(memory=0)
    readers.read_all(NAMES[:20])
    assert readers.fetched == []
    readers.memory = ENOUGH
    readers.read_all(shuffled(NAMES[500:])[:40])
    assert readers.fetched[:AT_ONCE] == NAMES[20 : 20 + AT_ONCE]


@pytest.mark.parametrize(
    "order",
    [
        NAMES,
        NAMES[::5],
        sorted(NAMES[:500], key=lambda name: name.lstrip("0")),
        [name for at in range(0, 1000, 8) for name in NAMES[at + 1 : at + 8] + NAMES[at : at + 1]],
    ],
    ids=["one by one", "every fifth", "by number", "eight at a time"],
)
def test_what_goes_forward_most_of_the_time_is_an_order(order: list[str]) -> None:
    readers = Readers()
    readers.read_all(order)
    assert readers.fetched == []


@pytest.mark.parametrize("seed", range(3))
def test_a_second_pass_is_fetched_like_the_first(seed: int) -> None:
    readers = Readers()
    readers.read_all(shuffled(seed=seed))
    for number in range(2):
        before = readers.met
        readers.read_all(shuffled(seed=100 * number + seed))
        assert readers.met - before > 600


def test_who_reads_some_files_again_is_still_at_the_same_pass() -> None:
    hot, twice = Readers(), Readers()
    order = shuffled()
    for number, name in enumerate(order):
        hot.read(name)
        if number % 10 == 0:
            hot.read(order[0])
        twice.read(name)
        twice.read(name)
    for readers in (hot, twice):
        assert readers.met > 650
        assert len(readers.fetched) == len(set(readers.fetched))


def test_another_pass_begins_when_most_reads_are_of_files_that_were_read() -> None:
    readers = Readers()
    first = shuffled()[:300]
    readers.read_all(first)
    assert readers.shuffle.remembered == 300
    readers.read_all(first[: REPEATED - 1])
    assert readers.shuffle.remembered == 300
    readers.read(first[REPEATED - 1])
    assert readers.shuffle.remembered <= RECENT


def test_what_could_not_be_fetched_is_named_again() -> None:
    readers = Readers()
    order = shuffled()
    readers.read_all(order[: LEAST_READ - 1])
    first = readers.read(order[LEAST_READ - 1])
    assert len(first) == AT_ONCE
    readers.shuffle.gave_up(first[1])
    again = readers.read(order[LEAST_READ])
    expected = [name for name in first[1:] if name != order[LEAST_READ]]
    assert again[: len(expected)] == expected


def test_what_need_not_be_fetched_is_passed_over_a_few_at_a_time() -> None:
    asked: list[str] = []

    def large(name: str) -> bool:
        asked.append(name)
        return name >= "0900"

    readers = Readers()
    readers.worth = large
    for name in shuffled():
        before = len(asked)
        readers.read(name)
        assert len(asked) - before <= LOOKED_AT
    assert len(asked) == len(set(asked))
    assert readers.fetched
    assert all(name >= "0900" for name in readers.fetched)


def test_only_files_of_the_kind_that_is_read_are_fetched() -> None:
    images, labels = NAMES[:200], [name.replace("jpg", "json") for name in NAMES[:200]]
    readers = Readers(names=sorted(images + labels))
    readers.read_all(shuffled(images))
    assert readers.met > 100
    assert set(readers.fetched) <= set(images)
    both = Readers(names=sorted(images + labels))
    both.read_all(shuffled(images + labels))
    assert {*both.fetched} & {*labels}


def test_a_number_is_no_kind() -> None:
    names = [f"shard.{number:03}" for number in range(300)]
    readers = Readers(names)
    readers.read_all(shuffled(names))
    assert readers.met > 150


def test_names_may_come_and_go() -> None:
    readers = Readers(names=NAMES[:500])
    order = shuffled(NAMES[:500])
    readers.read_all(order[:100])
    fetched = len(readers.fetched)
    readers.names = sorted({*NAMES[200:700]} - {*order[:10]})
    readers.read_all(name for name in order[100:] if name in readers.names)
    assert {*NAMES[500:700]} & set(readers.fetched)
    assert set(readers.fetched[fetched:]) <= set(readers.names)


def test_what_is_not_known_to_be_there_is_not_fetched() -> None:
    readers = Readers(names=[])
    readers.read_all(shuffled()[:100])
    assert readers.fetched == []


def test_where_there_are_too_many_to_remember_nothing_is_fetched() -> None:
    names = [f"{number:05}" for number in range(MOST_NAMES + 1)]
    readers = Readers(names, memory=2 * ENOUGH)
    readers.read_all(shuffled(names)[:200])
    assert readers.fetched == []
    assert readers.shuffle.remembered == 0
    readers.names = names[1:]
    readers.read_all(shuffled(names)[200:240])
    assert readers.fetched


def test_names_that_are_gone_are_not_remembered_for_ever() -> None:
    readers = Readers()
    for number in range(3 * MOST_NAMES):
        readers.read(f"{number}.jpg")
        assert readers.shuffle.remembered <= MOST_NAMES + 1
