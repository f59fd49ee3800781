"""What of a machine keeps a mount from working, and the words for it."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import pytest

from phfs.config import MountConfig
from phfs.doctor import machine
from phfs.doctor.examination import Result
from phfs.machine import Machine, this_machine
from tests.support.machine import well

MIB = 1024**2


@pytest.fixture
def here(tmp_path: Path) -> Machine:
    return well(tmp_path)


@pytest.fixture
def config(tmp_path: Path) -> MountConfig:
    return MountConfig(
        bucket="b", mountpoint=tmp_path, prefix="groups/g/", state_dir=tmp_path / "state"
    )


def test_this_machine_can_mount(config: MountConfig) -> None:
    found = this_machine()
    assert machine.fuse(found).result is Result.OK
    assert machine.fusermount(found).result is Result.OK
    assert machine.kernel(found).text.startswith("Linux ")
    assert machine.open_files(found).result is Result.OK
    assert machine.memory(found, config).result is Result.OK


def test_without_the_device(here: Machine, tmp_path: Path) -> None:
    verdict = machine.fuse(replace(here, fuse_device=tmp_path / "none"))
    assert verdict.result is Result.FAIL
    assert verdict.text == f"there is no {tmp_path / 'none'}"
    assert "modprobe fuse" in verdict.advice
    assert "--device /dev/fuse" in verdict.advice


def test_a_device_that_cannot_be_opened(here: Machine, tmp_path: Path) -> None:
    verdict = machine.fuse(replace(here, fuse_device=tmp_path))
    assert verdict.result is Result.FAIL
    assert "cannot be opened (Is a directory)" in verdict.text


def test_the_helper_is_missing_or_has_no_power(here: Machine, tmp_path: Path) -> None:
    missing = machine.fusermount(replace(here, fusermount=None))
    assert (missing.result, "fuse3" in missing.advice) == (Result.FAIL, True)
    plain = machine.fusermount(replace(here, fusermount=here.fuse_device))
    assert (plain.result, "does not run as root" in plain.text) == (Result.FAIL, True)
    root = machine.fusermount(replace(here, fusermount=None, is_root=True))
    assert root.result is Result.OK


def test_others_are_let_in_only_where_that_is_allowed(here: Machine, config: MountConfig) -> None:
    asked = replace(config, allow_other=True)
    assert machine.allow_other(here, config).text == "is not needed"
    assert machine.allow_other(here, asked).result is Result.OK
    here.fuse_conf.write_text("#user_allow_other\n")
    refused = machine.allow_other(here, asked)
    assert refused.result is Result.FAIL
    assert str(here.fuse_conf) in refused.text
    assert machine.allow_other(replace(here, is_root=True), asked).result is Result.OK


def test_small_requests_are_slow(here: Machine) -> None:
    (here.fuse_limits / "max_pages_limit").write_text("32\n")
    verdict = machine.kernel(here)
    assert verdict.result is Result.WARN
    assert "at most 128 KiB" in verdict.text
    (here.fuse_limits / "max_pages_limit").unlink()
    assert machine.kernel(here).result is Result.OK


def test_memory_that_is_not_there(here: Machine, config: MountConfig) -> None:
    tight = replace(here, memory_allowed=512 * MIB)
    refused = machine.memory(tight, replace(config, memory_limit=512 * MIB))
    assert refused.result is Result.FAIL
    assert "the container may use 512 MiB" in refused.text
    assert refused.advice == "Give --memory-limit 412 or less."
    small = machine.memory(
        replace(here, memory_allowed=100 * MIB), replace(config, memory_limit=50 * MIB)
    )
    assert small.result is Result.WARN


def test_too_few_open_files(here: Machine) -> None:
    assert machine.open_files(replace(here, descriptors=100)).result is Result.FAIL
    assert machine.open_files(replace(here, descriptors=None)).text == "any number per process"


def test_a_state_directory_that_cannot_be_one(config: MountConfig, tmp_path: Path) -> None:
    assert machine.state_directory(config).text.endswith("is made by the first mount")
    assert not config.state_dir.exists(), "nothing is made by looking"
    (tmp_path / "file").touch()
    refused = machine.state_directory(replace(config, state_dir=tmp_path / "file"))
    assert (refused.result, "--state-dir" in refused.advice) == (Result.FAIL, True)
    full = machine.state_directory(replace(config, state_dir=Path("/proc/self")))
    assert full.result is Result.FAIL
    assert os.listdir(tmp_path) == ["file"]
