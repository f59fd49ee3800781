"""How growth is told: rows of tables, JSON, and what goes into the documents.

Owns the words; computes nothing. Called by ``__main__``.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

from bench.document import Grid, conditions, image
from bench.growth.point import Answer, Judgement, Point, lines
from phfs.bench.numbers import NONE, short
from phfs.bench.record import machine
from phfs.bench.scenario import MB_PER_SECOND, MEBIBYTES


def grid(answer: Answer) -> Grid:
    """A row for each point, line by line."""
    headings = ("", answer.topic.axis, "", "", "daemon CPU", "peak MiB")
    rows = [
        _row(point, first=number == 0)
        for line in lines(answer.points).values()
        for number, point in enumerate(line)
    ]
    return Grid(headings, rows, words=2)


def _row(point: Point, *, first: bool) -> tuple[str, ...]:
    name = point.line if first else ""
    if point.error:
        return (name, point.at.text, point.error, "", NONE, _mib(point))
    return (name, point.at.text, short(point.value), point.unit.text, _cpu(point), _mib(point))


def _cpu(point: Point) -> str:
    if point.unit is MEBIBYTES:
        return NONE
    each = "s/GiB" if point.unit is MB_PER_SECOND else "ms each"
    return f"{short(point.cpu_each)} {each}"


def _mib(point: Point) -> str:
    return NONE if point.peak_mib is None else f"{point.peak_mib:.0f}"


def judgements(answers: Sequence[Answer]) -> list[Judgement]:
    """What is judged, by the topics' own rules."""
    return [one for topic, points in answers for one in topic.judge(points)]


def verdicts(found: Sequence[Judgement]) -> Grid:
    """A row for each rule."""
    rows = [(rule, measured, "ok" if holds else "broken") for rule, measured, holds in found]
    return Grid(("rule", "measured", ""), rows, words=3)


def parts(answers: Sequence[Answer], made: str) -> dict[str, str]:
    """What goes between which markers of the page."""
    found = {"growth-conditions": conditions(made)}
    for topic, points in answers:
        found[f"growth-{topic.name}"] = "\n\n".join(
            (
                image(file_name(topic.name), topic.title),
                grid(Answer(topic, points)).markdown(),
                f"Cold: {topic.cold}.",
            )
        )
    found["growth-judgement"] = verdicts(judgements(answers)).markdown()
    return found


def file_name(topic: str) -> str:
    """Of a topic's picture."""
    return f"growth-{topic}.png"


def write(answers: Sequence[Answer], made: str, file: Path, *, quick: bool) -> None:
    """Write every figure as JSON."""
    content = {
        "made": made,
        "quick": quick,
        "machine": machine(),
        "topics": [
            {
                "topic": topic.name,
                "title": topic.title,
                "axis": topic.axis,
                "cold": topic.cold,
                "points": [_values(point) for point in points],
            }
            for topic, points in answers
        ],
        "judgements": [one._asdict() for one in judgements(answers)],
    }
    file.write_text(json.dumps(content, indent=1, ensure_ascii=False) + "\n")


def _values(point: Point) -> dict[str, object]:
    return {
        "line": point.line,
        "at": point.at.number,
        "at_text": point.at.text,
        "unit": point.unit.text,
        "more_is_better": point.unit.per_second,
        "value": point.value,
        "amount": point.amount,
        "daemon_cpu_seconds": point.cpu,
        "daemon_peak_mib": point.peak_mib,
        "error": point.error,
    }
