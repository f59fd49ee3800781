"""The order of turns, what a failure does, and that everything laid down is removed."""

from __future__ import annotations

from pathlib import Path

import pytest

from phfs.bench.floor import Floor
from phfs.bench.measure import FLOOR, PATIENCE, Bench, Subject
from phfs.bench.place import Place
from phfs.bench.scenario import MEBIBYTES
from phfs.bench.turn import Turn
from tests.bench.fakes import (
    FakeAudience,
    FakeClock,
    FakePlace,
    NoStore,
    scenario,
    subject,
    theme,
)


class World:
    """A bench with a fake clock, and a log of what was done."""

    def __init__(self, *subjects: Subject) -> None:
        self.time = FakeClock()
        self.place = FakePlace()
        self.audience = FakeAudience()
        self.log = self.place.calls
        self.bench = Bench(subjects, self.place, self.audience, clock=self.time.clock)

    def mount(self, turn: Turn, root: Path) -> None:
        self.log.append(f"mount {root} {turn.number}")
        with turn.timed():
            self.time.sleep(2.0)

    def floor(self, turn: Turn, store: Floor) -> None:
        assert isinstance(store, Floor)
        self.log.append(f"floor {turn.number}")
        with turn.timed():
            self.time.sleep(1.0)


def test_everything_is_taken_in_turn() -> None:
    world = World(subject("phfs"), subject("rclone"), subject(FLOOR))
    both = theme(scenario("a", world.mount, world.floor), scenario("b", world.mount))
    results = world.bench.run([both], 2)
    assert world.log == [
        *("make a/", "make b/"),
        *("mount /mounts/phfs/a 0", "mount /mounts/rclone/a 0", "floor 0"),
        *("mount /mounts/phfs/b 0", "mount /mounts/rclone/b 0"),
        *("mount /mounts/phfs/a 1", "mount /mounts/rclone/a 1", "floor 1"),
        *("mount /mounts/phfs/b 1", "mount /mounts/rclone/b 1"),
        *("remove a", "remove b"),
    ]
    found = [(one.scenario.name, one.subject.name) for one in results]
    names = ["phfs", "rclone"]
    assert found == [("a", "phfs"), ("a", "rclone"), ("a", FLOOR), *(("b", name) for name in names)]
    assert [reading.value for reading in results[0].readings] == [50.0, 50.0]
    assert [reading.value for reading in results[2].readings] == [100.0, 100.0]
    assert world.audience.steps == world.audience.advances == 12
    assert world.audience.themes == ["theme"]


def test_mounts_have_time_to_forget_that_a_directory_was_not_there() -> None:
    world = World(subject("phfs"))
    world.bench.run([theme(scenario("a", world.mount))], 1)
    assert world.time.slept[0] == pytest.approx(1.2)


def test_a_turn_knows_when_its_files_were_last_used() -> None:
    world = World(subject("phfs"), subject("rclone"))

    def mount(turn: Turn, root: Path) -> None:
        turn.stale()
        world.mount(turn, root)

    world.bench.run([theme(scenario("a", mount))], 2)
    first = world.time.slept[1:3]
    # The other subject takes two seconds in between, longer than the TTL.
    assert world.time.slept[3:] == [0.0, 2.0, 0.0, 2.0]
    assert first == [2.0, 2.0]


def test_what_fails_is_said_and_not_tried_again_and_the_rest_goes_on() -> None:
    world = World(subject("phfs"), subject(FLOOR))

    def fail(turn: Turn, _root: Path) -> None:
        world.log.append(f"fail {turn.number}")
        raise OSError(5, "Input/output error")

    one, two = world.bench.run([theme(scenario("a", fail, world.floor))], 3)
    assert [reading.error for reading in one.readings] == ["[Errno 5] Input/output error"]
    assert len(two.readings) == 3
    assert world.log.count("fail 0") == 1
    assert "fail 1" not in world.log
    assert world.audience.steps == world.audience.advances


def test_a_slow_subject_is_not_measured_for_ever() -> None:
    world = World(subject("phfs"), subject("rclone"))

    def mount(turn: Turn, root: Path) -> None:
        with turn.timed():
            world.time.sleep(PATIENCE + 1 if "rclone" in root.parts else 1.0)

    fast, slow = world.bench.run([theme(scenario("a", mount))], 4)
    assert (len(fast.readings), len(slow.readings)) == (4, 1)


def test_a_figure_that_is_no_time_is_kept() -> None:
    world = World(subject("phfs"))

    def mount(turn: Turn, _root: Path) -> None:
        with turn.timed():
            world.time.sleep(1.0)
        turn.figure = 117.0

    (one,) = world.bench.run([theme(scenario("a", mount, unit=MEBIBYTES))], 1)
    assert one.readings[0].value == 117.0


def test_what_a_turn_wrote_is_removed_after_it() -> None:
    world = World(subject("phfs"), Subject(FLOOR, "direct", store=NoStore()))

    def write(turn: Turn, _root: Path | Floor) -> None:
        world.log.append(f"write {turn.own}")
        with turn.timed():
            world.time.sleep(1.0)

    world.bench.run([theme(scenario("a", write, write))], 1)
    assert world.log == [
        "make a/",
        *("write own-0-0", "remove a/own-0-0"),
        *("write own-1-0", "remove a/own-1-0"),
        "remove a",
    ]


@pytest.mark.parametrize("moment", ["prepare", "mount"])
def test_an_interruption_removes_what_was_laid_down(moment: str) -> None:
    world = World(subject("phfs"))

    def prepare(place: Place) -> None:
        place.put_large("file", 7)
        if moment == "prepare":
            raise KeyboardInterrupt

    def mount(turn: Turn, _root: Path) -> None:
        assert turn.own
        raise KeyboardInterrupt

    themes = [theme(scenario("a", mount, prepare=prepare)), theme(scenario("b", world.mount))]
    with pytest.raises(KeyboardInterrupt):
        world.bench.run(themes, 2)
    own = ["remove a/own-0-0"] if moment == "mount" else []
    assert world.log == ["make a/", "make b/", "put a/file 7", *own, "remove a"]
