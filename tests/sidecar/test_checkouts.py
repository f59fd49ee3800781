"""Which checkouts stay, and that a link is turned and never missing."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from phfs.sidecar.checkouts import Checkouts, in_use

COMMITS = [letter * 40 for letter in "abcdef"]
HOUR = 3600.0


@pytest.fixture
def checkouts(tmp_path: Path) -> Checkouts:
    made = Checkouts(tmp_path / "code", "code", tmp_path / "datasets/code", "/gitsync/code/code")
    made.open()
    return made


def put(checkouts: Checkouts, commit: str) -> None:
    new = checkouts.begin(None)
    (new / "n").write_text(commit)
    checkouts.keep(new, commit)
    checkouts.show(commit)


def names(directory: Path) -> set[str]:
    return {entry.name for entry in (directory / "code").iterdir()}


def age(directory: Path, commit: str, hours: float) -> None:
    then = time.time() - hours * HOUR
    os.utime(directory / f"code/rev-{commit}", (then, then))


def test_nothing_is_shown_at_first(checkouts: Checkouts, tmp_path: Path) -> None:
    assert checkouts.current() is None
    assert not os.path.lexists(tmp_path / "datasets/code")
    put(checkouts, COMMITS[0])
    assert checkouts.current() == COMMITS[0]
    assert os.readlink(tmp_path / "datasets/code") == "/gitsync/code/code"
    assert names(tmp_path) == {"code", f"rev-{COMMITS[0]}"}


def test_a_link_to_what_is_gone_shows_nothing(checkouts: Checkouts, tmp_path: Path) -> None:
    put(checkouts, COMMITS[0])
    (tmp_path / f"code/rev-{COMMITS[0]}").rename(tmp_path / "away")
    assert checkouts.current() is None
    put(checkouts, COMMITS[1])
    assert checkouts.current() == COMMITS[1]


async def test_two_before_the_current_one_stay_however_old(
    checkouts: Checkouts, tmp_path: Path
) -> None:
    for commit in COMMITS:
        put(checkouts, commit)
    for hours, commit in zip((50, 40, 30, 20, 10), COMMITS[:5], strict=True):
        age(tmp_path, commit, hours)
    await checkouts.tidy()
    assert names(tmp_path) == {"code", *(f"rev-{commit}" for commit in COMMITS[3:])}


async def test_what_has_just_been_replaced_stays(checkouts: Checkouts, tmp_path: Path) -> None:
    for commit in COMMITS:
        put(checkouts, commit)
        age(tmp_path, commit, 99)  # made long ago: it counts since when it is out of use
    await checkouts.tidy()
    assert len(names(tmp_path)) == 1 + len(COMMITS)
    await checkouts.tidy(grace=0)
    assert names(tmp_path) == {"code", *(f"rev-{commit}" for commit in COMMITS[3:])}


async def test_what_a_process_is_at_work_in_stays(checkouts: Checkouts, tmp_path: Path) -> None:
    for commit in COMMITS:
        put(checkouts, commit)
    held = os.open(tmp_path / f"code/rev-{COMMITS[0]}/n", os.O_RDONLY)
    try:
        await checkouts.tidy(kept=0, grace=0)
    finally:
        os.close(held)
    assert names(tmp_path) == {"code", f"rev-{COMMITS[0]}", f"rev-{COMMITS[5]}"}


def test_processes_are_seen_by_what_they_have_open(tmp_path: Path) -> None:
    """As /proc shows those of other containers: by paths in their own tree."""
    for number, links in enumerate((
        {"cwd": f"/gitsync/x/rev-{COMMITS[0]}/deep"},
        {"cwd": "/", "fd/3": f"/gitsync/x/rev-{COMMITS[1]}/file (deleted)"},
        {"cwd": "/", "map_files/1-2": f"/gitsync/x/rev-{COMMITS[2]}/lib.so"},
        {"cwd": "/rev-abc"},
    )):  # fmt: skip
        for name, target in links.items():
            link = tmp_path / str(number) / name
            link.parent.mkdir(parents=True, exist_ok=True)
            link.symlink_to(target)
    (tmp_path / "self").mkdir()
    assert in_use(tmp_path) == {f"rev-{commit}" for commit in COMMITS[:3]}


async def test_what_an_interruption_leaves_is_removed(checkouts: Checkouts, tmp_path: Path) -> None:
    put(checkouts, COMMITS[0])
    (checkouts.begin(None) / "half").write_text("x")
    (tmp_path / "code/.code-0123").symlink_to("rev-nothing")
    (tmp_path / "code/.old-0123").mkdir()
    await checkouts.tidy()
    assert names(tmp_path) == {"code", f"rev-{COMMITS[0]}"}


async def test_a_link_in_a_checkout_is_not_followed(checkouts: Checkouts, tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "file").write_text("x")
    for commit in COMMITS:
        new = checkouts.begin(None)
        (new / "link").symlink_to(outside)
        checkouts.keep(new, commit)
        checkouts.show(commit)
    await checkouts.tidy(kept=0, grace=-1)
    assert names(tmp_path) == {"code", f"rev-{COMMITS[5]}"}
    assert (outside / "file").read_text() == "x"
