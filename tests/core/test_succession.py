"""Which files come next when those before them were read in order."""

from __future__ import annotations

import random
from hashlib import blake2b

from phfs.core.succession import (
    LEAST_RUN,
    MOST_AHEAD,
    MOST_NUMBERED,
    MOST_RUNS,
    MOST_TRIES,
    SKIPPED,
    Order,
    Succession,
)

NAMES = [f"{number:04}" for number in range(1000)]


def read(succession: Succession, names: list[str], name: str) -> list[str]:
    return list(succession.read(names, name, hashed))


def hashed(name: str) -> int:
    """Inode numbers in another order than the names."""
    return int.from_bytes(blake2b(name.encode(), digest_size=6).digest(), "big")


BY_NUMBER = sorted(NAMES, key=hashed)


def believing(order: Order, count: int = 20) -> Succession:
    """After a directory of which so many names were read in this order."""
    before, after = Succession(), Succession()
    for name in (NAMES if order is Order.NAME else BY_NUMBER)[:count]:
        read(before, NAMES, name)
    after.follow(before)
    return after


def follow(numbers: list[int], names: list[str] = NAMES) -> list[int]:
    """All files fetched while these are read, in the order they were fetched."""
    succession = Succession()
    return [int(found) for number in numbers for found in read(succession, names, NAMES[number])]


def test_files_in_order_are_fetched_once_and_ahead_of_their_reader() -> None:
    succession = Succession()
    fetched: list[int] = []
    for number in range(200):
        missed = number not in fetched
        assert missed is (number < LEAST_RUN), number
        fetched += map(int, read(succession, NAMES, NAMES[number]))
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
        read(succession, ["a", "b", "c", "d"], name)
    assert list(read(succession, ["c", "d", "f", "g"], "d")) == ["f", "g"]
    assert list(read(succession, ["c", "d", "e", "f", "g", "h"], "e")) == ["h"]


def test_what_could_not_be_fetched_is_named_again() -> None:
    succession = Succession()
    for name in NAMES[: LEAST_RUN - 1]:
        read(succession, NAMES, name)
    found = read(succession, NAMES, NAMES[LEAST_RUN - 1])
    assert list(found) == NAMES[LEAST_RUN : LEAST_RUN + 4]
    succession.gave_up(found[1])
    assert read(succession, NAMES, NAMES[LEAST_RUN])[0] == found[1]


def test_names_in_the_order_of_their_inodes_are_fetched_ahead_too() -> None:
    succession = Succession()
    fetched: list[str] = []
    for position, name in enumerate(BY_NUMBER[:200]):
        assert (name in fetched) is (position >= LEAST_RUN), position
        fetched += read(succession, NAMES, name)
    assert fetched == BY_NUMBER[LEAST_RUN : 200 + MOST_AHEAD]
    assert succession.order is Order.NUMBER


def test_who_was_seen_to_go_by_an_order_is_believed_from_the_first_name_on() -> None:
    for order, names in ((Order.NAME, NAMES), (Order.NUMBER, BY_NUMBER)):
        succession = believing(order)
        assert read(succession, NAMES, names[0]) == names[1:21]
        assert succession.order is None, "one name is no order yet"
        assert read(believing(order), NAMES, names[1]) == []


def test_in_a_small_directory_where_everything_is_near_nothing_is_fetched_twice() -> None:
    names = NAMES[:17]
    for seed in range(200):
        succession = Succession()
        done: set[str] = set()
        for name in random.Random(seed).sample(names, 17):
            done.add(name)
            assert not done & set(read(succession, names, name))


def test_a_second_pass_is_fetched_ahead_like_the_first() -> None:
    succession = Succession()
    for _ in range(2):
        fetched = [found for name in NAMES[:17] for found in read(succession, NAMES[:17], name)]
        assert fetched == NAMES[LEAST_RUN:17]


def test_numbers_are_looked_at_for_a_while_and_only_where_there_are_few() -> None:
    asked: list[str] = []

    def number(name: str) -> int:
        asked.append(name)
        return hashed(name)

    many = [f"{position:05}" for position in range(MOST_NUMBERED + 1)]
    succession = Succession()
    for name in random.Random(2).sample(many, 100):
        succession.read(many, name, number)
    assert asked == []
    succession = Succession()
    for name in random.Random(2).sample(NAMES, 100):
        succession.read(list(NAMES), name, number)
    assert len(asked) <= MOST_TRIES * len(NAMES)


def test_what_could_not_be_fetched_by_number_is_named_again() -> None:
    succession = believing(Order.NUMBER)
    found = read(succession, NAMES, BY_NUMBER[0])
    succession.gave_up(found[2])
    assert read(succession, NAMES, BY_NUMBER[1])[0] == found[2]


def test_a_belief_that_nobody_bears_out_ends_with_the_next_directory() -> None:
    second = believing(Order.NAME)
    assert read(second, NAMES, NAMES[0])
    third = Succession()
    third.follow(second)
    assert read(third, NAMES, NAMES[0]) == []
    assert read(second, NAMES, NAMES[0]) == [], "for once"


def test_names_that_come_and_go_are_noticed_in_the_order_of_numbers() -> None:
    names = list(NAMES[:60])
    order = sorted(names, key=hashed)
    succession = Succession()
    fetched = [found for name in order[:8] for found in read(succession, names, name)]
    assert order[44] not in fetched
    names.remove(order[44])
    names.append("zzz")
    rest = [name for name in order[8:] if name in names]
    fetched += [found for name in rest for found in read(succession, names, name)]
    assert order[44] not in fetched
    assert set(rest) <= set(fetched)
    assert read(succession, names, "zzz") == []


def test_every_pass_by_number_is_recognised() -> None:
    succession = Succession()
    for _ in range(30):
        names = [*NAMES[:100]]
        order = sorted(names, key=hashed)
        fetched = [found for name in order for found in read(succession, names, name)]
        assert set(order[2 * LEAST_RUN :]) <= set(fetched)
