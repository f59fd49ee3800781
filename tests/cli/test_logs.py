"""What is logged, and how a line looks."""

from __future__ import annotations

import json
import logging
import re
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

import pytest

from phfs.cli import logs
from phfs.errors import ServerFault
from phfs.fuse.failures import Failures


@pytest.fixture(autouse=True)
def untouched_logging() -> Iterator[None]:
    """Puts the process's logging back."""
    root, own = logging.getLogger(), logging.getLogger("phfs")
    before = (list(root.handlers), root.level, own.level)
    yield
    for handler in set(root.handlers) - set(before[0]):
        handler.close()
    root.handlers, root.level, own.level = before
    logging.getLogger("phfs.test").manager._clear_cache()  # type: ignore[attr-defined]


def test_a_line(tmp_path: Path) -> None:
    logs.log_to_file("info", tmp_path / "log")
    logging.getLogger("phfs.test").info("mounted %s", "here")
    (line,) = (tmp_path / "log").read_text().splitlines()
    assert re.fullmatch(
        r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d[+-]\d{4} INFO phfs.test: mounted here", line
    )


@pytest.mark.expects_log
def test_a_line_for_programs(tmp_path: Path) -> None:
    logs.log_to_file("info", tmp_path / "log", "json")
    Failures(lambda: 0.0).report("/a\x1b", "read", ServerFault("The store\nis ill.", "Wait."))
    try:
        int("bug\n")
    except ValueError:
        logging.getLogger("phfs.test").exception("a %s", "defect")
    failure, defect = map(json.loads, (tmp_path / "log").read_text().splitlines())
    assert datetime.fromisoformat(failure.pop("time")).tzinfo is not None
    assert failure == {
        "level": "WARNING",
        "logger": "phfs.fuse.failures",
        "message": "read /a\\x1b: EIO: The store\\nis ill.",
        "path": "/a\x1b",
        "operation": "read",
        "errno": "EIO",
        "meaning": "Input/output error",
        "why": "The store\nis ill.",
        "advice": "Wait.",
    }
    assert (defect["level"], defect["message"]) == ("ERROR", "a defect")
    assert "ValueError: invalid literal" in defect["traceback"]
    assert "\x1b" not in (tmp_path / "log").read_text()


def test_levels_are_those_of_phfs_and_libraries_keep_their_secrets(tmp_path: Path) -> None:
    logs.log_to_file("debug", tmp_path / "log")
    logging.getLogger("phfs.test").debug("ours")
    logging.getLogger("botocore.auth").debug("a signature")
    logging.getLogger("botocore.auth").info("a header")
    logging.getLogger("urllib3.connectionpool").warning("theirs")
    text = (tmp_path / "log").read_text()
    assert "ours" in text
    assert "theirs" in text
    assert "a signature" not in text
    assert "a header" not in text


def test_a_higher_level_says_less(capsys: pytest.CaptureFixture[str]) -> None:
    logs.log_to_terminal("error")
    logging.getLogger("phfs.test").info("usual")
    assert capsys.readouterr().err == ""


def test_the_log_goes_on_where_it_ended(tmp_path: Path) -> None:
    (tmp_path / "log").write_text("before\n")
    logs.log_to_file("info", tmp_path / "log")
    logging.getLogger("phfs.test").info("after")
    assert (tmp_path / "log").read_text().startswith("before\n")


def test_a_log_does_not_fill_the_disk(tmp_path: Path) -> None:
    log = tmp_path / "log"
    with log.open("wb") as file:
        file.truncate(logs.LOG_SIZE)
    logs.log_to_file("info", log)
    logging.getLogger("phfs.test").info("one more line")
    assert log.read_text().endswith("one more line\n")
    assert log.stat().st_size < 1000
    assert (tmp_path / "log.1").stat().st_size == logs.LOG_SIZE


def test_a_message_is_one_line_of_printable_characters(tmp_path: Path) -> None:
    logs.log_to_file("info", tmp_path / "log")
    name = "\x1b[2Ja\nb\u202ec\x9bd\udce9\u2028"
    logging.getLogger("phfs.test").info("%s is strange, 数据 is not", name)
    (line,) = (tmp_path / "log").read_text().splitlines()
    assert line.isprintable()
    assert line.endswith(r"\x1b[2Ja\nb\u202ec\x9bd\udce9\u2028 is strange, 数据 is not")


def test_a_line_beside_another_process_is_in_the_file_of_the_moment(tmp_path: Path) -> None:
    file = tmp_path / "log"
    logs.log_beside("info", file, None)
    logger = logging.getLogger("phfs.test")
    logger.info("first")
    file.rename(tmp_path / "log.1")
    logger.info("second")
    assert "first" in (tmp_path / "log.1").read_text()
    assert file.read_text().endswith("INFO phfs.test: second\n")
