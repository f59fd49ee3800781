"""A machine on which nothing keeps a mount from working; files stand for what is looked at."""

from __future__ import annotations

from pathlib import Path

from phfs.machine import Machine


def well(directory: Path) -> Machine:
    """One whose files are in a directory."""
    (directory / "fuse").touch()
    (directory / "fuse.conf").write_text("# mount_max = 1000\nuser_allow_other\n")
    (directory / "max_pages_limit").write_text("256\n")
    (directory / "mountinfo").write_text("22 1 8:1 / / rw,relatime shared:1 - ext4 /dev/vda rw\n")
    return Machine(
        fuse_device=directory / "fuse",
        fuse_conf=directory / "fuse.conf",
        fuse_limits=directory,
        mount_table=directory / "mountinfo",
        is_root=False,
        fusermount=Path("/usr/bin/fusermount3"),
        memory=8_192 * 1024**2,
        memory_allowed=None,
        descriptors=1_024,
    )
