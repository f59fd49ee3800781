"""The kernel's table of mounts, read without asking any of them."""

from __future__ import annotations

import os
from pathlib import Path

from phfs.system.mounts import all_mounts, containing, mounts_at, propagates

TABLE = """\
22 1 8:1 / / rw,relatime shared:1 - ext4 /dev/vda rw
30 22 0:50 / /a\\040b rw,nosuid shared:9 master:3 - fuse.phfs s3://b/groups/g/ rw
31 30 0:51 / /a\\040b ro,nosuid - nfs4 host:/export ro,vers=4.2
32 22 0:52 / /private rw - tmpfs none rw
short line
"""


def table(directory: Path) -> Path:
    file = directory / "mountinfo"
    file.write_text(TABLE)
    return file


def test_every_line_is_a_mount(tmp_path: Path) -> None:
    found = all_mounts(table(tmp_path))
    assert [str(one.path) for one in found] == ["/", "/a b", "/a b", "/private"]
    assert found[1].fstype == "fuse.phfs"
    assert found[1].device == os.makedev(0, 50)
    assert [one.read_only for one in found] == [False, False, True, False]
    assert found[2].source == "host:/export"


def test_the_uppermost_is_the_last(tmp_path: Path) -> None:
    found = mounts_at(Path("/a b"), table(tmp_path))
    assert [one.fstype for one in found] == ["fuse.phfs", "nfs4"]
    assert mounts_at(Path("/a"), table(tmp_path)) == []


def test_a_path_lies_in_what_is_mounted_furthest_down(tmp_path: Path) -> None:
    mounts = all_mounts(table(tmp_path))
    for path, fstype in (
        ("/", "ext4"),
        ("/a b", "nfs4"),
        ("/a b/c/d", "nfs4"),
        ("/a bc", "ext4"),
        ("/private/x", "tmpfs"),
    ):
        found = containing(Path(path), mounts)
        assert found is not None
        assert found.fstype == fstype, path
    assert containing(Path("/a b"), reversed(mounts)) == mounts[1], "the last of several"
    assert containing(Path("/x"), mounts[1:]) is None


def test_what_propagates(tmp_path: Path) -> None:
    places = {
        path: propagates(Path(path), table(tmp_path))
        for path in ("/", "/etc", "/a b/c", "/private", "/private/x", "/privateer")
    }
    assert places == {
        "/": True,
        "/etc": True,
        "/a b/c": False,
        "/private": False,
        "/private/x": False,
        "/privateer": True,
    }
