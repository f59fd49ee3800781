"""The stopwatch: what is inside and what is outside, and when there is something to wait for."""

from __future__ import annotations

import os
import random
from pathlib import Path

import pytest

from phfs.bench.process import Process
from phfs.bench.scenario import MB_PER_SECOND, MILLISECONDS, SECONDS, Size
from phfs.bench.turn import LEAST_PACED, Turn
from tests.bench.fakes import FakeClock, FakePlace


def a_turn(time: FakeClock, last_used: float | None = None) -> Turn:
    return Turn(
        1, 100, FakePlace(), stale_seconds=1.2, last_used=last_used, clock=time.clock, name="own-1"
    )


def test_only_what_is_inside_counts_and_it_adds_up() -> None:
    time = FakeClock()
    turn = a_turn(time)
    with turn.timed():
        time.sleep(2.0)
    time.sleep(50.0)
    with turn.timed():
        time.sleep(0.5)
    assert turn.seconds == 2.5


def test_a_failure_inside_is_not_a_time() -> None:
    time = FakeClock()
    turn = a_turn(time)

    def fail() -> None:
        with turn.timed():
            time.sleep(1.0)
            raise OSError

    with pytest.raises(OSError):
        fail()
    assert turn.seconds == 0.0


@pytest.mark.parametrize(
    ("used_before", "waited"), [(None, []), (0.0, [1.2]), (1.0, [pytest.approx(0.2)]), (5.0, [0.0])]
)
def test_it_waits_for_what_remains_of_the_ttl(
    used_before: float | None, waited: list[float]
) -> None:
    time = FakeClock()
    last_used = None if used_before is None else time.time - used_before
    a_turn(time, last_used).stale()
    assert time.slept == waited


def test_what_this_turn_learned_is_waited_for_in_full() -> None:
    time = FakeClock()
    a_turn(time).age()
    assert time.slept == [1.2]


@pytest.mark.parametrize(("seconds", "done"), [(0.0, LEAST_PACED), (30.0, 30), (1000.0, 50)])
def test_paced_work_ends_with_its_time_but_not_too_early(seconds: float, done: int) -> None:
    time = FakeClock()
    turn = a_turn(time)
    turn.paced(range(50), lambda _item: time.sleep(1.0), seconds)
    assert (turn.amount, turn.seconds) == (done, done)


def test_its_own_directory_is_remembered_for_removal(tmp_path: Path) -> None:
    turn = a_turn(FakeClock())
    assert not turn.wrote
    assert turn.fresh(tmp_path) == tmp_path / "own-1"
    assert (tmp_path / "own-1").is_dir()
    assert turn.wrote


def test_cpu_and_peak_of_a_process() -> None:
    turn = Turn(0, 1, FakePlace(), process=Process(os.getpid()))
    with turn.timed():
        held = random.Random(1).randbytes(200 * 1024**2)
    assert turn.cpu is not None
    assert turn.cpu > 0
    assert turn.peak_mib is not None
    assert turn.peak_mib > len(held) / 1024**2


def test_a_process_that_is_gone_costs_nothing_and_breaks_nothing(tmp_path: Path) -> None:
    gone = Process(1, proc=tmp_path)
    turn = Turn(0, 1, FakePlace(), process=gone)
    with turn.timed():
        pass
    assert (turn.cpu, turn.peak_mib) == (None, None)
    assert not gone.is_named("phfs")


def test_a_process_is_known_by_its_command_line() -> None:
    assert Process(os.getpid()).is_named("python")
    assert not Process(os.getpid()).is_named("phfs-mount-of-somebody")


def test_units() -> None:
    assert MB_PER_SECOND.value(2e6, 4.0) == 0.5
    assert MILLISECONDS.value(10, 0.5) == 50.0
    assert SECONDS.value(1, 0.7) == 0.7


def test_sizes() -> None:
    assert Size.of(quick=False) == (False, 6)
    assert Size.of(quick=True) == (True, 3)
    assert Size.of(quick=True, rounds=7) == (True, 8)
    assert Size.of(quick=True).pick("full", "quick") == "quick"
    assert Size.of(quick=False).pick("full", "quick") == "full"
