"""The process of a mount is killed at any moment of a load of writes: nothing promised is lost."""

from __future__ import annotations

import json
import os
import random
import signal
import statistics
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import NamedTuple

import pytest

from tests.real.conftest import MountWith
from tests.support.crash_load import Attempt, allowed, histories
from tests.support.effort import Effort
from tests.support.minio import MinioServer
from tests.support.mounted import Mounted

pytestmark = pytest.mark.real

ROOT = Path(__file__).parents[2]

PHFS = str(Path(sys.executable).parent / "phfs")

ALL = ("--all", "--older-than=0")

WRITERS = 4

PATIENCE = 60.0

_UNWAITED = """
import sys
from phfs.cli import mount, supervisor
supervisor.LONGEST_WAIT = 0.0
sys.exit(mount.main())
"""
UNWAITED = (sys.executable, "-c", _UNWAITED)
"""``phfs-mount`` whose supervisor does not mind how often the process dies."""


def child_of(supervisor: int) -> int | None:
    """The process of the mount, also while it starts."""
    children = Path(f"/proc/{supervisor}/task/{supervisor}/children").read_text().split()
    return int(children[0]) if children else None


def wait_until_served(mount: Mounted, *, but_not_by: int | None = None) -> int:
    """The process that serves the mount, once it is another than ``but_not_by``."""
    give_up = time.monotonic() + PATIENCE
    while time.monotonic() < give_up:
        try:
            pid = int(mount.status()["pid"])
        except (OSError, json.JSONDecodeError):
            pid = None
        if pid is not None and pid != but_not_by:
            return pid
        time.sleep(0.005)
    raise AssertionError(f"the mount did not come back:\n{mount.log[-4000:]}")


@contextmanager
def writers(mount: Mounted, notes: Path, seed: int) -> Iterator[None]:
    """Programs that write meanwhile; each has ended, without an error of its own, afterwards."""
    directory = mount.path / "load"
    directory.mkdir()
    with ExitStack() as running:
        programs = []
        for number in range(WRITERS):
            name = f"w{number}"
            words: list[str | Path] = [directory, name, f"{seed} {name}", notes / name]
            program = subprocess.Popen(
                [sys.executable, "-m", "tests.support.crash_load", *words],
                cwd=ROOT,
                stdin=subprocess.PIPE,
            )
            running.callback(program.wait)
            running.callback(program.kill)
            programs.append(program)
        yield
        for program in programs:
            assert program.stdin is not None
            program.stdin.close()
        for program in programs:
            assert program.wait(2 * PATIENCE) == 0


def kill_again_and_again(mount: Mounted, times: int, seed: int) -> list[float]:
    """Kill the process ``times``; for how many seconds nothing was served each time."""
    chance = random.Random(seed)
    absences = []
    for _ in range(times):
        time.sleep(chance.uniform(0.02, 1.2))  # the moment is what is tried
        pid = child_of(mount.process.pid)
        if pid is None:
            continue
        os.kill(pid, signal.SIGKILL)
        if chance.random() < 0.15:
            continue  # the next one dies while it starts
        killed = time.monotonic()
        wait_until_served(mount, but_not_by=pid)
        absences.append(time.monotonic() - killed)
    return absences


def judge(mount: Mounted, history: dict[str, list[Attempt]]) -> Counter[str]:
    """How many files are as they were promised, and in how many ways they are not."""
    found: Counter[str] = Counter()
    there = set(mount.keys("load/"))
    for name, attempts in history.items():
        key = f"load/{name}"
        data = mount.get(key) if key in there else None
        promised = any(attempt.kept for attempt in attempts)
        found["promised"] += promised
        found["closes"] += sum(attempt.kept for attempt in attempts)
        if data not in allowed(name, attempts):
            found["lost" if promised else "half"] += 1
            found[f"wrong: {name} {len(data or b'')} {attempts[-3:]}"] += 1
        there.discard(key)
    found["unknown"] = len(there - {"load/"})
    return found


class Survived(NamedTuple):
    """What is found after a load whose mount was killed. ``history``: what the programs noted, by
    file; ``found``: as ``judge`` has it; ``absences``: seconds without service, one for each death.
    """

    history: dict[str, list[Attempt]]
    found: Counter[str]
    absences: list[float]
    seconds: float
    seed: int
    noted: list[Path]
    """Journals of uploads that are left."""

    def figures(self) -> dict[str, float]:
        """For ``Effort.record``."""
        return {
            "seconds": round(self.seconds),
            "files": len(self.history),
            "closes_and_syncs_that_returned_0": self.found["closes"],
            "lost": self.found["lost"],
            "half": self.found["half"],
            "seconds_until_served_median": round(statistics.median(self.absences), 2),
            "seconds_until_served_most": round(max(self.absences), 2),
        }

    def check(self) -> None:
        """Raise ``AssertionError`` unless everything is as it was promised."""
        found = self.found
        wrong = [name for name in found if name.startswith("wrong")]
        broken = (found["lost"], found["half"], found["unknown"])
        assert broken == (0, 0, 0), (self.seed, wrong)
        assert found["promised"] > 0
        assert self.noted == [], "every upload that was noted was ended"


def survive(mount: Mounted, notes: Path, *, seed: int, kills: int) -> Survived:
    """Kill the process of a mount ``kills`` times under a load, end the mount, and look."""
    begun = time.monotonic()
    with writers(mount, notes, seed):
        absences = kill_again_and_again(mount, kills, seed)
        wait_until_served(mount)
    assert mount.status()["crashes"] >= kills // 2, "it was not killed"
    assert "was killed by signal 9 (SIGKILL)" in mount.errors()[-1]["why"]
    mount.stop()
    history: dict[str, list[Attempt]] = {}
    for number in range(WRITERS):
        history |= histories(notes / f"w{number}")
    found, noted = judge(mount, history), list(mount.state_dir.glob("*.jsonl"))
    return Survived(history, found, absences, time.monotonic() - begun, seed, noted)


def administrator(minio: MinioServer) -> dict[str, str]:
    """Keys that may list uploads."""
    return {
        "PHFS_ACCESS_KEY_ID": minio.access_key,
        "PHFS_SECRET_ACCESS_KEY": minio.secret_key,
    }


def uploads_left(mount: Mounted, history: dict[str, list[Attempt]]) -> list[tuple[str, str]]:
    """Names and ids of uploads nobody has ended, asked for by exact key."""
    left = []
    for name in history:
        if "large" in name:
            answer = mount.s3.list_multipart_uploads(
                Bucket=mount.bucket, Prefix=f"{mount.prefix}load/{name}"
            )
            left += [(name, upload["UploadId"]) for upload in answer.get("Uploads", ())]
    return left


@pytest.mark.torture
def test_what_was_promised_is_there(
    mount_with: MountWith, minio: MinioServer, tmp_path: Path, effort: Effort
) -> None:
    seed = effort.of(quick=1, long=int(time.time()))
    kills = effort.of(quick=10, long=1000)
    mount = mount_with("--supervise", "--metadata-ttl=0", program=UNWAITED)
    survived = survive(mount, tmp_path, seed=seed, kills=kills)
    left = uploads_left(mount, survived.history)
    effort.record(
        "process of the mount killed",
        kills=kills,
        **survived.figures(),
        uploads_left_for_phfs_uploads=len(left),
    )
    survived.check()
    # Whose beginning the store had answered to nobody any more: these no journal can have. MinIO
    # tells some of them for their exact key only, and removes those by itself after a day.
    command = [PHFS, "uploads", "abort", mount.bucket, f"--group={mount.place.group}", *ALL]
    done = subprocess.run(
        [*command, "--json"],
        env=mount.environ | administrator(minio),
        capture_output=True,
        text=True,
        check=True,
        timeout=PATIENCE,
    )
    ended = {one["upload"] for one in json.loads(done.stdout)}
    assert {upload for _, upload in left} - ended == {
        upload for _, upload in uploads_left(mount, survived.history)
    }
    assert len(left) < kills // 2
