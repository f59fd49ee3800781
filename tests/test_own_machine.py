"""Tests are the same on every machine, and leave those alone that run beside them."""

from __future__ import annotations

import getpass
import os
from pathlib import Path

from tests.support.own_machine import abandoned, without_own_options


def test_options_of_whoever_runs_the_tests_do_not_count() -> None:
    environ = {"PHFS_READ_ONLY": "1", "PHFS_CONFIG": "/nope", "PHFS_MINIO": "/minio", "HOME": "/h"}
    without_own_options(environ)
    assert environ == {"PHFS_CONFIG": "/dev/null", "PHFS_MINIO": "/minio", "HOME": "/h"}
    given = [name for name in os.environ if name.startswith("PHFS_")]
    assert set(given) <= {"PHFS_CONFIG", "PHFS_MINIO", "PHFS_KUBELET"}


def test_directories_of_sessions_that_run_are_not_abandoned(tmp_path: Path) -> None:
    usual = tmp_path / f"pytest-of-{getpass.getuser()}"
    for number, lock in enumerate(["", str(os.getpid()), "999999999"]):
        directory = usual / f"pytest-{number}"
        directory.mkdir(parents=True)
        if lock:
            (directory / ".lock").write_text(lock)
    (tmp_path / "pytest-of-somebody" / "pytest-0").mkdir(parents=True)
    (usual / "garbage-1").mkdir()
    (usual / "pytest-current").symlink_to("pytest-1")
    ended = {usual / "pytest-0", usual / "pytest-2", usual / "garbage-1"}
    assert set(abandoned(None, tmp_path)) == ended
    assert set(abandoned(tmp_path / "own", tmp_path)) == {*ended, tmp_path / "own"}
