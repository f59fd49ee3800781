"""What this process takes of the machine."""

from __future__ import annotations

import os
from pathlib import Path

from phfs.system.process import usage


def test_what_it_takes() -> None:
    found = usage()
    resident, cpu = found["resident_bytes"], found["cpu_seconds"]
    assert isinstance(resident, int)
    assert isinstance(cpu, float)
    assert resident > 2**20
    assert cpu > 0


def test_where_the_kernel_says_nothing(tmp_path: Path) -> None:
    assert usage(tmp_path / "none")["resident_bytes"] is None
    (tmp_path / "statm").write_text("100 7 1 1 0 1 0\n")
    assert usage(tmp_path / "statm")["resident_bytes"] == 7 * os.sysconf("SC_PAGE_SIZE")
    (tmp_path / "statm").write_text("\n")
    assert usage(tmp_path / "statm")["resident_bytes"] is None
