"""How much is fetched: what memory, other streams and a slow store make of it."""

from __future__ import annotations

import pytest

from phfs.core.ahead import BYTES_PER_SECOND, MIB, SHARE, Options


@pytest.mark.parametrize("limit", [1, MIB, 8 * MIB, 64 * MIB, 100 * MIB, 512 * MIB, 8192 * MIB])
@pytest.mark.parametrize("latency", [0.0, 0.01, 5.0])
def test_options_fit_the_memory_there_is(limit: int, latency: float) -> None:
    options = Options.for_memory(limit, latency)
    share = max(limit // SHARE, options.least)
    assert options.least <= options.block <= options.request <= options.window <= share
    assert options.first <= share
    assert options.window >= 2 * options.request or options.request == options.least
    assert options.request >= 4 * options.block or options.block == options.least


def test_with_memory_for_it_nothing_is_cut() -> None:
    assert Options.for_memory(8192 * MIB) == Options()


def test_a_slow_store_is_asked_further_ahead_in_requests_of_the_same_size() -> None:
    near, far = Options.for_memory(1024 * MIB), Options.for_memory(1024 * MIB, 0.01)
    assert far.window == near.window + BYTES_PER_SECOND // 100
    assert far.request == near.request
    assert Options.for_memory(1024 * MIB, 1.0).window == 1024 * MIB // SHARE


@pytest.mark.parametrize("latency", [0.0, 0.01])
@pytest.mark.parametrize("streams", [1, 2, 4, 16, 64, 10_000])
def test_streams_share_memory(streams: int, latency: float) -> None:
    alone = Options.for_memory(512 * MIB, latency)
    share, ahead = 256 * MIB // streams, 128 * MIB // streams
    options = alone.shared(share, ahead)
    assert options.request <= max(share, options.least)
    assert 2 * options.request <= options.window <= max(ahead, 2 * options.request)
    assert options.window <= alone.window
    assert (options.request == alone.request) == (share >= alone.request)


def test_alone_a_stream_has_all_of_its_window() -> None:
    alone = Options.for_memory(512 * MIB, 0.01)
    assert alone.shared(256 * MIB, 128 * MIB) == alone
