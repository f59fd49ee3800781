"""When a directory in use is listed ahead of need."""

from __future__ import annotations

from phfs.core.demand import LEAST_ASKED, REST, Demand

TTL = 1.0


def asked(demand: Demand, times: int, now: float, listed: float | None) -> list[bool]:
    return [demand.asked(now, listed, TTL) for _ in range(times)]


def test_a_directory_never_listed_is_after_some_names() -> None:
    assert asked(Demand(), LEAST_ASKED, 0.0, None) == [False] * (LEAST_ASKED - 1) + [True]


def test_a_young_listing_is_good_enough() -> None:
    demand = Demand()
    assert not any(asked(demand, 100, 0.7, 0.0))
    assert demand.asked(0.8, 0.0, TTL)


def test_one_at_a_time_and_then_the_count_begins_anew() -> None:
    demand = Demand()
    assert asked(demand, LEAST_ASKED, 0.0, None)[-1]
    demand.begun(0.0)
    assert not any(asked(demand, LEAST_ASKED - 1, 0.1, None))
    demand.ended(0.1, 1)
    assert demand.asked(0.9, 0.0, TTL)


def test_names_asked_for_now_and_then_are_not_worth_it() -> None:
    demand = Demand()
    assert asked(demand, LEAST_ASKED, 0.0, None)[-1]
    demand.begun(0.0)
    demand.ended(0.1, 1)
    assert not any(asked(demand, LEAST_ASKED - 1, 50.0, 0.0))


def test_a_long_listing_wants_more_names_and_begins_earlier() -> None:
    demand = Demand()
    asked(demand, LEAST_ASKED, 0.0, None)
    demand.begun(0.0)
    demand.ended(0.1, 5)
    assert not any(asked(demand, 5 * LEAST_ASKED - 1, 0.59, 0.0))
    assert not demand.asked(0.59, 0.0, TTL), "too young still"
    assert demand.asked(0.61, 0.0, TTL)


def test_what_takes_too_long_is_given_up_and_left_alone_for_a_while() -> None:
    demand = Demand()
    asked(demand, LEAST_ASKED, 0.0, None)
    demand.begun(0.0)
    assert not demand.too_long(0.4, TTL)
    assert demand.too_long(0.6, TTL)
    demand.ended(0.6, None)
    assert not any(asked(demand, 1000, REST, None))
    assert demand.asked(REST + 1, None, TTL)


def test_a_walk_lists_what_is_not_being_listed_and_fits_a_page() -> None:
    demand = Demand()
    assert demand.walked(0.0)
    demand.begun(0.0)
    assert not demand.walked(0.1)
    demand.ended(0.1, 1)
    assert demand.walked(0.2)
    demand.begun(0.2)
    demand.cut(0.3)
    assert not demand.walked(1000.0)
    assert any(asked(demand, 2 * LEAST_ASKED, 0.4, None)), "its names are worth a listing still"
    demand.ended(0.5, 1)
    assert demand.walked(0.6), "it has become small"
