"""``phfs demo``: it shows what it says, and leaves nothing behind, whatever happens."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from io import StringIO
from pathlib import Path

import pytest
from rich.console import Console

from phfs.demo.screen import Screen
from phfs.demo.session import show
from phfs.demo.world import DemoFailed, running_world

pytestmark = [
    pytest.mark.real,
    # moto's server leaves its sockets to the collector.
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
]

PATIENCE = 60.0
"""Seconds the whole demonstration may take."""

PHFS = str(Path(sys.executable).parent / "phfs")


def what_is_left() -> list[str]:
    """Mounts, processes and directories of a demonstration."""
    table = Path("/proc/self/mountinfo").read_text().splitlines()
    left = [line for line in table if "phfs-demo-" in line]
    left += [str(path) for path in Path("/tmp").glob("phfs-demo-*")]
    for file in Path("/proc").glob("[0-9]*/cwd"):
        try:
            where = file.readlink()
        except OSError:  # not ours to see, or ended meanwhile
            continue
        if "phfs-demo-" in str(where):
            left.append(str(file))
    return left


def test_it_shows_everything_and_takes_it_down() -> None:
    begun = time.monotonic()
    done = subprocess.run(
        [PHFS, "demo"], capture_output=True, text=True, timeout=PATIENCE, check=False
    )
    assert (done.returncode, done.stderr) == (0, ""), done.stdout
    assert time.monotonic() - begun < PATIENCE
    for shown in (
        "$ phfs-mount demo phfs --group demo",
        "b'hello, object store\\n'",
        "1,2\n3,4\n",
        "'groups/demo/results/greeting.txt'",
        "Operation not supported",
        "Illegal seek",
        "$ fusermount3 -u phfs",
    ):
        assert shown in done.stdout
    assert what_is_left() == []


def test_keep_says_how_to_reach_both_sides_and_ends_with_ctrl_c() -> None:
    with subprocess.Popen(
        [PHFS, "demo", "--keep"], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    ) as process:
        assert process.stdout is not None
        shown = ""
        for line in process.stdout:
            shown += line
            if line.lstrip().startswith(sys.executable):
                break
        (mountpoint,) = re.findall(r"^The files: +ls (.+)$", shown, re.MULTILINE)
        exported = dict(re.findall(r"^  export (\w+)=(.*)$", shown, re.MULTILINE))
        Path(mountpoint, "kept.txt").write_text("kept")
        listed = subprocess.run(
            ["sh", "-c", shown.splitlines()[-1]],
            env=os.environ | exported | {"NO_PROXY": "127.0.0.1"},
            capture_output=True,
            text=True,
            timeout=PATIENCE,
            check=True,
        )
        assert "groups/demo/kept.txt 4\n" in listed.stdout
        process.send_signal(signal.SIGINT)
        rest, _ = process.communicate(timeout=PATIENCE)
    assert process.returncode == 0, rest
    assert what_is_left() == []


def test_terminated_in_the_middle_it_leaves_nothing() -> None:
    with subprocess.Popen([PHFS, "demo"], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        for line in process.stdout:
            if line.startswith("$ ls -l phfs"):
                process.terminate()
                break
        process.communicate(timeout=PATIENCE)
    assert process.returncode == 130
    assert what_is_left() == []


def test_a_step_that_goes_wrong_ends_it_and_leaves_nothing() -> None:
    output = StringIO()
    screen = Screen(Console(file=output, width=200))
    with running_world(screen) as world:
        world.s3.put_object(Bucket=world.bucket, Key="groups/demo/results/in-the-way")
        with pytest.raises(DemoFailed, match=r"'mkdir phfs/results' failed"):
            show(world, screen)
    assert "a file written" in output.getvalue().lower()
    assert what_is_left() == []
