"""How volumes stand, and how it is written down for people, programs and shells."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path

import pytest
import trio

from phfs.errors import MountError, VolumeError
from phfs.sidecar import publishing, state
from phfs.sidecar.board import Board
from phfs.sidecar.runner import busy
from phfs.sidecar.standing import Being, standing_of
from phfs.system.privileges import Identity
from tests.sidecar.documents import SECRET, dataset, group, planned


class Told:
    """A board of a pod with a few volumes, at a time of its own; how often it has changed."""

    def __init__(self) -> None:
        self.time = 1000.0
        self.changes = 0
        self.plan = planned(
            groups=[group("research", "ds:a", "ds:tokens", "ds:wrong")],
            data=[
                dataset("a"),
                dataset("tokens", "env"),
                dataset("b"),
                dataset("wrong", "nfs", nfs={}),
            ],
        )
        self.board = Board(
            self.plan.volumes, frozenset(busy(self.plan)), self._changed, lambda: self.time
        )

    def _changed(self) -> None:
        self.changes += 1

    def beings(self) -> dict[str, str]:
        return {one.id: str(one.being) for one in self.board.standings}


def test_how_volumes_stand_at_first() -> None:
    told = Told()
    assert told.beings() == {
        "phfs": "waiting",
        "home": "waiting",
        "project/research": "out",
        "datasets/a": "waiting",
        "datasets/b": "out",
        "datasets/tokens": "in place",
        "datasets/wrong": "failed",
    }
    assert told.board.waited_for == ("phfs", "home", "datasets/a")
    wrong = next(one for one in told.board.standings if one.id == "datasets/wrong")
    assert "nfs.server" in wrong.why


async def test_a_volume_comes_fails_and_comes_again(autojump_clock: trio.abc.Clock) -> None:
    told, settled = Told(), trio.Event()

    async def wait() -> None:
        await told.board.settled("datasets/a")
        settled.set()

    async with trio.open_nursery() as nursery:
        nursery.start_soon(wait)
        await trio.testing.wait_all_tasks_blocked()
        assert not settled.is_set()
        told.time = 1001.0
        assert told.board.failed("datasets/a", VolumeError("Why.", "What."))
    assert told.board.waited_for == ("phfs", "home")
    told.time = 1002.0
    assert not told.board.failed("datasets/a", VolumeError("Why.", "What."))
    assert told.changes == 1
    failed = next(one for one in told.board.standings if one.id == "datasets/a")
    assert (failed.since, failed.why, failed.advice) == (1001.0, "Why.", "What.")
    told.board.came("datasets/a", revision="abc")
    came = next(one for one in told.board.standings if one.id == "datasets/a")
    assert (came.since, came.why, came.revision) == (1002.0, "", "abc")
    assert told.board.is_in_place("datasets/a")


def test_notes_are_said_once_and_taken_back() -> None:
    told = Told()
    before = told.board.standings[0].notes
    told.board.say("phfs", ["One.", "Two.", ""])
    told.board.say("phfs", ["Two."])
    assert told.board.standings[0].notes == (*before, "One.", "Two.")
    told.board.unsay("phfs", ["One."])
    assert told.board.standings[0].notes == (*before, "Two.")
    assert told.changes == 2


def test_a_standing_survives_json() -> None:
    for one in Told().board.standings:
        assert standing_of(json.loads(json.dumps(one.values()))) == one


def test_volumes_txt_says_what_is_wrong_first_and_keeps_to_its_line() -> None:
    told = Told()
    told.board.failed("phfs", VolumeError("Keys\x1b[2J\nare wrong.", "Ask."))
    told.board.came("home")
    lines = publishing.text(told.board.standings).splitlines()
    assert lines[0] == "Not in place; each is tried again by itself"
    titles = [line for line in lines if line and not line.startswith(" ")]
    assert titles[1:] == ["Being put in place", "In place", "Not for this pod"]
    assert any("Keys\\x1b[2J\\nare wrong. Ask." in line for line in lines)
    assert all(line.isprintable() for line in lines)
    assert SECRET not in publishing.as_json(told.board.standings)


def test_variables_are_quoted_and_the_containers_own_win(tmp_path: Path) -> None:
    value = "a'b\"$HOME `id`\nc"
    plan = planned(
        groups=[group("research", "ds:tokens")],
        data=[dataset("tokens", "env", variables={"one": value, "o-t": "dash"})],
    )
    owner = Identity(os.getuid(), os.getgid())
    publishing.write_environment(tmp_path, "", plan.environment, owner)
    script = 'set -eu; . "$1/env.sh"; printf "%s|%s" "$TOKENS_ONE" "$GROUP_NAME"'
    done = subprocess.run(
        ["sh", "-c", script, "sh", tmp_path],
        env={"GROUP_NAME": "own"}, capture_output=True, text=True, timeout=60, check=True,
    )  # fmt: skip
    assert done.stdout == f"{value}|own"
    known = json.loads((tmp_path / "env.json").read_text())
    assert known["TOKENS_ONE"] == value
    assert known["TOKENS_O-T"] == known["TOKENS_O_T"] == "dash"
    assert "O-T" not in (tmp_path / "env.sh").read_text()
    assert {(tmp_path / name).stat().st_mode & 0o777 for name in ("env.sh", "env.json")} == {0o400}


def test_the_state_is_read_as_it_was_written(tmp_path: Path) -> None:
    with pytest.raises(MountError, match="There is no state of a sidecar"):
        state.read(tmp_path)
    told = Told()
    values = [one.values() for one in told.board.standings]
    state.write(tmp_path, values, told.board.waited_for, 9807, is_ending=False)
    said = state.read(tmp_path)
    assert said.standings == told.board.standings
    assert (said.waited_for, said.port) == (told.board.waited_for, 9807)
    assert said.beat < 60
    os.utime(tmp_path / "state.json", (0, 0))
    assert state.read(tmp_path).beat > state.SILENT_SECONDS
    state.beat(tmp_path)
    assert state.read(tmp_path).beat < 60
    with pytest.raises(MountError, match="No sidecar is running"):
        state.read_running(tmp_path)


def test_being_has_words_for_people() -> None:
    assert {str(one) for one in Being} == {"out", "waiting", "in place", "failed"}
