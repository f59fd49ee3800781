"""``run``, ``ready`` and ``status``: what is refused at once, and the form of the log."""

from __future__ import annotations

import json
import logging
import subprocess
import sys
from pathlib import Path

import pytest

from phfs.sidecar import jsonlog
from phfs.sidecar.cli import main


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["--listen", "http"], "--listen 'http' is wrong: give a port"),
        (["--listen", "127.0.0.1:70000"], "--listen '127.0.0.1:70000' is wrong"),
        (["--drain-seconds", "long"], "--drain-seconds 'long' is wrong: give a number of seconds"),
        (["--step-seconds", "-1"], "--step-seconds '-1' is wrong"),
        (["--retry-seconds", "nan"], "--retry-seconds 'nan' is wrong"),
        (["--log-format", "xml"], "--log-format"),
        (["--roof", "/x"], "There is no option --roof; is --root meant?"),
        ([], "DOC is missing"),
    ],
)
def test_a_wrong_call(words: list[str], sentence: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["run", *words]) == 2
    assert sentence in capsys.readouterr().err


@pytest.mark.parametrize("name", ["ready", "status"])
def test_where_no_sidecar_runs(
    name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([name, "--private", str(tmp_path)]) == 1
    said = capsys.readouterr().err
    assert f"No sidecar is running with {tmp_path}" in said


def test_a_probe_loads_nothing_heavy(tmp_path: Path) -> None:
    program = (
        "import sys\n"
        "from phfs.sidecar.cli import main\n"
        f"assert main(['ready', '--private', {str(tmp_path)!r}]) == 1\n"
        "heavy = {'pydantic', 'yaml', 'trio', 'prometheus_client'} & set(sys.modules)\n"
        "assert not heavy, heavy\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("form", ["json", "text"])
def test_a_refusal_is_in_the_form_of_the_log(form: str, tmp_path: Path) -> None:
    file = tmp_path / "pod.yaml"
    file.write_text("{apiVersion: phfs/v1}")
    done = subprocess.run(
        [sys.executable, "-m", "phfs.sidecar.cli", "run", str(file), "--log-format", form],
        capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert done.returncode == 2
    lines = done.stderr.splitlines()
    said = [json.loads(line)["message"] for line in lines] if form == "json" else lines
    assert any("who: is missing." in line for line in said)


def test_lines_of_the_log(capsys: pytest.CaptureFixture[str]) -> None:
    root, own = logging.getLogger(), logging.getLogger("phfs")
    before = root.handlers, root.level, own.level
    try:
        for form in ("json", "text"):
            jsonlog.log_to_terminal(form)
            extra = jsonlog.about("datasets/a", "Why.", "")
            logging.getLogger("phfs.sidecar").info("a %s\n\x1b[2J", "word", extra=extra)
            logging.getLogger("other").info("not heard")
    finally:
        root.handlers, level, own_level = before[0], before[1], before[2]
        root.setLevel(level)
        own.setLevel(own_level)
    as_json, as_text = capsys.readouterr().err.splitlines()
    line = json.loads(as_json)
    assert line["message"] == "a word\n\x1b[2J"
    assert (line["level"], line["volume"], line["why"]) == ("INFO", "datasets/a", "Why.")
    assert "advice" not in line
    assert as_text.endswith(" INFO a word\\n\\x1b[2J")
