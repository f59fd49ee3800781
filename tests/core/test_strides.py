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


def _workers(driver: Driver, count: int, size: int, drift: int) -> None:
    """Read a file by so many workers, each every so-many-eth piece, as far as ``drift`` apart."""
    chance = random.Random(count + size)
    done = [0] * count
    pieces = driver.size // size
    while min(done) * count < pieces:
        ready = [each for each in range(count) if done[each] < min(done) + drift]
        worker = chance.choice(ready)
        piece = done[worker] * count + worker
        done[worker] += 1
        if piece < pieces:
            driver.read(piece * size, size)


@pytest.mark.parametrize(("count", "size"), [(2, 128 * KIB), (4, 128 * KIB), (8, 256 * KIB)])
def test_workers_that_share_a_stream_are_one(count: int, size: int) -> None:
    driver = Driver(256 * MIB)
    _workers(driver, count, size, 4)
    assert driver.fetched <= 1.9 * driver.size


@pytest.mark.parametrize(("threads", "most"), [(4, 40), (8, 80)])
def test_threads_that_take_the_next_part_each_are_streams(threads: int, most: int) -> None:
    part = 64 * MIB // threads
    driver = Driver(1024 * MIB)
    positions = [each * part for each in range(threads)]
    following = threads * part
    while positions:
        for each, position in enumerate(positions):
            driver.read(position, MIB)
            positions[each] = position + MIB
            if positions[each] % part == 0:
                positions[each], following = following, following + part
        positions = [position for position in positions if position < driver.size]
    assert len(driver.needed) <= most
    assert driver.fetched <= 1.25 * driver.size


def test_headers_of_an_archive_of_small_members_are_read_as_one_stream() -> None:
    chance = random.Random(4)
    driver = Driver(64 * MIB)
    offset = reads = 0
    while offset < driver.size:
        driver.read(offset // PAGE * PAGE, 16 * KIB)
        offset += 512 + chance.randrange(30 * KIB)
        reads += 1
    assert len(driver.needed) <= reads / 8


def test_a_long_stretch_is_foreseen_as_far_as_a_stream_would_be() -> None:
    driver = Driver(100_000 * MIB)
    for start in range(0, 27_000 * MIB, 3000 * MIB):
        driver.read_through(start, start + 300 * MIB, MIB)
    before = len(driver.runs)
    driver.read(27_000 * MIB, MIB)
    assert sum(run.size for run in driver.runs[before:]) <= OPTIONS.window


def test_a_stream_after_columns_has_what_was_foreseen_for_itself() -> None:
    table = _table(10, _always(12 * MIB))
    driver = _driver(table)
    for group in table[:-1]:
        for column in COLUMNS:
            _read(driver, group[column])
    driver.read_through(0, 2 * OPTIONS.window, MIB)
    ahead = [block for block in driver.blocks if block.start > 2 * OPTIONS.window]
    assert sum(block.size for block in ahead) <= OPTIONS.window + OPTIONS.request


def test_what_lies_in_a_gap_of_a_foreseen_place_is_dropped_with_it() -> None:
    driver = Driver(16 * 1024 * MIB)
    stride, length = 200 * MIB, 30 * MIB
    for number in range(1, 11):
        driver.read_through(number * stride, number * stride + length, MIB)
    lost = sorted(block for block in driver.blocks if block.start >= 11 * stride)[2]
    driver.readahead.forget(lost)
    driver.blocks.remove(lost)
    driver.read_through(11 * stride, 11 * stride + 7 * MIB, MIB)
    chance = random.Random(1)
    for _ in range(200):
        driver.read(chance.randrange(4096 * MIB, driver.size) // PAGE * PAGE, 16 * KIB)
    assert min(driver.blocks).start >= 4096 * MIB


def test_a_start_that_is_read_again_and_farther_is_no_beginning() -> None:
    driver = Driver(1024 * MIB)
    for number in range(40, 52):
        driver.read(number * 256 * KIB, 64 * KIB)
    driver.read(50 * 256 * KIB, 256 * KIB)
    assert driver.read(52 * 256 * KIB, 64 * KIB).needed == []


def test_a_beginning_behind_another_repeats_nothing() -> None:
    driver = Driver(512 * MIB)
    reads = [(125560, 179), (304576, 128), (304592, 189), (498936, 128), (125672, 145)]
    reads += [(304608, 4), (125688, 128), (304624, 75), (455120, 128), (455248, 128)]
    for start, size in [*reads, (125528, 128), (455136, 16)]:
        driver.read(start * KIB, size * KIB)


@pytest.mark.parametrize("seed", range(100))
def test_overlapping_reads_in_any_order_are_no_stride_backwards(seed: int) -> None:
    chance = random.Random(seed)
    driver = Driver(512 * MIB)
    places = [chance.randrange(driver.size // (16 * KIB)) * 16 * KIB for _ in range(4)]
    for _ in range(40):
        driver.read(
            chance.choice(places) + chance.randrange(12) * 16 * KIB, chance.randrange(1, 200) * KIB
        )
