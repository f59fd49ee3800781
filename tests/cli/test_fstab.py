"""What mount(8) starts, as far as it goes without a mount; ``tests/real/test_fstab.py`` mounts."""

from __future__ import annotations

from pathlib import Path

import pytest

from phfs.cli import fstab
from phfs.config import files

BROKEN = "this is no TOML"


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The machine's file, which is not there yet."""
    path = tmp_path / "machine.toml"
    monkeypatch.setattr(files, "MACHINE", path)
    return path


def pretended(tmp_path: Path) -> int:
    """The exit code of a call that reads everything and mounts nothing."""
    return fstab.main(["my-bucket", str(tmp_path), "-f", "-o", "group=g"])


def test_it_is_the_same_whoever_calls(
    machine: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    config = tmp_path / ".config" / "phfs" / "config.toml"
    config.parent.mkdir(parents=True)
    config.write_text(BROKEN)
    monkeypatch.setenv("HOME", str(tmp_path))
    assert pretended(tmp_path) == 0
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / ".config"))
    assert pretended(tmp_path) == 0
    for name, text in (("PHFS_CONFIG", str(config)), ("PHFS_READ_ONLY", "maybe")):
        monkeypatch.setenv(name, text)
        assert pretended(tmp_path) == 0
    assert capsys.readouterr().err == ""
    # What is wrong would have been told.
    machine.write_text(BROKEN)
    assert pretended(tmp_path) == 1
    assert str(machine) in capsys.readouterr().err
