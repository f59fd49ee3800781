"""How cost grows and where time goes: both are measured, and nothing is left behind.

How large anything is, is not tested here.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.support.minio import find_minio

pytestmark = pytest.mark.real

PATIENCE = 120.0


def start(module: str, directory: Path, *arguments: str) -> subprocess.Popen[str]:
    """A command of the bench that makes its directories below ``directory``."""
    return subprocess.Popen(
        [sys.executable, "-m", module, "--quick", *arguments],
        env={**os.environ, "TMPDIR": str(directory), "PHFS_MINIO": str(find_minio())},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def mounts_below(directory: Path) -> list[str]:
    table = Path("/proc/self/mountinfo").read_text().splitlines()
    return [line for line in table if str(directory) in line]


def test_a_topic_is_measured(tmp_path: Path) -> None:
    work, output = tmp_path / "work", tmp_path / "results"
    work.mkdir()
    with start("bench.growth", work, "--only=part-size", f"--output={output}") as command:
        shown, _ = command.communicate(timeout=PATIENCE)
    assert command.returncode == 0, shown
    assert "The size of parts" in shown
    (topic,) = json.loads((output / "growth.json").read_text())["topics"]
    assert [point["at_text"] for point in topic["points"][::2]] == ["5 MiB", "8 MiB", "32 MiB"]
    for point in topic["points"]:
        assert point["value"] > 0
        assert point["daemon_cpu_seconds"] > 0
        assert point["daemon_peak_mib"] > 10
    assert list(work.iterdir()) == []
    assert mounts_below(tmp_path) == []


def test_interrupted_it_leaves_nothing_behind(tmp_path: Path) -> None:
    work = tmp_path / "work"
    work.mkdir()
    with start("bench.growth", work, "--only=sizes", f"--output={tmp_path}") as command:
        give_up = time.monotonic() + PATIENCE
        while not mounts_below(work):
            assert command.poll() is None
            assert time.monotonic() < give_up
            time.sleep(0.01)
        command.send_signal(signal.SIGTERM)
        shown, _ = command.communicate(timeout=PATIENCE)
    assert command.returncode == 130, shown
    assert "Interrupted" in shown
    assert list(work.iterdir()) == []
    assert mounts_below(tmp_path) == []


def test_a_read_and_a_small_file_are_taken_apart(tmp_path: Path) -> None:
    with start("bench.anatomy", tmp_path, f"--tmpfs={tmp_path}") as command:
        shown, _ = command.communicate(timeout=PATIENCE)
    assert command.returncode == 0, shown
    for name in ("a read of 1 MiB", "a file of 100 KiB", "signing", "waiting for the store"):
        assert name in shown
    assert list(tmp_path.iterdir()) == []
    assert mounts_below(tmp_path) == []


@pytest.mark.parametrize(
    ("module", "arguments", "sentence"),
    [
        ("bench.growth", ["--only=everything"], "--only 'everything' is wrong"),
        ("bench.growth", ["--docs"], "--docs needs a whole run"),
        ("bench.anatomy", ["--docs"], "--docs needs a whole run"),
    ],
)
def test_wrong_options_are_one_sentence(
    tmp_path: Path, module: str, arguments: list[str], sentence: str
) -> None:
    with start(module, tmp_path, *arguments) as command:
        shown, _ = command.communicate(timeout=PATIENCE)
    assert command.returncode == 2
    assert sentence in shown
    assert len(shown.splitlines()) == 1
