"""What comes right after close(2), as scripts do it: the kernel releases the file a moment later,
and nobody is refused for that."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from tests.real.conftest import MountWith
from tests.support.effort import Effort
from tests.support.mounted import Mounted

pytestmark = [pytest.mark.real, pytest.mark.torture]

SCRIPT = """
set -e
for round in $(seq "$1"); do
    : > f; mv f g
    : > g; mv g f
    echo text > f; mv f g; mv g f
    : > f; cat f; echo "text $round" > f
    : > d/in; mv d e; mv e d
    : > d/in; truncate -s 0 d/in; echo again > d/in
    cp f over; : > over; mv f over; cp over f
    : > over; rm over
done
"""
"""Each of the files is there before, so that an empty one is saved by the release alone."""


def test_renaming_emptying_and_removing(mounted: Mounted, effort: Effort) -> None:
    directory = mounted.path / "after-close"
    rounds = effort.of(quick=5, long=300)
    fill(directory)
    result = subprocess.run(
        ["bash", "-c", SCRIPT, "script", str(rounds)],
        cwd=directory,
        capture_output=True,
        check=False,
        timeout=600,
    )
    assert (result.returncode, result.stderr) == (0, b"")
    assert mounted.get("after-close/f") == f"text {rounds}\n".encode()
    assert mounted.get("after-close/d/in") == b"again\n"
    effort.record("right after close", rounds=rounds)


def fill(directory: Path) -> None:
    (directory / "d").mkdir(parents=True)
    for name in ("f", "d/in"):
        (directory / name).write_text("before\n")


def test_renaming_in_one_process(mount_with: MountWith, effort: Effort) -> None:
    mounted = mount_with("--metadata-ttl=60")
    path, other = mounted.path / "f", mounted.path / "g"
    path.write_bytes(b"content")
    rounds = effort.of(quick=20, long=1000)
    for number in range(rounds):
        os.close(os.open(path, os.O_WRONLY | os.O_TRUNC))
        path.rename(other)
        assert mounted.get("g") == b""
        other.write_bytes(b"%d" % number)
        other.rename(path)
    assert mounted.get("f") == b"%d" % (rounds - 1)
