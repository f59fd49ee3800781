"""``docs/reliability.md`` names experiments that exist, and its figures are written, not typed."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.support.effort import Effort
from tests.support.figures import BEGIN, END, rows, written

ROOT = Path(__file__).parents[1]
PAGE = (ROOT / "docs/reliability.md").read_text()
SOURCES = {path: path.read_text() for path in (ROOT / "tests").rglob("test_*.py")}


def test_every_test_it_names_is_there() -> None:
    named = set(re.findall(r"`(tests/[\w/]+\.py)`", PAGE))
    assert len(named) > 5
    assert [name for name in sorted(named) if not (ROOT / name).is_file()] == []


def test_every_figure_is_of_an_experiment() -> None:
    _, _, rest = PAGE.partition(BEGIN)
    table, _, _ = rest.partition(END)
    names = re.findall(r"^\| ([^|]+?) \| (?:quick|long) \|", table, re.MULTILINE)
    recorded = {
        name.partition("{")[0]  # what is behind is filled in
        for text in SOURCES.values()
        for name in re.findall(r"\brecord\(\s*f?\"([^\"]+)\"", text)
    }
    assert len(names) > 20
    assert min(map(len, recorded)) > 3
    assert [name for name in names if not name.startswith(tuple(recorded))] == []


def test_experiments_are_marked() -> None:
    """What has a long form is run by ``make torture``, which chooses by the mark."""
    unmarked = [
        str(path)
        for path, text in SOURCES.items()
        if "effort.of(" in text and "mark.torture" not in text and path != Path(__file__)
    ]
    assert unmarked == []


def test_the_long_form_counts_and_other_rows_stay(tmp_path: Path) -> None:
    Effort(long=True, directory=tmp_path).record("kills", kills=200, lost=0)
    Effort(long=False, directory=tmp_path).record("kills", kills=5, lost=0)
    old = f"{BEGIN}| other | long | 2026-01-01 | n 1 |\n| kills | quick | 2026-01-01 | k 1 |\n{END}"
    page = written(f"before\n{old}\nafter", rows(tmp_path))
    assert "kills 200, lost 0" in page
    assert "kills 5" not in page
    assert "| other | long | 2026-01-01 | n 1 |" in page
    assert page.startswith("before\n")
    assert page.endswith("\nafter")


def test_a_page_without_a_place_is_refused() -> None:
    with pytest.raises(ValueError, match="figures:begin"):
        written("no place", {})
