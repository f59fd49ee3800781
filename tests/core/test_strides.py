"""Strides: what is fetched ahead of readers that skip by the same distance, without a store."""

from __future__ import annotations

import random
from collections.abc import Iterable, Iterator

import pytest

from phfs.core.ahead import KIB, LARGEST, MIB, PAGE
from phfs.core.objects import ByteRange
from tests.core.readahead_driver import OPTIONS, SMALL, Driver

COLUMNS = [2, 7, 12]
LEARNED = 9
"""Beginnings after which three columns are foreseen: a row group that is compared with, and six
beginnings that repeat one."""


def _table(groups: int, sizes: Iterable[int], columns: int = 16) -> list[list[ByteRange]]:
    """By row group, where each column is."""
    lengths = iter(sizes)
    position = 4
    table = []
    for _ in range(groups):
        group = []
        for _ in range(columns):
            length = next(lengths)
            group.append(ByteRange(position, position + length))
            position += length
        table.append(group)
    return table


def _always(size: int) -> Iterator[int]:
    while True:
        yield size


def _around(size: int, spread: float) -> Iterator[int]:
    chance = random.Random(5)
    while True:
        yield int(size * chance.uniform(1 - spread, 1 + spread))


def _read(driver: Driver, chunk: ByteRange) -> bool:
    """Read a chunk as the kernel does; whether all of it was there or on its way."""
    before = len(driver.needed)
    start, stop = chunk.start // PAGE * PAGE, -(-chunk.stop // PAGE) * PAGE
    driver.read_through(start, min(stop, driver.size), LARGEST)
    return len(driver.needed) == before


def _driver(table: list[list[ByteRange]]) -> Driver:
    return Driver(table[-1][-1].stop + 3 * MIB)


@pytest.mark.parametrize("size", [80 * KIB, 250_000, MIB, MIB + 600, 3 * MIB + 17, 12 * MIB])
def test_the_columns_of_a_table_are_fetched_ahead(size: int) -> None:
    table = _table(24, _always(size))
    driver = _driver(table)
    there = [_read(driver, group[column]) for group in table for column in COLUMNS]
    assert all(there[LEARNED:])
    read_in_pages = driver.read_bytes
    assert driver.fetched <= 1.1 * read_in_pages + LEARNED * (OPTIONS.window + OPTIONS.least)
    assert driver.most_kept <= 2 * OPTIONS.window + 4 * size + 16 * MIB


def test_nothing_but_the_columns_is_fetched_once_their_places_are_known() -> None:
    table = _table(40, _always(6 * MIB))
    driver = _driver(table)
    for group in table[:4]:
        for column in COLUMNS:
            _read(driver, group[column])
    fetched, read = driver.fetched, driver.read_bytes
    for group in table[4:-6]:
        for column in COLUMNS:
            assert _read(driver, group[column])
    assert driver.fetched - fetched <= 1.02 * (driver.read_bytes - read) + OPTIONS.window


@pytest.mark.parametrize("columns", [[3], [0, 1], [1, 4, 5, 9, 15], list(range(1, 16, 2))])
def test_any_columns_are(columns: list[int]) -> None:
    table = _table(30, _always(300 * KIB))
    driver = _driver(table)
    there = [_read(driver, group[column]) for group in table for column in columns]
    assert all(there[8 * len(columns) :])


@pytest.mark.parametrize("seed", range(5))
def test_readers_of_a_column_each_need_not_take_turns(seed: int) -> None:
    table = _table(40, _always(MIB + 600))
    driver = _driver(table)
    chance = random.Random(seed)
    positions = dict.fromkeys(COLUMNS, 0)
    there = []
    while positions:
        slowest = min(positions.values())
        column = chance.choice([each for each in COLUMNS if positions.get(each, 99) < slowest + 8])
        there.append(_read(driver, table[positions[column]][column]))
        positions[column] += 1
        if positions[column] == len(table):
            del positions[column]
    assert there.count(False) <= 0.3 * len(there)
    assert driver.fetched <= 1.3 * driver.read_bytes + OPTIONS.window


def test_columns_of_almost_the_same_length_are_fetched_with_a_margin() -> None:
    table = _table(60, _around(MIB, 0.02))
    driver = _driver(table)
    there = [_read(driver, group[column]) for group in table for column in COLUMNS]
    assert there[LEARNED:].count(False) <= 0.2 * len(there)
    assert driver.fetched <= 1.7 * driver.read_bytes


def test_lengths_that_differ_too_much_are_not_guessed() -> None:
    table = _table(60, _around(MIB, 0.6))
    driver = _driver(table)
    for group in table:
        for column in COLUMNS:
            _read(driver, group[column])
    assert driver.fetched <= 1.3 * driver.read_bytes


@pytest.mark.parametrize("size", [4 * KIB, 64 * KIB, MIB])
@pytest.mark.parametrize("records", [512, 4096])
def test_records_at_random_are_not_foreseen(size: int, records: int) -> None:
    driver = Driver(records * size * 8)
    chance = random.Random(records + size)
    for _ in range(600):
        driver.read(chance.randrange(records) * size * 8, size)
    assert sum(run.size for run in driver.runs) <= 0.1 * driver.read_bytes


def test_what_was_foreseen_is_dropped_when_the_reader_turns_elsewhere() -> None:
    table = _table(40, _always(MIB))
    driver = _driver(table)
    for group in table[:6]:
        for column in COLUMNS:
            _read(driver, group[column])
    foreseen = {block for block in driver.blocks if block.start > table[7][0].start}
    assert foreseen
    chance = random.Random(3)
    for _ in range(40):
        driver.read(chance.randrange(table[8][0].start // PAGE) * PAGE, 16 * KIB)
    assert not foreseen & driver.blocks


def test_a_read_elsewhere_drops_nothing() -> None:
    table = _table(24, _always(MIB))
    driver = _driver(table)
    there = []
    for number, group in enumerate(table):
        for column in COLUMNS:
            there.append(_read(driver, group[column]))
        if number % 4 == 0:
            driver.read(driver.size - 64 * KIB, 16 * KIB)
    assert all(there[LEARNED + 3 :])
    assert driver.fetched <= 1.1 * driver.read_bytes + 20 * OPTIONS.least


def test_a_second_pass_is_foreseen_like_the_first() -> None:
    table = _table(8, _always(MIB))
    driver = _driver(table)
    for _ in range(2):
        there = [_read(driver, group[column]) for group in table for column in COLUMNS]
        assert all(there[LEARNED:])


def test_what_is_skipped_is_fetched_too_when_it_is_little() -> None:
    driver = Driver(64 * MIB, SMALL)
    for offset in range(0, 4 * MIB, 12 * KIB):
        driver.read(offset // PAGE * PAGE, 4 * KIB)
    assert len(driver.needed) <= 10
    assert driver.runs[-1].size == SMALL.request
    assert driver.fetched <= 4 * MIB + 2 * SMALL.window


def test_more_columns_than_are_remembered_are_read_as_before() -> None:
    table = _table(4, _always(200 * KIB), columns=100)
    columns = sorted(random.Random(9).sample(range(100), 50))
    driver = _driver(table)
    for group in table:
        for column in columns:
            _read(driver, group[column])
    assert driver.fetched <= 1.5 * driver.read_bytes + OPTIONS.first
