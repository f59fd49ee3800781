from __future__ import annotations

import logging
import os
from pathlib import Path

import pytest

from phfs.system.kernel import MAX_BACKGROUND, READ_AHEAD, tune


def make(file: Path) -> Path:
    file.parent.mkdir(parents=True)
    file.write_text("128\n")
    return file


def test_both_figures_are_set(tmp_path: Path) -> None:
    read_ahead = make(tmp_path / "class/bdi/0:57/read_ahead_kb")
    background = make(tmp_path / "fs/fuse/connections/57/max_background")
    tune(os.makedev(0, 57), sys=tmp_path)
    assert int(read_ahead.read_text()) == READ_AHEAD // 1024
    assert int(background.read_text()) == MAX_BACKGROUND


def test_where_it_is_not_permitted_the_log_says_so(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "phfs")
    tune(os.makedev(0, 57), sys=tmp_path)
    (record,) = caplog.records
    assert "read_ahead_kb" in record.getMessage()
