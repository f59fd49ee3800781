"""The file of keys: for its owner's eyes, whole or not at all."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from phfs.errors import AccessDenied, ConfigError, OperationFailed
from phfs.provision.run import _private_file


def test_it_takes_the_place_of_what_was_there(tmp_path: Path) -> None:
    path = tmp_path / "keys"
    path.write_text("old")
    path.chmod(0o666)
    with _private_file(path) as file:
        assert file is not None
        file.write("new")
        assert path.read_text() == "old"
    assert path.read_text() == "new"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert os.listdir(tmp_path) == ["keys"]


def test_what_is_not_written_changes_nothing(tmp_path: Path) -> None:
    path = tmp_path / "keys"
    path.write_text("old")
    with _private_file(path):
        pass
    with pytest.raises(AccessDenied):
        fail_after_writing(path)
    assert path.read_text() == "old"
    assert os.listdir(tmp_path) == ["keys"]


def fail_after_writing(path: Path) -> None:
    with _private_file(path) as file:
        assert file is not None
        file.write("new")
        raise AccessDenied("no")


def test_a_full_disk_says_that_the_keys_are_lost(tmp_path: Path) -> None:
    path = tmp_path / "keys"
    with pytest.raises(OperationFailed, match="No space left") as failed, _private_file(path):
        raise OSError(28, "No space left on device")
    assert "--rotate" in failed.value.advice
    assert os.listdir(tmp_path) == []


def test_a_place_that_cannot_be_written_is_known_before_anything_is_made(tmp_path: Path) -> None:
    with (
        pytest.raises(ConfigError, match="--output"),
        _private_file(tmp_path / "no" / "keys"),
    ):
        pytest.fail("it went on")
