"""The files that are written, and the tables at the terminal."""

from __future__ import annotations

import json
import re
from io import StringIO
from pathlib import Path

import pytest
from rich.console import Console

from phfs.bench.figures import figures
from phfs.bench.measure import FLOOR, Reading, Series
from phfs.bench.output import writable, write
from phfs.bench.record import Run
from phfs.bench.report import Screen
from phfs.bench.targets import verdicts
from phfs.errors import PhfsError
from tests.bench.fakes import scenario, series, subject, theme, values

PNG = b"\x89PNG\r\n\x1a\n"


def results() -> list[Series]:
    one = scenario("read-mmap-4")
    return [
        values(one, subject("phfs"), 1.0, 50.0, 60.0),
        series(one, subject("rclone"), Reading(0, error="no <such> file")),
        values(one, subject(FLOOR), 1.0, 100.0, 110.0),
    ]


def a_run() -> Run:
    known = figures(results())
    return Run(known, verdicts(known), quick=True, rounds=2)


def test_json_has_every_round_and_what_was_cold(tmp_path: Path) -> None:
    write(a_run(), tmp_path)
    content = json.loads((tmp_path / "results.json").read_text())
    assert (content["quick"], content["rounds"]) == (True, 2)
    assert content["machine"]["cpus"] > 0
    assert {"phfs", "boto3", "kernel", "python"} <= set(content["machine"])
    phfs, rclone, floor = content["results"]
    assert phfs["values"] == [50.0, 60.0]
    assert (phfs["median"], phfs["unit"], phfs["cold"]) == (55.0, "files/s", "everything")
    assert phfs["ratio_to_floor"] == pytest.approx(0.5227, abs=0.001)
    assert (rclone["median"], rclone["error"]) == (None, "no <such> file")
    assert floor["ratios"] == []
    (target,) = content["targets"]
    assert (target["scenario"], target["met"]) == ("read-mmap-4", True)


def test_the_page_is_one_file_with_pictures_inside(tmp_path: Path) -> None:
    file = write(a_run(), tmp_path)
    page = file.read_text()
    assert file.name == "index.html"
    assert re.findall(r"(?:src|href)='(?!data:)", page) == []
    assert page.count("src='data:image/png;base64,") == 2
    assert "1 of 1 are met" in page
    assert "55.0 ±5.00" in page
    assert "title='no &lt;such&gt; file'>failed" in page
    assert "Cold: everything." in page
    for name in ("theme.png", "ratios-direct.png"):
        assert (tmp_path / name).read_bytes().startswith(PNG)


def test_a_run_in_which_everything_failed_can_be_written(tmp_path: Path) -> None:
    failed = figures([series(scenario("a"), subject("phfs"), Reading(0, error="it broke"))])
    page = write(Run(failed, [], quick=False, rounds=5), tmp_path).read_text()
    assert ">failed<" in page
    assert [path.name for path in tmp_path.glob("*.png")] == []


def test_a_directory_that_cannot_be_written_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(PhfsError, match=r"cannot be made \(Not a directory\)"):
        writable(tmp_path / "file/below")
    assert writable(tmp_path / "new/below").is_dir()


def test_the_terminal_shows_tables_and_failures() -> None:
    output = StringIO()
    screen = Screen(Console(file=output, width=120))
    screen.finished(theme(scenario("read-mmap-4")), results())
    screen.verdicts(a_run().verdicts)
    screen.scenarios([theme(scenario("read-mmap-4"))])
    shown = output.getvalue()
    assert re.search(
        r"^read-mmap-4 +files/s +55\.0 +0\.523 ±0\.0\d+ +- +- +failed +105", shown, re.M
    )
    assert "read-mmap-4, rclone, direct failed: no <such> file" in shown
    assert re.search(r"^read-mmap-4 +direct .* ok", shown, re.MULTILINE)
    assert "title of read-mmap-4" in shown
