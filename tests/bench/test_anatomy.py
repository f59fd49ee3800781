"""Whose time it is, with clocks that the test moves, and how the shares are told."""

from __future__ import annotations

import threading
from collections import Counter
from pathlib import Path

import pytest

from bench.anatomy.jobs import LARGE_READ, Found
from bench.anatomy.layers import BOUNDARIES, recorded
from bench.anatomy.recorder import Lap, Layer, Recorder
from bench.anatomy.report import grid, parts, picture, sentences, shares
from bench.document import DOCS, PAGE, publish
from phfs.s3 import head


class Clocks:
    """Wall time, and CPU time of all threads, as the test has them."""

    def __init__(self) -> None:
        self.wall = 100.0
        self.cpu = 5.0
        self.recorder = Recorder(lambda: self.wall, lambda: self.cpu)

    def work(self, wall: float, cpu: float = 0.0) -> None:
        self.wall += wall
        self.cpu += cpu

    @property
    def lap(self) -> Lap:
        (lap,) = self.recorder.laps
        return lap


def test_a_moment_belongs_to_the_innermost_layer() -> None:
    clocks = Clocks()
    recorder = clocks.recorder
    clocks.work(9, 9)  # before the lap
    with recorder.lap():
        clocks.work(1, 1)
        recorder.enter(Layer.FILES)
        clocks.work(2, 1)
        recorder.enter(Layer.WAIT)
        clocks.work(4)
        recorder.leave(Layer.WAIT)
        clocks.work(8, 3)
        recorder.leave(Layer.FILES)
    clocks.work(16)
    assert clocks.lap.wall[Layer.OUTSIDE] == 1
    assert clocks.lap.wall[Layer.FILES] == 10
    assert clocks.lap.wall[Layer.WAIT] == 4
    assert clocks.lap.seconds == 15
    assert clocks.lap.cpu[Layer.FILES] == 4
    assert sum(clocks.lap.cpu) == 5
    assert recorder.idle


def test_who_waits_for_another_thread_has_no_time_of_its_own() -> None:
    clocks = Clocks()
    recorder = clocks.recorder

    def receive() -> None:
        recorder.enter(Layer.RECEIVE)
        clocks.work(4, 2)
        recorder.leave(Layer.RECEIVE)

    with recorder.lap():
        recorder.enter(Layer.CLIENT)
        other = threading.Thread(target=receive)
        other.start()
        other.join()
        clocks.work(1)
        recorder.leave(Layer.CLIENT)
    assert (clocks.lap.wall[Layer.CLIENT], clocks.lap.wall[Layer.RECEIVE]) == (1, 4)
    assert clocks.lap.cpu[Layer.RECEIVE] == 2


def test_whoever_goes_on_after_the_answer_is_seen() -> None:
    recorder = Recorder()
    seen = []
    for tell in (recorder.enter, recorder.leave):
        tell(Layer.CLIENT)
        seen.append(recorder.idle)
    assert seen == [False, True]
    assert recorder.laps == []


def test_boundaries_are_watched_inside_only() -> None:
    before = [getattr(owner, name) for owner, names, _ in BOUNDARIES for name in names]
    recorder = Recorder()
    with recorded(recorder):
        assert head.parse is not before[-3]
        with recorder.lap():
            assert head.parse(b"HTTP/1.1 204 No Content").status == 204
        with pytest.raises(ValueError, match=r"."):
            head.parse(b"nothing")
    after = [getattr(owner, name) for owner, names, _ in BOUNDARIES for name in names]
    assert before == after
    assert recorder.laps[0].wall[Layer.PARSE] > 0
    assert recorder.idle


def lap(outside: float, files: float, wait: float) -> Lap:
    made = Lap()
    made.wall[Layer.OUTSIDE], made.wall[Layer.FILES], made.wall[Layer.WAIT] = outside, files, wait
    made.cpu[Layer.FILES] = files
    return made


def found() -> Found:
    """Four laps of 3 ms and extremes on both sides; 5 ms and 2 ms of CPU through a mount."""
    return Found(
        LARGE_READ,
        laps=[lap(0, 0, 0), *[lap(0.0002, 0.001, 0.002)] * 2, lap(9, 9, 9)],
        bare=[0.0, 0.003, 0.003, 9.0],
        mounted=[0.0, 0.005, 0.005, 9.0],
        mount_cpu=0.008,
        requests=Counter(get=4, list=1),
    )


def test_the_middle_half_counts_and_the_rest_is_the_kernels() -> None:
    taken = shares(found())
    assert taken.wall[Layer.FILES] == pytest.approx(1.0)
    assert taken.wall[Layer.WAIT] == pytest.approx(2.0)
    assert taken.wall[Layer.OUTSIDE] == pytest.approx(2.0)
    assert taken.total == pytest.approx(5.0)
    assert taken.recording == pytest.approx(0.2)
    assert taken.total_cpu == pytest.approx(2.0)
    assert taken.cpu[Layer.FILES] == pytest.approx(1.0)
    assert taken.cpu[Layer.OUTSIDE] == pytest.approx(1.0)


def test_a_row_for_each_layer_and_one_for_all() -> None:
    rows = grid([found(), found()]).rows
    assert len(rows) == len(Layer) + 1
    assert ["file system (vfs/)", "1.00", "1.00", "1.00", "1.00"] in rows
    assert rows[-1] == ["through the mount", "5.00", "2.00", "5.00", "2.00"]
    (said,) = sentences([found()])
    assert said.startswith(
        "A read of 1 MiB: 4 times; requests to the store for each: 1.00 get, 0.2"
    )


def test_it_goes_into_the_page(tmp_path: Path) -> None:
    (tmp_path / PAGE).write_text((DOCS / PAGE).read_text())
    results = [found(), found()]
    publish(parts(results, "2026-01-01 10:00:00"), {"anatomy.png": picture(results)}, tmp_path)
    assert "| file system (vfs/) | 1.00 | 1.00 | 1.00 | 1.00 |" in (tmp_path / PAGE).read_text()
    assert (tmp_path / "images/anatomy.png").read_bytes().startswith(b"\x89PNG")
