"""What is shown, how wide, and in which words."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from phfs.top import words
from phfs.top.rates import rates
from phfs.top.reading import Reading
from phfs.top.view import View

MIB = 1024**2

STATUS: dict[str, Any] = {
    "pid": 7,
    "mount_point": "/home/ada/a/rather/long/path/to/the/mount/of/a/group/of/people",
    "bucket": "research",
    "prefix": "groups/vision/",
    "uptime_seconds": 7300,
    "read_only": False,
    "crashes": 2,
    "open": {"files": 3, "directories": 1},
    "memory": {"limit_bytes": 512 * MIB, "used_bytes": 100 * MIB, "waiting": 4},
    "process": {"resident_bytes": 150 * MIB, "cpu_seconds": 3.0},
    "programs": {"read_bytes": 0, "written_bytes": 10 * MIB},
    "operations": {"write": {"count": 12, "seconds": 0.6, "errors": {"EIO": 1}}},
    "names_remembered": 9,
    "fetched_ahead_bytes": 2 * MIB,
    "files_fetched_ahead": 6,
    "requests": {"requests.put": 5, "retries": 3, "errors.TimedOut": 2, "errors.NoSuchKey": 9},
    "requests_under_way": {"count": 8, "waiting": 1, "sent_bytes": 0, "fetched_bytes": 0},
    "slowest_requests": [
        {
            "operation": "put_part",
            "subject": "/models/a-model-with-quite-a-long-name-epoch-12.safetensors",
            "seconds": 8.25,
            "ago_seconds": 31.0,
            "failure": "TimedOut",
        }
    ],
    "unsaved": [
        {
            "path": "/models/a-model-with-quite-a-long-name-epoch-12.safetensors",
            "known_bytes": 40 * MIB,
            "sent_bytes": 10 * MIB,
            "stored_bytes": 8 * MIB,
            "seconds": 5.0,
            "closing": True,
            "waits_for": "memory",
        },
        {
            "path": "/open\x1b[2J.bin",
            "known_bytes": 4 * MIB,
            "sent_bytes": 0,
            "stored_bytes": 0,
            "seconds": 1.0,
            "closing": False,
            "waits_for": "",
        },
    ],
    "unsaved_files": 30,
}

ERRORS = [
    {
        "time": "2026-11-29T10:11:12+00:00",
        "path": "/log\x1b[2J",
        "operation": "open",
        "errno": "EOPNOTSUPP",
        "why": "/log has content, and an object cannot be appended to.",
        "advice": "Write a new file.",
        "count": 3,
    }
]


def shown(width: int, *, terminal: bool = False, encoding: str = "utf-8", **more: Any) -> str:
    view = View(Path("/mnt"))
    before = Reading(10.0, {**STATUS, "programs": {"read_bytes": 0, "written_bytes": 0}}, [])
    after = Reading(12.0, STATUS, ERRORS)
    view.take(before, rates(None, before))
    view.take(after, rates(before, after))
    output = io.TextIOWrapper(io.BytesIO(), encoding=encoding, write_through=True)
    console = Console(file=output, width=width, force_terminal=terminal, highlight=False, **more)
    console.print(view)
    assert isinstance(output.buffer, io.BytesIO)
    return output.buffer.getvalue().decode(encoding)


@pytest.mark.parametrize("width", [60, 80, 100, 160])
def test_all_of_it_is_there(width: int) -> None:
    text = shown(width)
    for words_of in (
        "s3://research/groups/vision/, up 2.03 h, mounted anew 2 times",
        "5 MiB/s",
        "3 files and 1 directories open",
        "10 MiB of 40 MiB",
        "15 s",
        "waits for memory",
        "and 28 more",
        "100 MiB of 512 MiB, 4 wait for some",
        "150 MiB resident",
        "9 names remembered, 6 files and 2 MiB fetched ahead",
        "8 under way, 1 wait; 3 tried again, 2 failed",
        "put_part (TimedOut)",
        "8.25 s",
        "10:11:12 open",
        "an object cannot be appended to",
    ):
        assert words_of in " ".join(text.split()), words_of
    assert max(map(len, text.splitlines())) <= width


def test_what_a_terminal_would_obey_is_not_shown() -> None:
    text = shown(160)
    assert "\x1b" not in text
    assert "open\\x1b[2J.bin" in text


def test_without_colours(monkeypatch: pytest.MonkeyPatch) -> None:
    assert "\x1b[36m" in shown(80, terminal=True, color_system="standard")
    monkeypatch.setenv("NO_COLOR", "1")
    text = shown(80, terminal=True)
    assert not any(f"\x1b[{number}m" in text for number in range(30, 48))


def test_what_is_missing_is_said_and_what_was_known_comes_back() -> None:
    view = View(Path("/mnt"))
    console = Console(file=io.StringIO(), width=80)
    with console.capture() as capture:
        console.print(view)
    assert "Asking the mount at /mnt" in capture.get()
    view.miss("PHFS is not mounted at /mnt.")
    with console.capture() as capture:
        console.print(view)
    assert "PHFS is not mounted at /mnt." in capture.get()
    reading = Reading(1.0, STATUS, [])
    view.take(reading, rates(None, reading))
    with console.capture() as capture:
        console.print(view)
    assert "s3://research" in capture.get()
    assert "not mounted" not in capture.get()


def test_a_mount_of_another_version_is_shown_as_far_as_it_tells() -> None:
    view = View(Path("/mnt"))
    reading = Reading(1.0, {"pid": 1}, [])
    view.take(reading, rates(None, reading))
    console = Console(file=io.StringIO(), width=80)
    with console.capture() as capture:
        console.print(view)
    assert "programs read" in capture.get()


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (None, "-"),
        (0.0000091, "9 µs"),
        (0.0123, "12.3 ms"),
        (48.0, "48 s"),
        (300.0, "5 min"),
        (9000.0, "2.5 h"),
        (864000.0, "10 d"),
    ],
)
def test_times(seconds: float | None, text: str) -> None:
    assert words.lasting(seconds) == text


def test_rates() -> None:
    assert [words.speed(0), words.speed(2**20)] == ["-", "1 MiB/s"]
    assert [words.often(0), words.often(0.25), words.often(12.3)] == ["-", "0.25", "12"]


def test_paths_keep_their_end() -> None:
    assert words.path("/a/b/c.txt", 20) == "/a/b/c.txt"
    assert words.path("/a/very/long/path/c.txt", 10) == "…ath/c.txt"
    assert words.path("/\x1b[2J", 20) == "/\\x1b[2J"


def test_history() -> None:
    assert words.history([0, 1, 2, 4], 3) == "▃▅█"
    assert words.history([0, 0], 10) == "▁▁"
    assert words.history([], 10) == ""
    assert words.history([0, 7], 10, plain=True) == "_#"
