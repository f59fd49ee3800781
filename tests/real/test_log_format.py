"""``--log-format json``: a program that reads the log finds nothing in it that is no JSON."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path

import pytest

from tests.real.conftest import MountWith
from tests.support.mounted import PHFS_MOUNT

pytestmark = pytest.mark.real

PATIENCE = 60.0


def start(*arguments: str, directory: Path) -> subprocess.CompletedProcess[str]:
    """A mount that fails, told by a misspelt variable, too."""
    environ = {
        "PATH": os.environ["PATH"],
        "HOME": str(directory),
        "PHFS_LOG_FORMAT": "json",
        "PHFS_TIMEOUTS": "3",
        "PHFS_ACCESS_KEY_ID": "a",
        "PHFS_SECRET_ACCESS_KEY": "s",
    }
    command = [str(PHFS_MOUNT), "b", *arguments, "--group=g", f"--state-dir={directory}/state"]
    store = ["--endpoint-url=http://127.0.0.1:9", "--retry-deadline=1"]
    return subprocess.run(
        [*command, *store],
        env=environ,
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
    )


def lines_of(text: str) -> list[tuple[str, str]]:
    """The level and the message of each line; every line is JSON."""
    lines = [json.loads(line) for line in text.splitlines()]
    assert all({"time", "level", "logger", "message"} <= set(line) for line in lines)
    return [(line["level"], line["message"]) for line in lines]


def test_in_the_foreground_everything_is_a_line(tmp_path: Path) -> None:
    done = start("/nowhere", "-f", directory=tmp_path)
    (level, misspelt), (worst, refusal) = lines_of(done.stderr)
    assert (done.returncode, level, worst) == (1, "WARNING", "ERROR")
    assert misspelt.startswith("The variable PHFS_TIMEOUTS has no meaning")
    assert refusal.startswith("The mount point /nowhere does not exist")


@pytest.mark.parametrize("supervise", ["--supervise", "--no-supervise"])
def test_a_store_that_is_not_there_is_a_line(tmp_path: Path, supervise: str) -> None:
    (tmp_path / "mount").mkdir()
    done = start(f"{tmp_path}/mount", "-f", supervise, directory=tmp_path)
    lines = lines_of(done.stderr)
    assert (done.returncode, done.stdout) == (1, "")
    assert [level for level, message in lines if "127.0.0.1:9 cannot be used" in message] == [
        "ERROR"
    ]


def test_in_the_background_the_log_is_lines_and_the_terminal_is_sentences(tmp_path: Path) -> None:
    (tmp_path / "mount").mkdir()
    done = start(f"{tmp_path}/mount", directory=tmp_path)
    warning, refusal = done.stderr.splitlines()
    assert done.returncode == 1
    assert warning.startswith("phfs-mount: warning: The variable PHFS_TIMEOUTS")
    assert refusal.startswith("phfs-mount: http://127.0.0.1:9 cannot be used")
    (log,) = (tmp_path / "state").glob("*.log")
    lines = lines_of(log.read_text())
    assert any(level == "ERROR" and "127.0.0.1:9" in message for level, message in lines)


def test_a_life_from_the_first_line_to_the_last(mount_with: MountWith) -> None:
    mount = mount_with("--log-format=json")
    (mount.path / "file").write_text("x")
    mount.stop()
    messages = [message for _, message in lines_of(mount.log)]
    assert f"{mount.path} is mounted" in messages
    assert f"{mount.path} is unmounted" in messages
