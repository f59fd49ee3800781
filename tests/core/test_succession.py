"""Which files come next when those before them were read in order."""

from __future__ import annotations

import random

from phfs.core.succession import LEAST_RUN, MOST_AHEAD, MOST_RUNS, SKIPPED, Succession

NAMES = [f"{number:04}" for number in range(1000)]


def follow(numbers: list[int], names: list[str] = NAMES) -> list[int]:
    """All files fetched while these are read, in the order they were fetched."""
    succession = Succession()
    return [int(found) for number in numbers for found in succession.read(names, NAMES[number])]


def test_files_in_order_are_fetched_once_and_ahead_of_their_reader() -> None:
    succession = Succession()
    fetched: list[int] = []
    for number in range(200):
        missed = number not in fetched
        assert missed is (number < LEAST_RUN), number
        fetched += map(int, succession.read(NAMES, NAMES[number]))
        assert not fetched or fetched[-1] <= number + MOST_AHEAD
    assert fetched == list(range(LEAST_RUN, 200 + MOST_AHEAD))


def test_a_few_files_may_be_left_out() -> None:
    step = SKIPPED + 1
    assert follow(list(range(0, 100, step)))[-1] == 99 + MOST_AHEAD
    assert follow(list(range(0, 100, step + 1))) == []


def test_workers_with_a_stretch_each_are_told_apart() -> None:
    stretches = [list(range(begin, begin + 20)) for begin in range(0, 50 * MOST_RUNS, 50)]
    order = [stretch[step] for step in range(20) for stretch in stretches]
    assert {*range(24, 50), *range(774, 800)} <= set(follow(order))


def test_files_in_random_order_are_left_alone() -> None:
    order = list(range(1000))
    random.Random(1).shuffle(order)
    assert len(follow(order)) < 30, "by accident"


def test_backwards_is_no_order() -> None:
    assert follow(list(range(100, 0, -1))) == []


def test_a_file_read_again_is_no_progress() -> None:
    assert follow([5] * 10) == []


def test_the_end_of_the_directory_and_names_that_are_not_known() -> None:
    assert follow([995, 996, 997, 998]) == [999]
    assert follow([0, 1, 2, 3], NAMES[10:]) == []
    assert follow([0, 1, 2, 3], []) == []


def test_the_names_may_change_in_between() -> None:
    succession = Succession()
    for name in ("a", "b", "c"):
        succession.read(["a", "b", "c", "d"], name)
    assert list(succession.read(["c", "d", "f", "g"], "d")) == ["f", "g"]
    assert list(succession.read(["c", "d", "e", "f", "g", "h"], "e")) == ["h"]


def test_what_could_not_be_fetched_is_named_again() -> None:
    succession = Succession()
    for name in NAMES[: LEAST_RUN - 1]:
        succession.read(NAMES, name)
    found = succession.read(NAMES, NAMES[LEAST_RUN - 1])
    assert list(found) == NAMES[LEAST_RUN : LEAST_RUN + 4]
    succession.gave_up(found[1])
    assert succession.read(NAMES, NAMES[LEAST_RUN])[0] == found[1]
