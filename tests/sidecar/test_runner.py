"""The order of steps, what waits for what, and what is tried again; nothing is mounted here."""

from __future__ import annotations

import os
import signal
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import trio
import trio.testing

from phfs.errors import VolumeError
from phfs.sidecar import forked
from phfs.sidecar.board import Board
from phfs.sidecar.keycopy import KeyCopy
from phfs.sidecar.orphans import Orphans
from phfs.sidecar.outcome import Outcome
from phfs.sidecar.phfsmount import PhfsMount
from phfs.sidecar.plan import Plan
from phfs.sidecar.runner import Runner, busy
from phfs.sidecar.settings import Settings, Timeline
from phfs.sidecar.standing import Standing
from phfs.sidecar.steps import MountPhfs
from phfs.sidecar.tail import Tail, sentence_of
from phfs.system.privileges import Identity
from tests.sidecar.documents import dataset, group, planned

pytestmark = [pytest.mark.real, pytest.mark.expects_log]  # gives files away

PATIENCE = 60.0


class StagedPhfs(PhfsMount):
    """Reports what it is told to."""

    def __init__(self, step: MountPhfs, settings: Settings) -> None:
        super().__init__(step, settings, Identity(1000, 100), Path("/shown"))
        self.said: Callable[[Outcome], None] = lambda outcome: None
        self.began = trio.Event()

    async def keep(self, report: Callable[[Outcome], None]) -> None:
        self.said = report
        self.began.set()
        await trio.sleep_forever()


class Running:
    """A runner at work on a plan."""

    def __init__(self, plan: Plan, directory: Path, **settings: Any) -> None:
        self.settings = Settings(
            root=directory / "root",
            private=directory / "private",
            **{"retry_seconds": 0.05, "longest_retry": 0.2, **settings},
        )
        self.settings.root.mkdir()
        (step,) = (step for step in plan.steps if isinstance(step, MountPhfs))
        self.phfs = StagedPhfs(step, self.settings)
        self.board = Board(plan.volumes, frozenset(busy(plan)), lambda: None)
        self.runner = Runner(plan, self.settings, self.board, self.phfs)

    def of(self, id_: str) -> Standing:
        return next(one for one in self.board.standings if one.id == id_)

    async def until(self, true: Callable[[], bool]) -> None:
        with trio.move_on_after(PATIENCE) as patience:
            while not true():
                await trio.sleep(0.01)
        assert not patience.cancelled_caught, self.board.standings


@asynccontextmanager
async def running(plan: Plan, directory: Path, **settings: Any) -> AsyncIterator[Running]:
    made = Running(plan, directory, **settings)
    await made.runner.tree()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(made.runner.run)
        await made.phfs.began.wait()
        yield made
        nursery.cancel_scope.cancel()


async def test_a_volume_is_in_place_when_it_says_so(tmp_path: Path) -> None:
    async with running(planned("job"), tmp_path) as made:
        assert made.board.waited_for
        made.phfs.said(Outcome(in_place=False, error=VolumeError("Keys.", "Ask.")))
        await made.until(lambda: not made.board.waited_for)
        assert (made.of("phfs").being, made.of("phfs").why) == ("failed", "Keys.")
        assert made.of("home").being == "in place"
        made.phfs.said(Outcome(in_place=True))
        await made.until(lambda: made.of("phfs").being == "in place")
        assert os.readlink(made.settings.root / "home/phfs") == "/phfs"
        assert made.of("phfs").why == ""


async def test_who_never_says_anything_is_not_waited_for(tmp_path: Path) -> None:
    async with running(planned("job"), tmp_path, step_seconds=1.0) as made:
        await made.until(lambda: not made.board.waited_for)
        assert made.of("phfs").being == "failed"
        assert "after 1 seconds" in made.of("phfs").why
        made.phfs.said(Outcome(in_place=True))
        await made.until(lambda: made.of("phfs").being == "in place")


class DefectivePhfs(StagedPhfs):
    tries = 0

    async def keep(self, report: Callable[[Outcome], None]) -> None:
        self.tries += 1
        if self.tries < 3:
            raise RuntimeError("a defect")
        report(Outcome(in_place=True))
        await super().keep(report)


async def test_a_defect_costs_its_volume_only(tmp_path: Path) -> None:
    made = Running(planned("job"), tmp_path)
    (step,) = (step for step in planned("job").steps if isinstance(step, MountPhfs))
    phfs = DefectivePhfs(step, made.settings)
    runner = Runner(planned("job"), made.settings, made.board, phfs)
    await runner.tree()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(runner.run)
        await made.until(lambda: not made.board.waited_for)
        assert made.of("home").being == "in place"
        await made.until(lambda: made.of("phfs").being == "in place")
        assert phfs.tries == 3
        nursery.cancel_scope.cancel()


async def test_a_keeper_that_never_began_is_stopped_at_once(tmp_path: Path) -> None:
    made = Running(planned("job"), tmp_path)
    with trio.fail_after(PATIENCE):
        assert made.settings.drain_seconds < PATIENCE
        await made.phfs.stop()
    assert made.phfs.end == (0, "")


async def test_what_needs_a_volume_is_not_made_without_it(tmp_path: Path) -> None:
    plan = planned("app", groups=[group("research", shared=False)])
    async with running(plan, tmp_path) as made:
        made.phfs.said(Outcome(in_place=True))
        await made.until(lambda: not made.board.waited_for)
        assert "/pod/group/research" in made.of("project/research").why
        assert made.of("home").why == "It needs project/research, which is not in place."
        assert os.listdir(made.settings.root / "project/research") == []
        assert any("home is not in place" in note for note in made.of("phfs").notes)


async def test_a_name_that_is_taken_costs_the_link_only(tmp_path: Path) -> None:
    data = [dataset("code", "git", {"homeSymlink": "true"}, url="git://127.0.0.1:1/x")]
    plan = planned("job", groups=[group("research", "ds:code")], data=data)
    made = Running(plan, tmp_path)
    (made.settings.root / "home").mkdir()
    (made.settings.root / "home/phfs").write_text("mine")
    await made.runner.tree()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(made.runner.run)
        await made.phfs.began.wait()
        made.phfs.said(Outcome(in_place=True))
        await made.until(lambda: not made.board.waited_for)
        assert any("taken by the user's own" in note for note in made.of("phfs").notes)
        assert made.of("phfs").being == "in place"
        assert (made.settings.root / "home/phfs").read_text() == "mine"
        assert made.of("datasets/code").being == "failed"
        assert not os.path.lexists(made.settings.root / "home/code")
        nursery.cancel_scope.cancel()


async def test_a_tree_that_cannot_be_made_is_a_failure(tmp_path: Path) -> None:
    made = Running(planned("job"), tmp_path)
    (made.settings.root / "run").write_text("in the way")
    with pytest.raises(VolumeError, match="'run' on the way to run is no directory"):
        await made.runner.tree()


def test_waits_grow_up_to_a_bound() -> None:
    waits = Timeline(first=10, longest=300)
    assert [waits.after(number) for number in (1, 2, 3, 6, 7, 10_000)] == [
        10,
        20,
        40,
        300,
        300,
        300,
    ]


# -- what may hang -----------------------------------------------------------------------------


@pytest.fixture
def no_children() -> Iterator[None]:
    yield
    assert forked._left_behind == set()


def refuse() -> None:
    raise VolumeError("Why.", "What.")


def fail() -> None:
    Path("/nowhere/at/all").read_text()


@pytest.mark.usefixtures("no_children")
async def test_a_result_and_failures_come_through() -> None:
    assert await forked.call(lambda: {"a": [1, None]}, PATIENCE, "It") == {"a": [1, None]}
    big = "x" * 1_000_000
    assert await forked.call(lambda: big, PATIENCE, "It") == big
    with pytest.raises(VolumeError) as refused:
        await forked.call(refuse, PATIENCE, "It")
    assert (refused.value.why, refused.value.advice) == ("Why.", "What.")
    with pytest.raises(FileNotFoundError, match="/nowhere/at/all"):
        await forked.call(fail, PATIENCE, "It")
    with pytest.raises(VolumeError, match="It ended without a word"):
        await forked.call(partial(os._exit, 3), PATIENCE, "It")


@pytest.mark.usefixtures("no_children")
async def test_what_hangs_is_left_behind(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    with pytest.raises(VolumeError, match=r"Reading it did not end within 0\.2 seconds"):
        await forked.call(pipe.read_text, 0.2, "Reading it")


@pytest.mark.usefixtures("no_children")
async def test_a_call_can_be_cancelled() -> None:
    with trio.move_on_after(0.1) as patience:
        await forked.call(signal.pause, PATIENCE, "It")
    assert patience.cancelled_caught


def test_who_has_no_parent_left_is_waited_for() -> None:
    orphans = Orphans()
    process = os.fork()
    if process == 0:
        os._exit(0)
    os.waitid(os.P_PID, process, os.WEXITED | os.WNOWAIT)
    assert process not in orphans.reap()  # whoever has started it comes first
    assert process in orphans.reap()
    with pytest.raises(ChildProcessError):
        os.waitpid(process, os.WNOHANG)
    assert process not in orphans.reap()


def test_who_is_waited_for_is_left_alone() -> None:
    orphans = Orphans()
    process = os.fork()
    if process == 0:
        signal.pause()
        os._exit(0)
    assert [process in orphans.reap() for _ in range(3)] == [False] * 3
    os.kill(process, signal.SIGKILL)
    assert os.waitpid(process, 0)[0] == process


# -- keys --------------------------------------------------------------------------------------


def secret(directory: Path, **files: str) -> Path:
    made = directory / "secret"
    made.mkdir(exist_ok=True)
    for name, text in files.items():
        (made / name.replace("_", "-")).write_text(text)
    return made


def copy_of(directory: Path) -> KeyCopy:
    return KeyCopy(directory / "secret", directory / "keys", Identity(65533, 65533))


def test_keys_are_copied_for_one_reader_and_followed(tmp_path: Path) -> None:
    secret(tmp_path, access_key_id="AK\n", secret_access_key="SK/+=")
    keys = copy_of(tmp_path)
    assert keys.refresh()
    assert not keys.refresh()
    assert keys.file.read_text().splitlines() == [
        "[default]",
        "aws_access_key_id = AK",
        "aws_secret_access_key = SK/+=",
    ]
    found = keys.file.stat()
    assert (found.st_mode & 0o777, found.st_uid, found.st_gid) == (0o400, 65533, 65533)
    assert keys.file.parent.stat().st_mode & 0o777 == 0o710
    secret(tmp_path, session_token="T")
    assert keys.refresh()
    assert keys.file.read_text().endswith("aws_session_token = T\n")
    keys.remove()
    assert not keys.file.exists()
    assert keys.refresh()


def test_a_secret_that_the_kubelet_turns(tmp_path: Path) -> None:
    """Its files are links over ``..data``, which is one rename away from other keys."""
    made = secret(tmp_path)
    for number in (1, 2):
        one = made / f"..{number}"
        one.mkdir()
        for name in ("access-key-id", "secret-access-key"):
            (one / name).write_text(f"{name}-{number}")
    (made / "..data").symlink_to("..1")
    for name in ("access-key-id", "secret-access-key"):
        (made / name).symlink_to(f"..data/{name}")
    keys = copy_of(tmp_path)
    assert keys.refresh()
    (made / "new").symlink_to("..2")
    (made / "new").rename(made / "..data")
    assert keys.refresh()
    assert "secret-access-key-2" in keys.file.read_text()


def test_a_whole_file_goes_before_single_keys(tmp_path: Path) -> None:
    text = "[default]\naws_access_key_id = A\naws_secret_access_key = S\n"
    secret(tmp_path, credentials=text, access_key_id="other")
    keys = copy_of(tmp_path)
    keys.refresh()
    assert keys.file.read_text() == text


@pytest.mark.parametrize(
    ("files", "words"),
    [
        ({}, "has no access-key-id"),
        ({"access_key_id": "A"}, "has no secret-access-key"),
        ({"access_key_id": "", "secret_access_key": "S"}, "access-key-id .* cannot be a key"),
        ({"access_key_id": "A\n[b]", "secret_access_key": "S"}, "access-key-id .* cannot be a key"),
    ],
)
def test_a_secret_that_cannot_be_used(tmp_path: Path, files: dict[str, str], words: str) -> None:
    secret(tmp_path, **files)
    with pytest.raises(VolumeError, match=words) as refused:
        copy_of(tmp_path).refresh()
    assert "[b]" not in refused.value.why
    assert not (tmp_path / "keys/credentials").exists()


@pytest.mark.parametrize(
    ("line", "sentence"),
    [
        (b"phfs-mount: There is no bucket.", "There is no bucket."),
        (b'{"level": "ERROR", "message": "It is gone."}', "It is gone."),
        (b'{"level": "INFO", "message": "It is there."}', ""),
        (b'["ERROR"]', ""),
        (b"{ \xff", ""),
        (b"Traceback", ""),
    ],
)
def test_the_last_sentence(line: bytes, sentence: str) -> None:
    assert sentence_of(line) == sentence


async def test_lines_are_passed_on_whole(capsys: pytest.CaptureFixture[str]) -> None:
    read_end, write_end = os.pipe()
    tail = Tail(read_end)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(tail.pass_on)
        os.write(write_end, b'{"level": "ERROR",')
        await trio.testing.wait_all_tasks_blocked(0.05)
        assert capsys.readouterr().err == ""
        os.write(write_end, b' "message": "It is gone."}\nthe rest')
        os.close(write_end)
        with trio.fail_after(PATIENCE):
            await tail.finished.wait()
    os.close(read_end)
    line = '{"level": "ERROR", "message": "It is gone."}'
    assert capsys.readouterr().err == f"{line}\nthe rest\n"
    assert tail.sentence == "It is gone."


async def test_one_git_volume_is_fetched_at_a_time(tmp_path: Path) -> None:
    plan = planned(
        groups=[group("research", "ds:a", "ds:b")],
        data=[dataset("a", "git"), dataset("b", "git")],
    )
    made = Running(plan, tmp_path)
    first, second = (made.runner.turn_to_clone(f"datasets/{name}") for name in "ab")
    entered = trio.Event()

    async def enter_second() -> None:
        async with second:
            entered.set()

    async with trio.open_nursery() as nursery:
        async with first:
            assert made.of("datasets/a").notes == ()
            nursery.start_soon(enter_second)
            await made.until(lambda: bool(made.of("datasets/b").notes))
            assert "another git volume" in made.of("datasets/b").notes[0]
            assert made.of("datasets/b").being == "waiting"
            assert not entered.is_set()
        with trio.fail_after(PATIENCE):
            await entered.wait()
    assert made.of("datasets/b").notes == ()
