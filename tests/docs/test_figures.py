"""A figure that stands on two pages is the same on both."""

from __future__ import annotations

import re

import pytest

from tests.architecture.source import ROOT

MEASURED = (ROOT / "docs/performance.md").read_text()
TRAINING = (ROOT / "docs/how-to/training-data.md").read_text()
SERVER = (ROOT / "docs/how-to/model-server.md").read_text()

ROWS = {
    "read a large file from start to end": ("read-seq-1", "MB/s"),
    "four large files at once": ("read-seq-4", "MB/s"),
    "read it a second time": ("read-again", "MB/s"),
    "small files in the order of their names": ("small-read-ordered", "files/s"),
    "small files shuffled, 8 workers": ("small-read-shuffled-8", "files/s"),
    "some columns of Parquet": ("read-parquet", "MB/s"),
    "4 KiB at a random place": ("read-random-4k", "ms"),
    "list a tree of many small directories": ("ls-lR-tree", "names/s"),
}


def measured(scenario: str) -> list[str]:
    """A scenario's figures: directly, and over a link of 10 ms."""
    _, _, table = MEASURED.partition("<!-- bench-results:begin -->")
    table, _, _ = table.partition("<!-- bench-results:end -->")
    return re.findall(rf"^\| `{scenario}` \| [^|]+ \| ([^|]+) \|", table, re.MULTILINE)[:2]


def rounded(figure: str) -> float:
    return float(f"{float(figure.replace(',', '')):.3g}")


@pytest.mark.parametrize("words", sorted(ROWS))
def test_the_training_data_s_figures_are_those_that_were_measured(words: str) -> None:
    scenario, unit = ROWS[words]
    (row,) = re.findall(rf"^\| {re.escape(words)} \| ([^|]+) \| ([^|]+) \|", TRAINING, re.MULTILINE)
    shown = [cell.removesuffix(f" {unit}") for cell in row]
    found = measured(scenario)
    assert len(found) == 2
    for one, other in zip(shown, found, strict=True):
        assert rounded(one) == pytest.approx(rounded(other), rel=0.03), (words, shown, found)


def test_the_model_server_s_figures_are_those_that_were_measured() -> None:
    shown = re.findall(r"\d[\d,]* MB/s|\d[\d,]*(?= and [\d,]+ MB/s)", SERVER)
    figures = [text.removesuffix(" MB/s") for text in shown]
    assert figures == [*measured("read-mmap-4"), *measured("read-seq-1")]
