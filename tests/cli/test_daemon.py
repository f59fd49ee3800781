"""The fork, what the parent is told, and what is left behind. A plain directory plays the mount."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

PATIENCE = 20.0
"""Seconds a script may take; each needs a tenth of one."""


@pytest.fixture
def mountpoint(tmp_path: Path) -> Path:
    """A directory that answers as a mount does."""
    (tmp_path / "mnt").mkdir()
    return tmp_path / "mnt"


def start(
    mountpoint: Path, serve: str, ask: str = "os.listdir(here / 'mnt')", patience: float = 10
) -> subprocess.CompletedProcess[str]:
    """Run ``daemon.start`` in a process of its own; ``serve`` is the body of what it serves,
    ``ask`` the expression by which the parent asks it.

    A child that goes on writes its process id to the file ``child`` beside the mount point.
    """
    script = f"""
import os, signal, sys, time
from pathlib import Path
from phfs.cli import daemon

here = Path({str(mountpoint.parent)!r})

def serve(ready):
{textwrap.indent(textwrap.dedent(serve), "    ")}

code, sentence = daemon.start(serve, lambda: {ask}, here / "mnt", here / "log", {patience})
print(sentence)
sys.exit(code)
"""
    return subprocess.run(
        [sys.executable, "-c", script],
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
    )


def test_it_returns_when_the_mount_answers(mountpoint: Path) -> None:
    done = start(
        mountpoint,
        """
        (here / "child").write_text(f"{os.getpid()} {os.getsid(0)} {os.getcwd()}")
        print("said to standard output")
        print("said to standard error", file=sys.stderr)
        ready()
        signal.pause()
        """,
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "\n", "")
    pid, session, directory = (mountpoint.parent / "child").read_text().split()
    assert session == pid, "the child leads a session of its own"
    assert directory == "/"
    os.kill(int(pid), signal.SIGTERM)  # raises if it is gone
    assert (mountpoint.parent / "log").read_text() == "said to standard error\n"


@pytest.mark.parametrize(("code", "sentence"), [(1, "No such bucket."), (2, "A wrong\noption.")])
def test_it_passes_on_the_sentence_of_a_child_that_cannot(
    mountpoint: Path, code: int, sentence: str
) -> None:
    done = start(mountpoint, f"return {code}, {sentence!r}")
    assert (done.returncode, done.stdout) == (code, sentence.replace("\n", " ") + "\n")


def test_a_child_that_ends_without_a_word(mountpoint: Path) -> None:
    done = start(mountpoint, "os.kill(os.getpid(), signal.SIGKILL)")
    assert done.returncode == 1
    assert "ended without a word" in done.stdout
    assert str(mountpoint.parent / "log") in done.stdout


def test_a_child_that_returns_before_it_serves(mountpoint: Path) -> None:
    done = start(mountpoint, "return 0, ''")
    assert done.returncode == 1
    assert "ended before it served" in done.stdout


def test_a_mount_that_does_not_answer_is_taken_down(mountpoint: Path) -> None:
    done = start(
        mountpoint,
        """
        (here / "child").write_text(str(os.getpid()))
        ready()
        signal.pause()
        """,
        ask="os.listdir(here / 'none')",
    )
    assert done.returncode == 1
    assert "does not answer (No such file or directory)" in done.stdout
    with pytest.raises(ProcessLookupError):
        os.kill(int((mountpoint.parent / "child").read_text()), 0)


def test_a_mount_that_hangs_is_taken_down(mountpoint: Path) -> None:
    done = start(
        mountpoint,
        """
        (here / "child").write_text(str(os.getpid()))
        ready()
        signal.pause()
        """,
        ask="signal.pause()",
        patience=0.2,
    )
    assert done.returncode == 1
    assert "did not answer within 0.2 seconds" in done.stdout
    with pytest.raises(ProcessLookupError):
        os.kill(int((mountpoint.parent / "child").read_text()), 0)


def test_a_log_that_cannot_be_written(mountpoint: Path) -> None:
    (mountpoint.parent / "log").mkdir()
    done = start(mountpoint, "ready(); signal.pause()")
    assert done.returncode == 1
    assert "cannot be written (Is a directory)" in done.stdout


def test_no_descriptor_of_the_caller_is_kept(mountpoint: Path) -> None:
    read_end, write_end = os.pipe()
    script = f"""
import os, signal
from pathlib import Path
from phfs.cli import daemon
here = Path({str(mountpoint.parent)!r})
def serve(ready):
    (here / "child").write_text(str(os.getpid()))
    ready()
    signal.pause()
daemon.start(serve, lambda: None, here / "mnt", here / "log", 10)
"""
    subprocess.run(
        [sys.executable, "-c", script], pass_fds=[write_end], timeout=PATIENCE, check=True
    )
    os.close(write_end)
    # The end of the pipe comes when nobody holds it any more; a daemon that does would hang this.
    os.set_blocking(read_end, False)
    try:
        assert os.read(read_end, 1) == b""
    finally:
        os.close(read_end)
        os.kill(int((mountpoint.parent / "child").read_text()), signal.SIGTERM)
