"""Starting a process again, passing signals on, and dying with it. Nothing is mounted here."""

from __future__ import annotations

import os
import select
import signal
import subprocess
import sys
import textwrap
import time
from collections.abc import Callable
from pathlib import Path

PATIENCE = 30.0
"""Seconds a script may take; each needs less than one."""

SCRIPT = """
import logging, os, signal, sys, time
from pathlib import Path
from phfs.cli import supervisor
from phfs.errors import MountError

logging.basicConfig(level=logging.INFO, format="%(message)s")
supervisor.FIRST_WAIT, supervisor.LONGEST_WAIT = {waits}
supervisor.HURRY_SECONDS = 0.3
here = Path({here!r})
starts = []

def attach():
{attach}

def note(word):
    with (here / "notes").open("a") as file:
        file.write(word + "\\n")

def serve(ready, start):
    number = len((here / "starts").read_text()) if (here / "starts").exists() else 0
    (here / "starts").write_text("x" * (number + 1))
    note(f"start {{number}} {{os.getpid()}}")
{serve}

duty = supervisor.Duty(serve, attach, lambda: None, lambda: note("clear"), {seconds}, {restart})
code, sentence = supervisor.run(duty, lambda: note("ready"))
print(sentence)
sys.exit(code)
"""


class Watched:
    """A supervisor in a process of its own; ``serve`` is the body of what its processes do."""

    def __init__(
        self,
        directory: Path,
        serve: str,
        *,
        attach: str = "return None",
        seconds: float = 20.0,
        restart: bool = True,
        waits: tuple[float, float] = (0.01, 0.05),
    ) -> None:
        self.notes_file = directory / "notes"
        self.notes_file.touch()
        script = SCRIPT.format(
            here=str(directory),
            serve=textwrap.indent(textwrap.dedent(serve), "    "),
            attach=textwrap.indent(textwrap.dedent(attach), "    "),
            seconds=seconds,
            restart=restart,
            waits=waits,
        )
        self.process = subprocess.Popen(
            [sys.executable, "-c", script],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    @property
    def notes(self) -> list[str]:
        return self.notes_file.read_text().split("\n")[:-1]

    def wait_for(self, note: str, count: int = 1) -> None:
        self._until(lambda: sum(line.startswith(note) for line in self.notes) >= count)

    def _until(self, true: Callable[[], bool]) -> None:
        give_up = time.monotonic() + PATIENCE
        while not true():
            assert time.monotonic() < give_up, self.notes
            time.sleep(0.01)

    def served_by(self) -> int:
        """The last process that was started."""
        return int([line for line in self.notes if line.startswith("start")][-1].split()[-1])

    def end(self) -> tuple[int, str, str]:
        """Exit code, sentence and log."""
        out, log = self.process.communicate(timeout=PATIENCE)
        return self.process.returncode, out.strip(), log


SERVES = "ready(); time.sleep(60); return 1, 'it slept too long'"


def test_an_orderly_end_is_the_end(tmp_path: Path) -> None:
    watched = Watched(tmp_path, "ready(); return 0, ''")
    assert watched.end()[:2] == (0, "")
    assert [line.split()[0] for line in watched.notes] == ["start", "ready", "clear"]


def test_one_that_never_served_is_not_tried_again(tmp_path: Path) -> None:
    watched = Watched(tmp_path, "return 2, 'No such option.'")
    assert watched.end()[:2] == (2, "No such option.")
    assert watched.notes[1:] == ["clear"]


def test_one_that_is_killed_before_it_served(tmp_path: Path) -> None:
    code, sentence, _ = Watched(tmp_path, "os.kill(os.getpid(), signal.SIGKILL)").end()
    assert code == 1
    assert sentence == "The mount's process was killed by signal 9 (SIGKILL) before it served."


def test_one_that_dies_is_followed_by_another_that_knows_why(tmp_path: Path) -> None:
    serve = """
    ready()
    if number < 2:
        os.kill(os.getpid(), (signal.SIGKILL, signal.SIGSEGV)[number])
    for crash in start.crashes:
        note(crash.why + " " + crash.advice)
    return 0, ""
    """
    watched = Watched(tmp_path, serve)
    code, _, log = watched.end()
    assert code == 0
    kinds = [line.split()[0] for line in watched.notes]
    assert (kinds.count("start"), kinds.count("ready")) == (3, 3)
    assert (kinds.count("clear"), kinds[-1]) == (1, "clear"), "nothing is bare in between"
    first, second = [line for line in watched.notes if line.startswith("The")]
    assert "was killed by signal 9 (SIGKILL) at 2" in first
    assert "lack of memory" in first
    assert "signal 11 (SIGSEGV)" in second
    assert "defect" in second
    assert log.count("started again") == 2
    assert log.count("served again") == 2


def test_of_many_deaths_all_are_counted_and_the_last_are_kept(tmp_path: Path) -> None:
    serve = """
    ready()
    if number < 23:
        return 1, f"Defect {number}."
    return 0, f"{start.deaths} {len(start.crashes)} {start.crashes[-1].why}"
    """
    code, sentence, _ = Watched(tmp_path, serve).end()
    assert (code, sentence.split()[:2]) == (0, ["23", "20"])
    assert "Defect 22." in sentence


def test_a_defect_is_a_death(tmp_path: Path) -> None:
    watched = Watched(
        tmp_path, "ready(); return (1, 'A defect.') if number == 0 else (0, start.crashes[0].why)"
    )
    code, sentence, _ = watched.end()
    assert code == 0
    assert "ended with code 1: A defect." in sentence


def test_what_cannot_be_served_again_is_tried_until_it_can(tmp_path: Path) -> None:
    serve = """
    if 0 < number < 6:
        return 2, "There are no keys."
    ready()
    return (1, "A defect.") if number == 0 else (0, f"{len(start.crashes)}")
    """
    code, sentence, log = Watched(tmp_path, serve).end()
    assert (code, sentence) == (0, "1"), "a failed start is no death"
    assert log.count("There are no keys.") == 5
    waits = [line.rpartition(" again ")[2] for line in log.split("\n") if "started again" in line]
    assert waits == ["at once", *(f"in {seconds} seconds" for seconds in ("0.01", "0.02", "0.04")),
                     "in 0.05 seconds", "in 0.05 seconds"]  # fmt: skip


def test_without_restart_a_death_is_the_end(tmp_path: Path) -> None:
    watched = Watched(tmp_path, "ready(); os.kill(os.getpid(), signal.SIGKILL)", restart=False)
    assert watched.end()[:2] == (1, "The mount's process was killed by signal 9 (SIGKILL).")
    assert watched.notes[-1] == "clear"


def test_a_signal_is_passed_on_once_and_its_end_is_the_end(tmp_path: Path) -> None:
    serve = """
    signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGINT])
    ready()
    signal.sigwait([signal.SIGINT])
    note("interrupted")
    if signal.sigtimedwait([signal.SIGINT], 0.2):
        note("interrupted")
    return 3, "One file was not saved."
    """
    watched = Watched(tmp_path, serve)
    watched.wait_for("ready")
    watched.process.send_signal(signal.SIGINT)
    assert watched.end()[:2] == (3, "One file was not saved.")
    assert watched.notes.count("interrupted") == 1
    assert sum(line.startswith("start") for line in watched.notes) == 1


def test_one_that_does_not_end_in_time_is_killed(tmp_path: Path) -> None:
    serve = """
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    ready()
    time.sleep(60)
    return 0, ""
    """
    watched = Watched(tmp_path, serve, seconds=0.3)
    watched.wait_for("ready")
    watched.process.send_signal(signal.SIGTERM)
    code, sentence, _ = watched.end()
    assert code == 3
    assert "did not end in time" in sentence


def test_a_second_signal_is_a_hurry(tmp_path: Path) -> None:
    serve = """
    signal.signal(signal.SIGTERM, lambda *_: note("terminated"))
    ready()
    while True:
        time.sleep(60)
    """
    watched = Watched(tmp_path, serve, seconds=1_000)
    watched.wait_for("ready")
    watched.process.send_signal(signal.SIGTERM)
    watched.wait_for("terminated")
    watched.process.send_signal(signal.SIGTERM)
    assert watched.end()[0] == 3


def test_signals_without_end_do_not_put_the_end_off(tmp_path: Path) -> None:
    serve = """
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    ready()
    time.sleep(60)
    return 0, ""
    """
    watched = Watched(tmp_path, serve, seconds=0.3)
    watched.wait_for("ready")
    give_up = time.monotonic() + PATIENCE
    while watched.process.poll() is None and time.monotonic() < give_up:
        watched.process.send_signal(signal.SIGTERM)
        time.sleep(0.02)
    ended = watched.process.poll() is not None
    if not ended:
        watched.process.kill()
    code, _, _ = watched.end()
    assert ended, "each signal gave it more time"
    assert code in (3, -signal.SIGTERM), "the last signal may meet it on its way out"


def test_a_signal_while_nothing_is_served(tmp_path: Path) -> None:
    serve = "ready() if number == 0 else None; return 1, 'Not now.'"
    watched = Watched(tmp_path, serve, waits=(60.0, 60.0))
    assert watched.process.stderr is not None
    while "in 60 seconds" not in watched.process.stderr.readline():
        pass
    watched.process.send_signal(signal.SIGTERM)
    assert watched.end()[:2] == (0, "")


def test_a_process_somebody_ends_in_order_is_not_started_again(tmp_path: Path) -> None:
    watched = Watched(tmp_path, SERVES)
    watched.wait_for("ready")
    os.kill(watched.served_by(), signal.SIGTERM)
    assert watched.end()[:2] == (0, "")


def test_with_the_supervisor_its_process_ends(tmp_path: Path) -> None:
    serve = """
    signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGTERM])
    ready()
    signal.sigwait([signal.SIGTERM])
    note("ended in order")
    return 0, ""
    """
    watched = Watched(tmp_path, serve)
    watched.wait_for("ready")
    handle = os.pidfd_open(watched.served_by())
    watched.process.kill()
    try:
        assert select.select([handle], [], [], PATIENCE)[0], "it goes on unwatched"
    finally:
        os.close(handle)
        watched.end()
    assert watched.notes[-1] == "ended in order"


def test_what_is_handed_over_is_kept_by_nobody_else(tmp_path: Path) -> None:
    """The end of a pipe stands for the descriptor: it comes when nobody holds the other end."""
    attach = """
    read_end, write_end = os.pipe()
    (here / "pipe").write_text(f"{os.getpid()} {read_end}")
    return write_end
    """
    serve = """
    os.write(start.device, b"served")
    ready()
    time.sleep(60)
    """
    watched = Watched(tmp_path, serve, attach=attach, restart=False)
    watched.wait_for("ready")
    supervisor, number = (tmp_path / "pipe").read_text().split()
    pipe = os.open(f"/proc/{supervisor}/fd/{number}", os.O_RDONLY)
    try:
        assert os.read(pipe, 100) == b"served"
        os.kill(watched.served_by(), signal.SIGKILL)
        assert select.select([pipe], [], [], PATIENCE)[0]
        assert os.read(pipe, 100) == b""
    finally:
        os.close(pipe)
        watched.end()


def test_a_mount_that_cannot_be_made(tmp_path: Path) -> None:
    watched = Watched(tmp_path, SERVES, attach="raise MountError('Not here.', 'Elsewhere.')")
    assert watched.end()[:2] == (1, "Not here. Elsewhere.")


def test_it_imports_nothing_heavy() -> None:
    script = (
        "import sys; from phfs.cli import duty, mount, supervisor;"
        "print(sorted({'trio', 'pyfuse3', 'botocore', 'boto3', 'urllib3'} & set(sys.modules)))"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, timeout=PATIENCE, check=True
    )
    assert done.stdout == "[]\n"
