"""The scenarios do what they say: on a local directory, which stands in for a mount."""

from __future__ import annotations

from pathlib import Path
from threading import Event

import pytest

from phfs.bench.measure import Bench, Subject
from phfs.bench.place import DirectoryPlace
from phfs.bench.scenario import Scenario, Size
from phfs.bench.scenarios import chosen, themes
from phfs.bench.together import streams, workers
from phfs.bench.turn import Clock, Turn
from phfs.bench.work import read_samples, write_records
from phfs.bench.wrong import WrongResult
from phfs.errors import ConfigError
from tests.bench.fakes import FakeAudience, FakePlace

QUICK = Size(quick=True, turns=2)

LIGHT = [
    "cp-r",
    "find-tree",
    "import-package",
    "ls-lR-tree",
    "rm-r",
    "small-read-shuffled-8",
    "small-write-1",
    "small-write-8",
    "tar-x",
]
"""Scenarios that do little enough to be done here; the others are done on a real mount."""


def scenarios() -> dict[str, Scenario]:
    return {one.name: one for theme in themes(QUICK) for one in theme.scenarios}


def test_names_are_unique_and_everything_is_said() -> None:
    every = [one for theme in themes(QUICK) for one in theme.scenarios]
    assert len(every) == len({one.name for one in every}) > 25
    for one in every:
        assert one.cold
        assert one.title
        assert bool(one.floor_is) == (one.floor is not None)


def test_some_are_chosen_by_name() -> None:
    kept = chosen(themes(QUICK), ["rm-r", "ls"])
    assert [(theme.name, [one.name for one in theme.scenarios]) for theme in kept] == [
        ("names", ["ls"]),
        ("tree", ["rm-r"]),
    ]
    every = themes(QUICK)
    assert chosen(every, []) == every


@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        ("read-sec-4", "There is no scenario 'read-sec-4'; is read-seq-4 meant?"),
        ("nothing", "There is no scenario 'nothing': --list shows those there are."),
    ],
)
def test_an_unknown_name_is_refused_with_the_nearest(name: str, sentence: str) -> None:
    with pytest.raises(ConfigError) as refused:
        chosen(themes(QUICK), ["ls", name])
    assert refused.value.why == sentence


@pytest.mark.parametrize("name", LIGHT)
def test_it_can_be_done_and_leaves_nothing(name: str, tmp_path: Path) -> None:
    place = DirectoryPlace(tmp_path)
    clock = Clock(sleep=lambda _seconds: None)  # a directory forgets nothing
    bench = Bench([Subject("local", "none", tmp_path)], place, FakeAudience(), clock=clock)
    (result,) = bench.run(chosen(themes(QUICK), [name]), QUICK.turns)
    assert [reading.error for reading in result.readings] == ["", ""]
    assert all(reading.value > 0 for reading in result.readings)
    assert list(tmp_path.iterdir()) == []


def test_a_short_file_is_noticed(tmp_path: Path) -> None:
    shuffled = scenarios()["small-read-shuffled-8"]
    shuffled.prepare(DirectoryPlace(tmp_path))
    (tmp_path / "turn-0/00007.bin").write_bytes(b"short")
    with pytest.raises(WrongResult, match="bytes read"):
        shuffled.mount(Turn(0, 1, FakePlace()), tmp_path)


def test_a_missing_file_is_noticed(tmp_path: Path) -> None:
    with pytest.raises(WrongResult, match="No such file"):
        workers(Turn(0, 1, FakePlace()), read_samples, [[str(tmp_path / "none")], []])


def test_workers_are_processes_of_their_own(tmp_path: Path) -> None:
    turn = Turn(0, 1, FakePlace())
    shares = [[str(tmp_path / f"{share}-{number}") for number in range(3)] for share in range(4)]
    assert workers(turn, write_records, shares) == 12
    assert len(list(tmp_path.iterdir())) == 12
    assert turn.seconds > 0


def test_a_stream_that_fails_stops_the_others() -> None:
    stopped = []

    def work(item: int, stop: Event) -> int:
        if item == 0:
            raise OSError("the first one fails")
        stopped.append(stop.wait(10.0))
        return 1

    with pytest.raises(OSError, match="the first one"):
        streams(work, [0, 1, 2])
    assert stopped == [True, True]
