"""Read-ahead: what is fetched for which pattern of reads, without a store."""

from __future__ import annotations

import itertools
import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from phfs.core.ahead import KIB, LARGEST, MIB, PAGE
from phfs.core.objects import ByteRange
from tests.core.readahead_driver import OPTIONS, SMALL, Driver


@pytest.mark.parametrize("size", [1, PAGE, 100_000, MIB, OPTIONS.first])
def test_a_small_file_is_one_request_wherever_it_is_read(size: int) -> None:
    for offset in (0, size // 2, size - 1):
        driver = Driver(size)
        assert driver.read(offset, 1).needed == [ByteRange(0, size)]
        driver.read_through(0, size, 16 * KIB)
        assert driver.fetched == size


def test_the_first_request_serves_the_kernels_own_readahead_too() -> None:
    driver = Driver(1024 * MIB)
    assert driver.read(0, 128 * KIB) == (
        [ByteRange(0, MIB + 128 * KIB)],
        [ByteRange(0, MIB + 128 * KIB)],
        [],
        [],
    )
    assert driver.read(128 * KIB, 128 * KIB).needed == []


@pytest.mark.parametrize("step", [16 * KIB, 128 * KIB, MIB, 1_000_003])
def test_a_stream_grows_to_full_requests_and_keeps_no_more_than_its_window(step: int) -> None:
    driver = Driver(512 * MIB)
    driver.read_through(0, driver.size, step)
    assert driver.fetched == driver.size
    assert len(driver.needed) <= 2
    sizes = [run.size for run in driver.runs]
    assert max(sizes) == sizes[-2] == OPTIONS.request
    assert sizes[:-1] == sorted(sizes[:-1])
    assert len(sizes) < 512 // 16 + 12
    assert driver.most_kept <= OPTIONS.window + 2 * OPTIONS.block


def test_a_request_is_cut_into_blocks_that_are_given_back_one_by_one() -> None:
    driver = Driver(512 * MIB)
    driver.read_through(0, 128 * MIB, MIB)
    assert [block.size for block in driver.prefetched[-4:]] == [OPTIONS.block] * 4
    assert all(block.start % OPTIONS.block == 0 for block in driver.prefetched[-4:])
    first = min(driver.blocks)
    driver.read_through(128 * MIB, 128 * MIB + 2 * OPTIONS.block, MIB)
    assert first not in driver.blocks
    assert min(driver.blocks).start >= first.stop


def test_once_under_way_the_window_is_kept_full() -> None:
    driver = Driver(512 * MIB)
    driver.read_through(0, 64 * MIB, MIB)
    for offset in range(64 * MIB, 128 * MIB, MIB):
        driver.read(offset, MIB)
        ahead = max(block.stop for block in driver.blocks) - (offset + MIB)
        assert OPTIONS.window - OPTIONS.request <= ahead <= OPTIONS.window


def test_a_stream_in_the_middle_is_followed_from_its_second_request() -> None:
    driver = Driver(512 * MIB)
    start = 100 * MIB
    assert driver.read(start, 128 * KIB).prefetch == []
    assert driver.read(start + 128 * KIB, 128 * KIB).prefetch
    driver.read_through(start + 256 * KIB, start + 64 * MIB, 128 * KIB)
    assert len(driver.needed) == 2
    assert driver.prefetched[-1].size == OPTIONS.block


def test_a_read_that_the_kernel_splits_is_no_stream_and_one_request() -> None:
    driver = Driver(4096 * MIB)
    for number in random.Random(3).sample(range(1, 4000), 14):
        start = number * MIB + 12 * PAGE
        driver.needed.clear()
        driver.read(start, LARGEST)
        driver.read(start + LARGEST, 2 * PAGE)
        assert len(driver.needed) == 1
        assert driver.prefetched == []


def test_a_stream_of_full_requests_is_followed_in_spite_of_short_ones_between() -> None:
    driver = Driver(512 * MIB)
    offset = 100 * MIB
    for length in (LARGEST, PAGE, LARGEST, PAGE, LARGEST):
        driver.read(offset, length)
        offset += length
    assert driver.prefetched
    assert len(driver.needed) <= 2


def test_what_was_planned_for_a_wider_window_is_dropped_with_its_cursor() -> None:
    driver = Driver(4096 * MIB)
    driver.read_through(0, 64 * MIB, MIB)
    assert max(driver.blocks).stop > 64 * MIB + OPTIONS.request
    driver.readahead.options = OPTIONS._replace(window=4 * MIB, request=2 * MIB, block=MIB)
    for number in range(OPTIONS.cursors + 1):
        driver.read((1000 + 10 * number) * MIB, 128 * KIB)
        driver.read((2000 + 10 * number) * MIB, 128 * KIB)
    assert min(driver.blocks).start >= 1000 * MIB


@pytest.mark.parametrize("length", [1, 4 * KIB, 16 * KIB, 128 * KIB, MIB])
def test_random_reads_fetch_little_more_than_they_ask_for(length: int) -> None:
    driver = Driver(4096 * MIB)
    offsets = random.Random(7).sample(range(1, driver.size // MIB, 2), 300)
    for offset in offsets:
        plan = driver.read(offset * MIB + 13, length)
        assert plan.prefetch == []
        rest = OPTIONS.least if length >= LARGEST else 0
        most = max(OPTIONS.least, length + 2 * PAGE + rest)
        assert sum(block.size for block in plan.needed) <= most
    assert len(driver.blocks) <= 2 * OPTIONS.cursors


@pytest.mark.parametrize("pieces", [2, 4, 8, 64])
def test_a_random_read_in_pieces_costs_its_growth_at_most(pieces: int) -> None:
    driver = Driver(4096 * MIB)
    piece = 128 * KIB
    for start in random.Random(pieces).sample(range(1, driver.size // (32 * MIB)), 40):
        driver.read_through(start * 32 * MIB, start * 32 * MIB + pieces * piece, piece)
    assert driver.fetched <= (1 + OPTIONS.growth) * driver.read_bytes + 40 * OPTIONS.least


@pytest.mark.parametrize("streams", [2, 4, 8, 16])
@pytest.mark.parametrize("step", [128 * KIB, MIB])
def test_interleaved_streams_each_become_sequential(streams: int, step: int) -> None:
    share = 64 * MIB
    driver = Driver(streams * share)
    for offset in range(0, share, step):
        for stream in range(streams):
            driver.read(stream * share + offset, step)
    assert driver.fetched == driver.size
    assert len(driver.needed) <= 2 * streams
    assert driver.most_kept <= streams * (OPTIONS.window + 2 * OPTIONS.block)


def test_more_streams_than_cursors_are_still_read() -> None:
    driver = Driver(64 * MIB, SMALL)
    for offset in range(0, MIB, 16 * KIB):
        for stream in range(32):
            driver.read(stream * 2 * MIB + offset, 16 * KIB)
    assert driver.fetched < 2 * driver.read_bytes


@pytest.mark.parametrize("order", list(itertools.permutations(range(4))))
def test_requests_of_one_stream_in_any_order_are_one_stream(order: tuple[int, ...]) -> None:
    driver = Driver(256 * MIB)
    driver.read_through(0, 8 * MIB, MIB)
    demanded = len(driver.needed)
    for batch in range(8 * MIB, 128 * MIB, 4 * 256 * KIB):
        for number in order:
            driver.read(batch + number * 256 * KIB, 256 * KIB)
    assert len(driver.needed) == demanded
    assert driver.prefetched[-1].size == OPTIONS.block
    assert driver.most_kept <= OPTIONS.window + 3 * OPTIONS.block


def test_a_stream_that_skips_ahead_stays_fast() -> None:
    driver = Driver(1024 * MIB)
    driver.read_through(0, 32 * MIB, MIB)
    driver.needed.clear()
    driver.read_through(40 * MIB, 128 * MIB, MIB)
    assert driver.needed == []
    assert driver.runs[-1].size == OPTIONS.request


def test_reading_backwards_fetches_what_is_read() -> None:
    driver = Driver(64 * MIB)
    for offset in range(driver.size - 128 * KIB, 32 * MIB, -128 * KIB):
        driver.read(offset, 128 * KIB)
    assert driver.fetched == driver.read_bytes
    assert driver.prefetched == []
    assert len(driver.blocks) <= 2 * OPTIONS.cursors


def test_streams_one_after_the_other_leave_no_windows_behind() -> None:
    driver = Driver(8192 * MIB)
    for start in (5000, 300, 7000, 2500, 1200, 6100):
        driver.read_through(start * MIB, (start + 100) * MIB, MIB)
        ahead = [block for block in driver.blocks if block.start >= (start + 100) * MIB]
        behind = [block for block in driver.blocks if block not in ahead]
        assert sum(block.size for block in behind) <= 6 * OPTIONS.block


def test_a_stream_that_rested_for_another_one_goes_on() -> None:
    driver = Driver(8192 * MIB)
    driver.read_through(100 * MIB, 200 * MIB, MIB)
    driver.read_through(5000 * MIB, 5100 * MIB, MIB)
    demanded = len(driver.needed)
    driver.read_through(200 * MIB, 300 * MIB, MIB)
    assert len(driver.needed) <= demanded + 2
    assert driver.runs[-1].size == OPTIONS.request


def test_a_file_read_again_is_a_stream_again() -> None:
    driver = Driver(64 * MIB)
    driver.read_through(0, driver.size, MIB)
    driver.needed.clear()
    driver.read_through(0, driver.size, MIB)
    assert len(driver.needed) <= 4
    assert driver.fetched <= 2 * driver.size


def test_what_was_read_is_dropped_but_not_while_it_is_read() -> None:
    driver = Driver(64 * MIB)
    for offset in range(0, driver.size, 512 * KIB):
        plan = driver.read(offset, 512 * KIB)
        assert not set(plan.drop) & set(plan.blocks)
        assert all(block.stop <= offset for block in plan.drop)
        behind = sum(block.size for block in driver.blocks if block.stop <= offset)
        assert behind <= OPTIONS.block


def test_a_block_another_stream_still_reads_is_kept() -> None:
    driver = Driver(256 * MIB)
    driver.read_through(0, 64 * MIB, MIB)
    demanded = len(driver.needed)
    block = min(block for block in driver.blocks if block.start > 64 * MIB)
    driver.read_through(block.start + 4 * MIB, block.stop + 8 * MIB, MIB)
    assert block in driver.blocks
    driver.read_through(64 * MIB, block.stop, MIB)
    assert len(driver.needed) == demanded
    driver.read(block.stop, MIB)
    assert block not in driver.blocks


def test_a_forgotten_block_is_planned_anew() -> None:
    driver = Driver(64 * MIB)
    block = driver.read(0, 128 * KIB).needed[0]
    driver.readahead.forget(block)
    driver.blocks.remove(block)
    assert driver.readahead.covers(0, 1) is None
    assert driver.read(0, 128 * KIB).needed[0].start == 0
    driver.readahead.forget(ByteRange(5, 6))
    assert driver.readahead.covers(0, 128 * KIB) is not None


READ = st.tuples(
    st.sampled_from(["next", "next", "next", "skip", "skip", "ahead", "back", "anywhere", "lose"]),
    st.integers(0, 3),
    st.integers(1, 200 * KIB),
    st.integers(0, 4 * MIB - 1),
)


@settings(max_examples=300, deadline=None)
@given(size=st.integers(1, 4 * MIB), steps=st.lists(READ, max_size=60))
def test_any_reads_are_covered_exactly_once(
    size: int, steps: list[tuple[str, int, int, int]]
) -> None:
    driver = Driver(size, SMALL)
    positions = [0, size // 4, size // 2, size - 1]
    begun = list(positions)
    for kind, stream, length, anywhere in steps:
        offset = {
            "next": positions[stream],
            "skip": begun[stream] + 300 * KIB,
            "ahead": positions[stream] + length,
            "back": positions[stream] - 2 * length,
        }.get(kind, anywhere)
        if kind == "lose" and driver.blocks:
            lost = sorted(driver.blocks)[anywhere % len(driver.blocks)]
            driver.blocks.remove(lost)
            driver.readahead.forget(lost)
        offset = max(0, offset % size)
        driver.read(offset, length)
        begun[stream] = offset if kind != "next" else begun[stream]
        positions[stream] = min(offset + length, size - 1)
    kept = sum(block.size for block in driver.blocks)
    assert kept <= SMALL.cursors * (SMALL.window + 4 * SMALL.block) + 400 * KIB
