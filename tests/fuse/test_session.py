from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
import trio

from phfs.errors import MountError
from phfs.fuse.session import MountOptions, Session
from phfs.vfs.values import Stat
from tests.fuse.conftest import Boundary
from tests.support.mounted import is_mounted


def test_the_options_of_the_mount() -> None:
    options = MountOptions(Path("/phfs"), "s3://bucket/groups/a/")
    assert options.words() == {
        "default_permissions",
        "subtype=phfs",
        "fsname=s3://bucket/groups/a/",
    }
    more = options._replace(read_only=True, allow_other=True, noexec=True).words()
    assert more - options.words() == {"ro", "allow_other", "noexec"}


def test_a_prefix_cannot_add_options_of_its_own() -> None:
    options = MountOptions(Path("/phfs"), "s3://bucket/a,suid\\,dev ä/")
    (source,) = (word for word in options.words() if word.startswith("fsname="))
    assert source == "fsname=s3://bucket/a%2Csuid%5C%2Cdev%20%C3%A4/"


@pytest.mark.real
async def test_a_mount_that_fails_is_one_sentence_with_the_reason(
    boundary: Boundary, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    mountpoint = tmp_path / "missing"
    session = Session(MountOptions(mountpoint, "s3://bucket/"))
    with pytest.raises(MountError) as caught:
        await session.serve(boundary.operations, lambda: None, trio.lowlevel.checkpoint)
    assert str(mountpoint) in caught.value.why
    assert "No such file or directory" in caught.value.why
    assert "\n" not in caught.value.why
    assert capfd.readouterr().err == ""


@pytest.mark.real
async def test_a_mount_that_does_not_answer_is_taken_away(
    boundary: Boundary, tmp_path: Path
) -> None:
    async def silence(ino: int, handle: int | None = None) -> Stat:
        await trio.sleep_forever()
        raise AssertionError

    boundary.volume.getattr = silence  # type: ignore[method-assign]
    session = Session(MountOptions(tmp_path, "s3://bucket/"), patience=0.2)
    with pytest.RaisesGroup(MountError):
        await session.serve(boundary.operations, lambda: None, trio.lowlevel.checkpoint)
    assert not is_mounted(tmp_path)


@pytest.mark.real
async def test_it_is_announced_once_it_answers_and_taken_away_by_a_failure(
    boundary: Boundary, tmp_path: Path
) -> None:
    announced: list[bool] = []

    def ready() -> None:
        announced.append(is_mounted(tmp_path))
        raise MountError("the parent is gone")

    with pytest.RaisesGroup(MountError):
        await Session(MountOptions(tmp_path, "s3://bucket/")).serve(
            boundary.operations, ready, trio.lowlevel.checkpoint
        )
    assert announced == [True]
    assert not is_mounted(tmp_path)
    assert os.listdir(tmp_path) == []


def test_an_end_that_does_not_come_is_brought_about() -> None:
    """Even where nothing else runs any more: a thread of its own waits for it."""
    script = """
import time
from pathlib import Path
from phfs.fuse.session import MountOptions, Session
Session(MountOptions(Path("/nowhere"), "s3://bucket/"))._bound(0.05)
time.sleep(60)
"""
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, timeout=50, check=False
    )
    assert done.returncode == 3
    assert "/nowhere did not end in time" in done.stderr


def test_what_is_lost_by_a_forced_end_is_named_and_signals_do_not_put_it_off() -> None:
    script = """
import time
from pathlib import Path
from phfs.fuse.session import MountOptions, Session
session = Session(MountOptions(Path("/nowhere"), "s3://bucket/"))
session._unsaved = lambda: {"/b", "/a"}
session._bound(0.5)
begun = time.monotonic()
while time.monotonic() < begun + 30:
    session._bound(0.5)
    time.sleep(0.02)
"""
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, timeout=50, check=False
    )
    assert done.returncode == 3, "each signal gave it more time"
    named = [line for line in done.stderr.splitlines() if "was not saved" in line]
    assert [line.split()[0] for line in named] == ["/a", "/b"]


def test_an_end_that_cannot_even_name_what_is_lost_comes() -> None:
    script = """
import time
from pathlib import Path
from phfs.fuse.session import MountOptions, Session
session = Session(MountOptions(Path("/nowhere"), "s3://bucket/"))
session._unsaved = lambda: 1 / 0
session._bound(0.05)
time.sleep(60)
"""
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, timeout=50, check=False
    )
    assert done.returncode == 3
