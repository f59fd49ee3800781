"""The benchmark runs to its end and writes down what it measured; how fast is not tested."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest


@pytest.mark.real
def test_a_scenario_is_measured(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "bench", "--quick", "--rounds=1", "--only=listing"]
    where = [f"--output={tmp_path}", f"--tmpfs={tmp_path}"]
    run = subprocess.run([*command, *where], capture_output=True, text=True, timeout=120)
    assert run.returncode == 0, run.stderr
    (result,) = json.loads((tmp_path / "results.json").read_text())
    assert result["name"] == "listing with attributes"
    assert result["mount"][0] > 0
    assert result["floor"][0] > 0
    assert result["peak_mib"] > 20
    assert "listing with attributes" in run.stdout
    assert [path.name for path in tmp_path.iterdir()] == ["results.json"]
