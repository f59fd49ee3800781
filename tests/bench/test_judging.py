"""Medians, spreads, ratios, and what is said of them."""

from __future__ import annotations

from pathlib import Path

import pytest

from phfs.bench import guard
from phfs.bench.figures import Figure, figures, find
from phfs.bench.measure import FLOOR, Reading, Series
from phfs.bench.numbers import short, with_spread
from phfs.bench.scenario import GIB, MB_PER_SECOND, MILLISECONDS, Size
from phfs.bench.scenarios import themes
from phfs.bench.targets import TARGETS, verdicts
from tests.bench.fakes import scenario, series, subject, values

PHFS, PHFS_10MS = subject("phfs"), subject("phfs", "10ms")
BARE, BARE_10MS = subject(FLOOR), subject(FLOOR, "10ms")


def test_the_turn_that_warms_up_does_not_count_and_the_median_does() -> None:
    (figure,) = figures([values(scenario("a"), PHFS, 1000.0, 3.0, 9.0, 4.0)])
    assert figure.values == (3.0, 9.0, 4.0)
    assert figure.value == 4.0


def test_a_single_turn_counts() -> None:
    (figure,) = figures([values(scenario("a"), PHFS, 7.0)])
    assert figure.value == 7.0


def test_a_ratio_is_of_the_same_round() -> None:
    one = scenario("a")
    slow_second_round = [values(one, PHFS, 1.0, 80.0, 40.0), values(one, BARE, 1.0, 100.0, 50.0)]
    figure, floor = figures(slow_second_round)
    assert figure.ratios == (0.8, 0.8)
    assert figure.ratio == 0.8
    assert floor.ratios == ()


def test_a_ratio_is_of_the_same_link() -> None:
    one = scenario("a")
    known = figures(
        [
            values(one, PHFS, 1.0, 80.0),
            values(one, BARE, 1.0, 100.0),
            values(one, PHFS_10MS, 1.0, 30.0),
            values(one, BARE_10MS, 1.0, 20.0),
        ]
    )
    assert [figure.ratio for figure in known] == [0.8, None, 1.5, None]


def test_more_is_better_in_a_ratio_whatever_the_unit() -> None:
    one = scenario("a", unit=MILLISECONDS)
    figure, _ = figures([values(one, PHFS, 1.0, 2.0), values(one, BARE, 1.0, 3.0)])
    assert figure.ratio == 1.5


def test_a_slower_peer_that_had_fewer_rounds_is_compared_by_those_it_had() -> None:
    one = scenario("a")
    figure, _ = figures([values(one, PHFS, 1.0, 30.0), values(one, BARE, 9.0, 60.0, 10.0)])
    assert figure.ratios == (0.5,)


def test_costs_are_those_of_the_rounds_that_count() -> None:
    readings = [
        Reading(0, 1.0, GIB, 1.0, cpu=9.0, peak_mib=999.0),
        Reading(1, 1.0, GIB, 1.0, cpu=0.5, peak_mib=100.0),
        Reading(2, 1.0, GIB / 2, 1.0, cpu=0.35, peak_mib=120.0),
    ]
    (figure,) = figures([series(scenario("a", unit=MB_PER_SECOND), PHFS, *readings)])
    assert figure.cpu_per_gib == pytest.approx(0.6)
    assert figure.cpu_seconds == pytest.approx(0.425)
    assert figure.peak_mib == 120.0


def test_a_failure_has_no_figure() -> None:
    failed = series(scenario("a"), PHFS, Reading(0, 5.0, 1.0), Reading(1, error="it broke"))
    (figure,) = figures([failed])
    assert (figure.value, figure.ratio, figure.error) == (None, None, "it broke")


def test_numbers_for_people() -> None:
    texts = [short(number) for number in (None, 12345.6, 123.4, 12.34, 1.234, 0.1234, 0.0)]
    assert texts == ["-", "12,346", "123", "12.3", "1.23", "0.123", "0.000"]
    assert with_spread((1.0, 2.0, 4.0), 2.0) == "2.00 ±1.50"
    assert with_spread((2.0,), 2.0) == "2.00"
    assert with_spread((), None) == "-"


def measured(name: str, direct: float, slow: float, floor: float = 100.0) -> list[Figure]:
    """A scenario's figures over both links."""
    one = scenario(name)
    results: list[Series] = [
        values(one, PHFS, 0.1, direct),
        values(one, BARE, 0.1, floor),
        values(one, PHFS_10MS, 0.1, slow),
        values(one, BARE_10MS, 0.1, floor),
    ]
    return figures(results)


def test_targets_are_judged_by_what_was_measured() -> None:
    judged = verdicts(measured("write-seq-1", direct=120.0, slow=90.0))
    found = {verdict.target.link: (verdict.measured, verdict.met) for verdict in judged}
    assert found == {"direct": ("1.20 of the floor", True), "10ms": ("0.75 of direct", False)}


def test_a_link_without_a_proxy_has_the_targets_of_the_one_with_it() -> None:
    one = scenario("write-seq-1")
    held = subject(PHFS.name, "10ms-held")
    judged = verdicts(figures([values(one, PHFS, 0.1, 120.0), values(one, held, 0.1, 110.0)]))
    found = [(verdict.target.link, verdict.measured, verdict.met) for verdict in judged]
    assert found == [("10ms-held", "0.92 of direct", True)]


def test_one_of_two_conditions_is_enough() -> None:
    one = scenario("first-byte", unit=MILLISECONDS)
    slow = figures([values(one, PHFS, 1.0, 5.0), values(one, BARE, 1.0, 2.0)])
    assert [verdict.met for verdict in verdicts(slow)] == [False]
    slow_store = figures([values(one, PHFS, 1.0, 5.0), values(one, BARE, 1.0, 4.0)])
    assert [verdict.met for verdict in verdicts(slow_store)] == [True]


def test_what_failed_meets_no_target() -> None:
    failed = figures([series(scenario("read-mmap-4"), PHFS, Reading(0, error="it broke"))])
    assert [(verdict.measured, verdict.met) for verdict in verdicts(failed)] == [
        ("it broke", False)
    ]


def test_peers_have_no_targets() -> None:
    peer = figures([values(scenario("read-mmap-4"), subject("rclone"), 1.0, 1.0)])
    assert verdicts(peer) == []


def test_every_target_names_a_scenario_and_a_link_there_is() -> None:
    names = {one.name for theme in themes(Size.of(quick=True)) for one in theme.scenarios}
    # Those that start mounts themselves are the repository's, in bench/fresh.py.
    names |= {"mount-ready", "memory-read-1", "memory-read-4"}
    assert {target.scenario for target in TARGETS} <= names
    assert {target.link for target in TARGETS} == {"direct", "10ms", "10ms-held"}


def test_what_fell_by_more_than_a_fifth_is_named(tmp_path: Path) -> None:
    file = tmp_path / "baseline.json"
    before = measured("steady", 100.0, 50.0) + measured("fallen", 100.0, 50.0)
    guard.save(file, before, {"cpus": 2})
    kept = guard.load(file)
    assert kept == {
        "direct": {"steady": 1.0, "fallen": 1.0},
        "10ms": {"steady": 0.5, "fallen": 0.5},
    }
    now = measured("steady", 81.0, 41.0) + measured("fallen", 79.0, 60.0) + measured("new", 1, 1)
    (fall,) = guard.falls(kept, now)
    assert fall.sentence == "fallen, direct: 0.79 of the floor, 1.00 before: 21% less."


def test_what_failed_has_fallen() -> None:
    now = figures([series(scenario("a"), PHFS, Reading(0, error="it broke"))])
    (fall,) = guard.falls({"direct": {"a": 0.7}}, now)
    assert fall.sentence == "a, direct: failed, and reached 0.70 before."


def test_without_kept_ratios_nothing_has_fallen(tmp_path: Path) -> None:
    assert guard.falls(guard.load(tmp_path / "none"), measured("a", 1.0, 1.0)) == []


def test_a_figure_is_found_by_its_names() -> None:
    known = measured("a", 1.0, 2.0)
    found = find(known, "a", "phfs", "10ms")
    assert found is not None
    assert found.value == 2.0
    assert find(known, "a", "phfs", "40ms") is None
