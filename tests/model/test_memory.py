"""The file system over the memory store does what the model says, step by step."""

from __future__ import annotations

from random import Random

import pytest
import trio
import trio.testing
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from phfs.s3.faults import FaultyStore
from phfs.s3.memory import MemoryStore
from tests.model.commands import FIRST, Command, commands, walk
from tests.model.pair import PART, TTL, Pair
from tests.support.volume import open_volume


async def run(steps: list[Command], ttl: float) -> None:
    """Carry out all steps, close what is open, end the mount."""
    store = MemoryStore(now=trio.current_time, min_part=1)
    slow = FaultyStore(store)
    slow.latency = 0.001
    failures: list[Exception] = []
    async with open_volume(slow, metadata_ttl=ttl, part_size=PART) as volume:
        pair = Pair(store, volume)
        try:
            for command in (*FIRST, *steps):
                await pair.step(command)
            while pair.open:
                await pair.step(Command("close"))
            await pair.check()
        except Exception as error:  # a bare error reads better than the nursery's group
            failures.append(error)
    for failure in failures:
        raise failure
    assert not store.uploads


@pytest.mark.parametrize("ttl", [0.0, TTL])
def test_does_what_the_model_says(ttl: float) -> None:
    @settings(max_examples=100, deadline=None, suppress_health_check=list(HealthCheck))
    @given(commands(part_size=PART))
    def steps_agree(steps: list[Command]) -> None:
        trio.run(run, steps, ttl, clock=trio.testing.MockClock(autojump_threshold=0))

    steps_agree()


@pytest.mark.parametrize("ttl", [0.0, TTL])
def test_does_what_the_model_says_of_programs_at_work(ttl: float) -> None:
    @settings(max_examples=100, deadline=None)
    @given(st.integers(0, 2**32))
    def walks_agree(seed: int) -> None:
        steps = walk(Random(seed), 40, part_size=PART)
        trio.run(run, steps, ttl, clock=trio.testing.MockClock(autojump_threshold=0))

    walks_agree()
