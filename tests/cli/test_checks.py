"""What stands in the way of a mount, and the sentence for it."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import pytest

from phfs.cli.checks import check
from phfs.config import MountConfig
from phfs.config.defaults import memory_limit
from phfs.errors import ConfigError, MountError
from phfs.machine import Machine, this_machine
from phfs.system.mounts import is_mounted
from tests.support.machine import well

MIB = 1024**2


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    return well(tmp_path)


@pytest.fixture
def config(tmp_path: Path) -> MountConfig:
    mountpoint = tmp_path / "mount point"
    mountpoint.mkdir()
    return MountConfig(
        bucket="b", mountpoint=mountpoint, prefix="groups/g/", state_dir=tmp_path / "state" / "phfs"
    )


def mounted(machine: Machine, path: Path) -> None:
    escaped = str(path).replace(" ", "\\040")
    line = f"99 22 0:50 / {escaped} rw,nosuid shared:9 - fuse.phfs s3://b/groups/g/ rw\n"
    with machine.mount_table.open("a") as table:
        table.write(line)


def test_nothing_in_the_way(machine: Machine, config: MountConfig) -> None:
    check(replace(config, allow_other=True), machine)
    assert config.state_dir.stat().st_mode & 0o777 == 0o700
    check(config, machine)


def test_no_mount_point(machine: Machine, config: MountConfig) -> None:
    config.mountpoint.rmdir()
    with pytest.raises(MountError, match=f"{config.mountpoint} does not exist: .*mkdir -p"):
        check(config, machine)


def test_a_file_as_mount_point(machine: Machine, config: MountConfig) -> None:
    config.mountpoint.rmdir()
    config.mountpoint.touch()
    with pytest.raises(MountError, match=r"is not a directory"):
        check(config, machine)


def test_a_mount_point_with_something_in_it(machine: Machine, config: MountConfig) -> None:
    (config.mountpoint / ".hidden").touch()
    with pytest.raises(MountError, match=r"is not empty"):
        check(config, machine)


def test_a_mount_point_that_is_mounted(machine: Machine, config: MountConfig) -> None:
    mounted(machine, config.mountpoint)
    with pytest.raises(MountError, match=r"something is mounted already: .*fusermount3 -u '"):
        check(config, machine)


def test_a_mount_whose_program_died(machine: Machine, config: MountConfig) -> None:
    # A loop of links is another path that is there and cannot be asked.
    config.mountpoint.rmdir()
    config.mountpoint.symlink_to(config.mountpoint)
    mounted(machine, config.mountpoint)
    with pytest.raises(
        MountError, match=r"whose program has died.*cannot be removed.*fusermount3 -u -z '"
    ):
        check(config, machine)


def test_what_is_dead_may_stay_below(machine: Machine, config: MountConfig) -> None:
    config.mountpoint.rmdir()
    config.mountpoint.symlink_to(config.mountpoint)
    mounted(machine, config.mountpoint)
    assert check(replace(config, keep_dead=True), replace(machine, is_root=True)) == []


def test_what_is_alive_may_not(machine: Machine, config: MountConfig) -> None:
    mounted(machine, config.mountpoint)
    with pytest.raises(MountError, match=r"something is mounted already"):
        check(replace(config, keep_dead=True), machine)


def test_no_fuse_device(machine: Machine, config: MountConfig) -> None:
    machine.fuse_device.unlink()
    with pytest.raises(MountError, match=r"There is no .*modprobe fuse.*--device /dev/fuse"):
        check(config, machine)


def test_a_fuse_device_that_cannot_be_opened(machine: Machine, config: MountConfig) -> None:
    machine.fuse_device.unlink()
    machine.fuse_device.mkdir()
    with pytest.raises(MountError, match=r"cannot be opened"):
        check(config, machine)


def test_no_fusermount(machine: Machine, config: MountConfig) -> None:
    with pytest.raises(MountError, match=r"fusermount3.*apt-get install fuse3"):
        check(config, replace(machine, fusermount=None))
    check(config, replace(machine, fusermount=None, is_root=True))


@pytest.mark.parametrize("text", ["", "#user_allow_other\n", None])
def test_allow_other_that_is_not_allowed(
    machine: Machine, config: MountConfig, text: str | None
) -> None:
    if text is None:
        machine.fuse_conf.unlink()
    else:
        machine.fuse_conf.write_text(text)
    config = replace(config, allow_other=True)
    with pytest.raises(ConfigError, match=r"--allow-other needs the line user_allow_other"):
        check(config, machine)
    check(config, replace(machine, is_root=True))


def test_a_state_dir_that_cannot_be(machine: Machine, config: MountConfig, tmp_path: Path) -> None:
    (tmp_path / "state").touch()
    with pytest.raises(ConfigError, match=r"--state-dir .* cannot be used"):
        check(config, machine)


def test_the_mount_table_of_this_machine() -> None:
    table = this_machine().mount_table
    assert is_mounted(Path("/proc"), table)
    assert not is_mounted(Path("/proc/self"), table)
    assert this_machine().is_root == (os.geteuid() == 0)


def test_without_a_mount_table_the_directory_is_asked(tmp_path: Path) -> None:
    assert is_mounted(Path("/proc"), tmp_path / "none")
    assert not is_mounted(tmp_path, tmp_path / "none")


# -- who serves ----------------------------------------------------------------------------------


def test_only_root_can_have_somebody_else_serve(machine: Machine, config: MountConfig) -> None:
    with pytest.raises(ConfigError, match=r"--run-as needs root"):
        check(replace(config, run_as=(1000, 1000)), machine)


@pytest.mark.parametrize("number", [0, 9_999])
def test_a_descriptor_that_is_not_of_fuse(
    machine: Machine, config: MountConfig, number: int
) -> None:
    with pytest.raises(MountError, match=rf"/dev/fd/{number} is no descriptor of "):
        check(replace(config, mountpoint=Path(f"/dev/fd/{number}")), machine)


def test_nothing_was_in_the_way_is_nothing_to_tell(machine: Machine, config: MountConfig) -> None:
    assert check(config, machine) == []


# -- memory and open files -----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("limit", "memory", "allowed", "words"),
    [
        (8_192, 8_192, None, "--memory-limit 8192 .*this machine has 8192 MiB.*at most 8092"),
        (413, 8_192, 512, "--memory-limit 413 .*container may use 512 MiB.*at most 412"),
        (1_024, 1_024, 4_096, "--memory-limit 1024 .*this machine has 1024 MiB.*at most 924"),
        (65, 8_192, 128, "--memory-limit 65 .*at most 64"),
    ],
)
def test_more_memory_than_there_is(
    machine: Machine,
    config: MountConfig,
    limit: int,
    memory: int,
    allowed: int | None,
    words: str,
) -> None:
    bytes_allowed = None if allowed is None else allowed * MIB
    machine = replace(machine, memory=memory * MIB, memory_allowed=bytes_allowed)
    most = int(words.rpartition(" ")[2])
    check(replace(config, memory_limit=most * MIB), machine)
    with pytest.raises(ConfigError, match=words):
        check(replace(config, memory_limit=limit * MIB), machine)


@pytest.mark.parametrize("allowed", [40, 64, 128, 319, 600])
def test_what_is_taken_by_default_is_never_refused(
    machine: Machine, config: MountConfig, allowed: int
) -> None:
    limit = memory_limit(allowed * MIB)
    check(replace(config, memory_limit=limit), replace(machine, memory_allowed=allowed * MIB))
    usual = replace(machine, memory=256 * MIB)
    check(replace(config, memory_limit=memory_limit(None)), usual)


def test_too_few_open_files(machine: Machine, config: MountConfig) -> None:
    for enough in (256, None):
        check(config, replace(machine, descriptors=enough))
    with pytest.raises(MountError, match=r"may have 255 files open .*needs 256: raise the hard"):
        check(config, replace(machine, descriptors=255))
