"""How growth is judged and told, with figures made up."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from bench.document import DOCS, PAGE, Grid, publish
from bench.growth import judgement
from bench.growth.pictures import picture
from bench.growth.point import Answer, At, Judgement, Point, Scale, Topic, lines
from bench.growth.report import grid, judgements, parts, write
from bench.growth.topics import TOPICS, chosen
from phfs.bench.scenario import GIB, MB_PER_SECOND, MEBIBYTES, MILLISECONDS
from phfs.errors import PhfsError

SMALL, MIDDLE, LARGE = At(1, "1"), At(100, "100"), At(10_000, "10,000")


def rates(*values: float | None, line: str = "read", peak: float | None = 100) -> list[Point]:
    """Points at the three sizes; None: refused."""
    return [
        Point(line, at, MB_PER_SECOND, value, GIB, 0.5, peak, "" if value else "No memory")
        for at, value in zip((SMALL, MIDDLE, LARGE), values, strict=True)
    ]


def times(*values: float, line: str = "first byte") -> list[Point]:
    return [
        Point(line, at, MILLISECONDS, value, 10, 0.02)
        for at, value in zip((SMALL, MIDDLE, LARGE), values, strict=True)
    ]


def topic(name: str = "sizes") -> Topic:
    return Topic(
        name,
        "Some sizes",
        "size",
        "everything",
        lambda _: [],
        lambda *_: iter(()),
        judgement.is_bounded,
        lambda at: at.number + judgement.BESIDE_LIMIT,
    )


@pytest.mark.parametrize(
    ("points", "measured", "holds"),
    [
        (rates(10, 1000, 500), "2.00 x", True),
        (rates(10, 1000, 499), "2.00 x", False),
        (rates(10, 1000, 1200), "0.833 x", True),
        (times(1, 4, 8), "2.00 x", True),
        (times(9, 4, 8.1), "2.02 x", False),
        (rates(10, 1000, None), "No memory", False),
    ],
)
def test_the_largest_may_cost_twice_the_middle_one(
    points: list[Point], measured: str, holds: bool
) -> None:
    (found,) = judgement.grows_gently(points)
    assert found[1:] == (measured, holds)
    assert "at 10,000 at most 2 x of 100" in found.rule


def test_each_line_is_judged_by_itself_wherever_its_points_are() -> None:
    points = [*reversed(rates(10, 1000, 400)), *times(1, 1, 1)]
    assert [one.holds for one in judgement.grows_gently(points)] == [False, True]
    assert [point.at for point in lines(points)["read"]] == [SMALL, MIDDLE, LARGE]


@pytest.mark.parametrize(
    ("values", "holds"),
    [((600, 1000, 500), True), ((600, 1000, 499), False), ((600, None, 900), False)],
)
def test_many_readers_reach_half_of_the_best(
    values: tuple[float | None, float | None, float], holds: bool
) -> None:
    (found,) = judgement.holds_up(rates(*values))
    assert found.holds is holds


@pytest.mark.parametrize(
    ("peaks", "measured", "holds"),
    [
        ((101.0, 150.0), "limit +100 MiB at most", True),
        ((60.0, 201.0), "limit +101 MiB at most", False),
        ((60.0, None), "limit +59 MiB at most", False),
        ((None, None), "not seen", False),
    ],
)
def test_memory_is_bounded_by_the_limit(
    peaks: tuple[float | None, float | None], measured: str, holds: bool
) -> None:
    points = [
        Point("1 reader", at, MB_PER_SECOND, 1.0, GIB, 0.5, peak)
        for at, peak in zip((SMALL, MIDDLE), peaks, strict=True)
    ]
    (found,) = judgement.is_bounded(points)
    assert found[1:] == (measured, holds)


def test_memory_counts_where_a_writer_was_refused_too() -> None:
    (found,) = judgement.is_bounded(rates(None, 1, 1, peak=102))
    assert not found.holds


def test_the_limit_may_be_the_same_everywhere() -> None:
    assert [one.holds for one in judgement.is_bounded(rates(1, 1, 1), lambda _: 0)] == [True]
    assert [one.holds for one in judgement.is_bounded(rates(1, 1, 1), lambda _: -1)] == [False]


def test_one_line_may_be_compared_with_another() -> None:
    (found,) = judgement.costs_no_more(times(0.1, 0.1, 4.1), times(2, 2, 2, line="lookup"))
    assert found == Judgement("first byte: costs at 10,000 at most 2 x a lookup", "2.05 x", False)
    assert judgement.costs_no_more([], times(1, 1, 1)) == []


def test_cpu_is_told_by_gib_or_by_operation() -> None:
    assert rates(1, 2, 3)[0].cpu_each == 0.5
    assert times(1, 2, 3)[0].cpu_each == pytest.approx(2.0)


def test_the_table_has_a_row_for_each_point() -> None:
    answer = Answer(topic(), [*rates(None, 1234, 99), Point("kept", LARGE, MEBIBYTES, 12.3)])
    assert grid(answer).rows == [
        ("read", "1", "No memory", "", "-", "100"),
        ("", "100", "1,234", "MB/s", "0.500 s/GiB", "100"),
        ("", "10,000", "99.0", "MB/s", "0.500 s/GiB", "100"),
        ("kept", "10,000", "12.3", "MiB", "-", "-"),
    ]


def test_a_table_is_markdown_too() -> None:
    table = Grid(("name", "ms"), [("a", "1"), ("b", "2")])
    assert table.markdown() == "| name | ms |\n| --- | ---: |\n| a | 1 |\n| b | 2 |"


def test_a_topic_has_a_picture_whatever_failed() -> None:
    points = [*rates(None, 1000, 500), *times(0.01, 5, 50), *rates(*[None] * 3, line="none")]
    assert picture(Answer(topic(), points)).startswith(b"\x89PNG")


def test_everything_is_written_as_json(tmp_path: Path) -> None:
    file = tmp_path / "growth.json"
    write([Answer(topic(), rates(1, 2, None))], "2026-01-01", file, quick=True)
    written = json.loads(file.read_text())
    assert written["quick"] is True
    (found,) = written["topics"]
    assert [point["value"] for point in found["points"]] == [1, 2, None]
    assert found["points"][2]["error"] == "No memory"
    assert [one["holds"] for one in written["judgements"]] == [True]


def test_the_page_has_a_place_for_every_topic(tmp_path: Path) -> None:
    page = tmp_path / PAGE
    page.write_text((DOCS / PAGE).read_text())
    answers = [Answer(topic(one.name), rates(7, 8, 9)) for one in TOPICS]
    publish(parts(answers, "2026-01-01 10:00:00"), {"growth-sizes.png": b"png"}, tmp_path)
    once = page.read_text()
    assert once.count("| read | 1 | 7.00 | MB/s |") == len(TOPICS)
    assert once.count("Measured on 2026-01-01") >= 1
    assert (tmp_path / "images/growth-sizes.png").read_bytes() == b"png"
    publish(parts(answers, "2026-01-01 10:00:00"), {}, tmp_path)
    assert page.read_text() == once
    assert [answer.topic.name for answer in answers] == list(dict.fromkeys(t.name for t in TOPICS))


def test_without_a_place_nothing_is_written(tmp_path: Path) -> None:
    page = tmp_path / PAGE
    page.write_text("<!-- a:begin -->\n<!-- a:end -->\n")
    with pytest.raises(PhfsError, match=r"no place for b"):
        publish({"a": "text", "b": "text"}, {"c.png": b""}, tmp_path)
    assert page.read_text() == "<!-- a:begin -->\n<!-- a:end -->\n"
    assert list(tmp_path.iterdir()) == [page]


def test_topics_are_chosen_by_name_and_lay_down_what_they_read() -> None:
    assert [one.name for one in chosen(["limits", "sizes"])] == ["sizes", "limits"]
    assert chosen([]) == list(TOPICS)
    for quick in (True, False):
        objects = [each for one in TOPICS for each in one.objects(Scale(quick))]
        prefixes = {each.prefix for each in objects}
        assert len(prefixes) == len(objects), "two topics would read the same objects"


def test_rules_are_those_of_the_topics() -> None:
    answers = [Answer(topic(), rates(1, 2, 3, peak=500)), Answer(topic(), [])]
    assert [one.holds for one in judgements(answers)] == [False]
