"""What a mount tells those who run it: counts, a log for programs, a file of theirs in .phfs."""

from __future__ import annotations

import errno
import json
import os
from pathlib import Path

import pytest

from tests.real.conftest import MountWith

pytestmark = pytest.mark.real


def test_operations_are_counted(mount_with: MountWith) -> None:
    mount = mount_with("--metadata-ttl=0")
    (mount.path / "a").write_bytes(b"x" * 300_000)
    assert (mount.path / "a").read_bytes() == b"x" * 300_000
    with pytest.raises(FileNotFoundError):
        (mount.path / "none").read_bytes()
    with pytest.raises(OSError, match="not supported"):
        os.symlink("a", mount.path / "link")
    told = mount.status()
    assert told["programs"]["written_bytes"] == 300_000
    assert told["programs"]["read_bytes"] >= 300_000
    assert told["requests"]["retries"] == 0
    operations = told["operations"]
    assert {"lookup", "create", "write", "close", "open", "read"} <= set(operations)
    for counted in operations.values():
        assert counted["count"] == sum(counted["up_to_seconds"].values()) > 0
        assert counted["seconds"] >= 0
    assert operations["lookup"]["errors"]["ENOENT"] >= 1
    assert operations["symlink"]["errors"] == {"EOPNOTSUPP": operations["symlink"]["count"]}
    text = (mount.path / ".phfs/status").read_text()
    assert "operations:\n" in text
    assert "EOPNOTSUPP" in text


def test_a_log_for_programs(mount_with: MountWith) -> None:
    mount = mount_with("--log-format=json")
    with pytest.raises(OSError, match="not supported") as refused:
        os.symlink("a", mount.path / "b\x1b")
    assert refused.value.errno == errno.EOPNOTSUPP
    mount.stop()
    lines = [json.loads(line) for line in mount.log.splitlines()]
    assert all({"time", "level", "logger", "message"} <= line.keys() for line in lines)
    (failure,) = [line for line in lines if "errno" in line]
    assert failure["path"] == "/b\x1b"
    assert (failure["operation"], failure["errno"]) == ("symlink", "EOPNOTSUPP")
    assert "symbolic link" in failure["why"]
    assert "Copy the file" in failure["advice"]


def test_a_file_is_shown_beside_the_mounts_own(mount_with: MountWith, tmp_path: Path) -> None:
    path = tmp_path / "VOLUMES.txt"
    mount = mount_with(f"--show-file={path}")
    own = mount.path / ".phfs"
    shown = own / path.name
    before = sorted(os.listdir(own))
    assert path.name not in before
    with pytest.raises(FileNotFoundError):
        shown.read_text()
    path.write_text("numbers: ready\n")
    assert shown.read_text() == "numbers: ready\n"
    path.write_text("numbers: failed, the server does not answer\n")
    assert shown.read_text() == "numbers: failed, the server does not answer\n"
    assert sorted(os.listdir(own)) == sorted([*before, path.name])
    with pytest.raises(PermissionError), shown.open("w"):
        pass
    path.unlink()
    (tmp_path / "secret").write_text("key")
    path.symlink_to(tmp_path / "secret")
    with pytest.raises(FileNotFoundError):
        shown.read_text()
    assert sorted(os.listdir(own)) == before
