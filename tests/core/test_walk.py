"""Which directories are listed ahead of somebody who goes through a tree."""

from __future__ import annotations

import pytest

from phfs.core.walk import LEAST_WALK, MOST_AHEAD, MOST_CUT, Walk

TTL = 1.0
NAMES = [f"{number:03}" for number in range(200)]


def _listed(walk: Walk, names: list[str], pace: float, ttl: float = TTL) -> list[str]:
    """What is listed while these are entered, one every ``pace`` seconds."""
    return [
        each
        for number, name in enumerate(names)
        for each in walk.entered(NAMES, name, int, number * pace, ttl)
    ]


def test_who_looks_into_two_directories_is_no_walk() -> None:
    assert _listed(Walk(), NAMES[: LEAST_WALK - 1], 0.01) == []


def test_a_walk_has_each_directory_listed_once_and_in_order() -> None:
    assert _listed(Walk(), NAMES, 0.01) == NAMES[LEAST_WALK:]


def test_never_more_than_a_few_are_ahead() -> None:
    walk = Walk()
    listed: list[str] = []
    for number, name in enumerate(NAMES):
        listed += walk.entered(NAMES, name, int, number * 0.001, TTL)
        assert len(listed) <= max(0, number + 1 - LEAST_WALK) + MOST_AHEAD


@pytest.mark.parametrize("pace", [0.1, 0.2, 0.4])
def test_no_listing_is_begun_long_before_it_is_used(pace: float) -> None:
    walk = Walk()
    begun: dict[str, float] = {}
    for number, name in enumerate(NAMES):
        now = number * pace
        if number > 20:
            assert now - begun[name] <= TTL / 2 + pace
        begun.update(dict.fromkeys(walk.entered(NAMES, name, int, now, TTL), now))


def test_a_slow_walk_lists_nothing_ahead() -> None:
    assert _listed(Walk(), NAMES[:50], 0.8)[8:] == []


def test_directories_in_any_order_are_no_walk() -> None:
    assert _listed(Walk(), NAMES[::-1], 0.01) == []
    assert _listed(Walk(), NAMES[::7], 0.01) == []


def test_a_walk_by_inode_numbers_is_one() -> None:
    walk = Walk()
    order = sorted(NAMES, key=lambda name: name[::-1])
    listed: list[str] = []
    for number, name in enumerate(order):
        listed += walk.entered(NAMES, name, lambda name: int(name[::-1]), number * 0.01, TTL)
    assert listed == order[LEAST_WALK:]


def test_a_walk_through_large_directories_is_left_alone() -> None:
    walk = Walk()
    for number in range(LEAST_WALK):
        walk.entered(NAMES, NAMES[number], int, number * 0.01, TTL)
    for _ in range(MOST_CUT):
        walk.listed(whole=False)
    assert walk.entered(NAMES, NAMES[LEAST_WALK], int, 0.1, TTL) == ()
    walk.listed(whole=True)
    assert walk.entered(NAMES, NAMES[LEAST_WALK + 1], int, 0.2, TTL)
