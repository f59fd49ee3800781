"""The running sidecar on the kernel, with a real MinIO and a real git server: up, broken, down."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator, Sequence
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from mypy_boto3_s3 import S3Client

from phfs.system import mounts
from tests.sidecar.documents import dataset, group, raw
from tests.support.effort import Effort
from tests.support.git_server import Origin, git_daemon
from tests.support.minio import Keys, MinioServer, reserved_port
from tests.support.processes import poll_until
from tests.support.sidecar import SECONDS, Pod, pod

pytestmark = pytest.mark.real

ROLES = ("ds:rw:scratch", "ds:papers", "ds:code", "ds:tokens", "ds:gone", "ds:lost")


@pytest.fixture
def made() -> Iterator[Pod]:
    with pod() as found:
        yield found


class Group(NamedTuple):
    """A group's place in a bucket of its own; ``keys`` reach it alone."""

    endpoint_url: str
    bucket: str
    keys: Keys


@pytest.fixture
def place(minio: MinioServer) -> Group:
    bucket = minio.new_bucket()
    return Group(minio.endpoint_url, bucket, minio.group_keys(bucket, "research"))


def document(place: Group, data: Sequence[dict[str, Any]] = (), **what: Any) -> dict[str, Any]:
    store = {
        "bucket": place.bucket,
        "endpointUrl": place.endpoint_url,
        "secret": "keys",
        "options": {"metadata-ttl": 0},
    }
    research = group("research", *ROLES, shared=False)
    return raw("notebook", groups=[research], data=data, store=store, homeClaim="home", **what)


def hand_over_keys(made: Pod, keys: Keys) -> Path:
    return made.hand_over(
        "store",
        "keys",
        {"access-key-id": f"{keys.access_key}\n", "secret-access-key": keys.secret_key},
    )


def hand_over_claims(made: Pod) -> tuple[Path, Path]:
    return made.hand_over("home", "user"), made.hand_over("group", "research")


def seen_as_user(words: str, directory: Path) -> subprocess.CompletedProcess[str]:
    """A command line as the user of PrimeHub's images, in a directory."""
    return subprocess.run(
        ["setpriv", "--reuid=1000", "--regid=100", "--clear-groups", "sh", "-c", words],
        cwd=directory, capture_output=True, text=True, timeout=SECONDS, check=False,
    )  # fmt: skip


def bound_by_main(made: Pod, piece: str) -> Path:
    """What a container sees that is started now and gets a piece by subPath, HostToContainer."""
    target = made.directory / "main" / piece
    target.mkdir(parents=True)
    subprocess.run(["mount", "--bind", made.root / piece, target], check=True)
    subprocess.run(["mount", "--make-slave", target], check=True)
    return target


def server_of(path: Path) -> int:
    status = json.loads((path / ".phfs/status.json").read_text())
    return int(status["pid"])


def supervisor_of(path: Path) -> int:
    status = json.loads((path / ".phfs/status.json").read_text())
    return int(status["supervisor_pid"])


def is_served_by_another(path: Path, before: int) -> bool:
    try:
        return server_of(path) != before
    except OSError:
        return False


def test_everything_comes_up_and_goes_down(
    made: Pod, place: Group, s3: S3Client, tmp_path: Path
) -> None:
    origin = Origin(tmp_path / "origin")
    commit = origin.commit({"train.py": "print(1)\n"})
    hand_over_keys(made, place.keys)
    home, project = hand_over_claims(made)
    scratch = made.hand_over("pv", "scratch")
    made.hand_over("hostPath", "papers", {"one.txt": "a paper"})
    nobody = reserved_port()
    with git_daemon(tmp_path) as url:
        data = [
            dataset("scratch", "pv", {"homeSymlink": "true"}),
            dataset("papers", "hostPath"),
            dataset("code", "git", url=f"{url}/origin#main"),
            dataset("tokens", "env", variables={"HUB": "it's a secret", "a-b": "x"}),
            dataset("gone", "nfs", nfs={"server": "127.0.0.1", "path": "/gone"}),
            dataset("lost", "git", url=f"git://127.0.0.1:{nobody.getsockname()[1]}/lost"),
        ]
        made.start(document(place, data))
        made.wait_until_ready()
    nobody.close()
    root, states = made.root, made.states()

    # What is broken says so, and the others are there.
    beings = {id_: one["being"] for id_, one in states.items()}
    failed = {"datasets/gone", "datasets/lost"}
    assert {id_ for id_, being in beings.items() if being == "failed"} == failed
    assert set(beings.values()) == {"in place", "failed"}
    assert "NFS" in states["datasets/gone"]["why"] + states["datasets/gone"]["advice"]
    assert states["datasets/code"]["revision"] == commit
    assert not os.path.lexists(root / "datasets/lost")
    shown = (root / "phfs/.phfs/VOLUMES.txt").read_text()
    assert shown == (root / "run/VOLUMES.txt").read_text()
    assert "cannot be mounted" in shown
    assert shown == made.command("status").stdout

    # The group's objects, written by the user.
    written = seen_as_user(
        "echo hello > phfs/a.txt && chown -R 1000:100 phfs && cat phfs/a.txt", root
    )
    assert written.stdout == "hello\n", written.stderr
    stored = s3.get_object(Bucket=place.bucket, Key="groups/research/a.txt")
    assert stored["Body"].read() == b"hello\n"

    # The volumes that are handed over: writable, or not at all.
    assert seen_as_user("echo 1 > datasets/scratch/x && echo 2 > home/y", root).returncode == 0
    assert seen_as_user("echo 3 > project/research/z", root).returncode == 0
    assert (scratch / "x").read_text() == "1\n"
    assert (home / "y").read_text() == "2\n"
    assert (project / "z").read_text() == "3\n"
    assert (root / "datasets/papers/one.txt").read_text() == "a paper"
    with pytest.raises(OSError, match="Read-only file system"):
        (root / "datasets/papers/one.txt").write_text("changed")

    # Links for the user, as the main container sees them.
    links = {name: os.readlink(home / name) for name in ("phfs", "datasets", "research", "scratch")}
    assert links == {
        "phfs": "/phfs",
        "datasets": "/datasets",
        "research": "/project/research",
        "scratch": "/datasets/scratch",
    }
    assert (home / "phfs").lstat().st_uid == 1000
    assert os.readlink(root / "datasets/code") == "/gitsync/code/code"
    assert (root / "gitsync/code/code/train.py").read_text() == "print(1)\n"

    # Variables: for the user alone.
    assert [(root / "run" / name).stat().st_mode & 0o777 for name in ("env.sh", "env.json")] == [
        0o400,
        0o400,
    ]
    told = seen_as_user(
        'GROUP_NAME=own; set -eu; . run/env.sh; echo "$TOKENS_HUB|$GROUP_NAME"', root
    )
    assert told.stdout == "it's a secret|own\n", told.stderr
    assert json.loads((root / "run/env.json").read_text())["TOKENS_A-B"] == "x"
    assert "it's a secret" not in made.log

    # Health.
    assert made.get("/healthz") == (200, "ok\n")
    assert made.get("/readyz") == (200, "ok\n")
    # On a busy machine the mount may not answer in time once.
    made.wait(lambda: "phfs_mount_up 1.0" in made.get("/metrics")[1], "the mount is not asked")
    metrics = made.get("/metrics")[1]
    assert 'phfs_volumes{state="failed"} 2.0' in metrics
    assert 'phfs_volume_in_place{kind="pv",volume="datasets/scratch"} 1.0' in metrics
    created = 'phfs_operation_seconds_count{operation="create"} 1.0'
    made.wait(lambda: created in made.get("/metrics")[1], "the mount's figures are not there")
    assert made.get("/other")[0] == 404

    # Nobody but the mount's process has the keys, which are in no command line.
    keys = made.private / "keys/phfs/credentials"
    assert (keys.stat().st_mode & 0o777, keys.stat().st_uid) == (0o400, 65533)
    assert os.stat(f"/proc/{server_of(root / 'phfs')}").st_uid in (0, 65533)
    assert place.keys.secret_key not in made.log

    assert made.told_to_end() == 0, made.log
    assert made.mounted() == []
    assert not keys.exists()
    assert made.command("ready").returncode == 1


def test_wrong_keys_cost_the_objects_only_and_are_followed(made: Pod, place: Group) -> None:
    secret = hand_over_keys(made, Keys("nobody", "x" * 32))
    hand_over_claims(made)
    made.start(document(place))
    made.wait_until_ready()
    states = made.states()
    assert states["phfs"]["being"] == "failed"
    assert "refuses the keys" in states["phfs"]["why"]
    assert {states[id_]["being"] for id_ in ("home", "project/research")} == {"in place"}
    made.wait((made.root / "phfs/VOLUMES.txt").exists, "nothing tells why")
    assert "refuses the keys" in (made.root / "phfs/VOLUMES.txt").read_text()
    made.wait(lambda: made.log.count("refuses the keys") > 1, "it is not tried again")
    made.wait(lambda: "phfs" not in made.mounted(), "it leaves mounts that nobody has served")
    bound = bound_by_main(made, "phfs")
    (secret / "secret-access-key").write_text(place.keys.secret_key)
    (secret / "access-key-id").write_text(place.keys.access_key)
    made.wait_for("phfs", "in place")
    assert os.listdir(bound) == []
    assert (bound / ".phfs/VOLUMES.txt").exists()
    assert made.told_to_end() == 0, made.log
    assert made.mounted() == []


def test_a_crash_of_the_server_and_of_its_supervisor_heals(made: Pod, place: Group) -> None:
    hand_over_keys(made, place.keys)
    hand_over_claims(made)
    made.start(document(place), "--drain-seconds", "2")
    made.wait_for("phfs", "in place")
    bound = bound_by_main(made, "phfs")
    for number, victim in enumerate((server_of, supervisor_of, server_of)):
        (bound / f"{number}.txt").write_text("kept")
        before = server_of(bound)
        os.kill(victim(bound), signal.SIGKILL)
        made.wait(partial(is_served_by_another, bound, before), "it does not heal")
        assert (bound / f"{number}.txt").read_text() == "kept"
    assert server_of(made.root / "phfs") == server_of(bound)
    made.wait_for("phfs", "in place")
    assert made.told_to_end() == 0, made.log
    assert made.mounted() == []


@pytest.mark.torture
def test_crash_after_crash(made: Pod, place: Group, effort: Effort) -> None:
    """A container that was started before all of them sees what is served after each."""
    hand_over_keys(made, place.keys)
    hand_over_claims(made)
    made.start(document(place))
    made.wait_for("phfs", "in place")
    bound, crashes, slowest = bound_by_main(made, "phfs"), effort.of(quick=4, long=20), 0.0
    for number in range(crashes):
        before = server_of(bound)
        began = time.monotonic()
        os.kill(before, signal.SIGKILL)
        made.wait(partial(is_served_by_another, bound, before), "it does not heal")
        slowest = max(slowest, time.monotonic() - began)
        (bound / f"{number}.txt").write_text("kept")
    assert sorted(os.listdir(bound)) == sorted(f"{number}.txt" for number in range(crashes))
    # One may be killed before its supervisor knows that it served; that mount is taken away.
    assert 2 <= len(mounts.mounts_at(made.root / "phfs")) <= crashes + 1
    assert made.told_to_end() == 0, made.log
    assert made.mounted() == []
    effort.record("crashes in a pod", crashes=crashes, slowest_heal_seconds=round(slowest, 2))


def test_a_killed_sidecar_is_followed_by_another(made: Pod, place: Group) -> None:
    hand_over_keys(made, place.keys)
    home, _ = hand_over_claims(made)
    (home / "mine").write_text("1")
    stale = made.hand_over("pv", "scratch")
    made.start(document(place, [dataset("scratch", "pv")]), "--drain-seconds", "2")
    made.wait_for("phfs", "in place")
    made.wait_for("datasets/scratch", "in place")
    bound, bound_home = bound_by_main(made, "phfs"), bound_by_main(made, "home")
    before = server_of(bound)
    made.killed()
    assert made.command("ready").returncode == 1
    assert "No sidecar is running" in made.command("status").stderr
    assert "home" in made.mounted()

    # The next one has another document: what it has not got any more goes away.
    made.start(document(place), "--drain-seconds", "2")
    made.wait(lambda: is_served_by_another(bound, before), "it does not heal")
    made.wait_until_ready()
    assert made.states()["phfs"]["being"] == "in place"
    assert "datasets/scratch" not in made.mounted()
    assert stale.exists()
    assert made.mounted().count("home") == 1
    assert (bound_home / "mine").read_text() == "1"
    (bound_home / "more").write_text("2")
    assert (made.root / "home/more").read_text() == "2"
    assert made.told_to_end() == 0, made.log
    assert made.mounted() == []


def test_what_is_closed_during_the_drain_is_saved(made: Pod, place: Group, s3: S3Client) -> None:
    hand_over_keys(made, place.keys)
    hand_over_claims(made)
    made.start(document(place), "--drain-seconds", "50")
    made.wait_for("phfs", "in place")
    assert made.process is not None
    with (made.root / "phfs/late.bin").open("wb", buffering=0) as file:
        file.write(b"x" * 100_000)
        made.process.send_signal(signal.SIGTERM)
        made.wait(lambda: "SIGTERM: unmounting" in made.log, "it does not drain")
        assert made.get("/readyz") == (503, "The sidecar is ending.\n")
        file.write(b"y")
    assert made.process.wait(SECONDS) == 0, made.log
    stored = s3.get_object(Bucket=place.bucket, Key="groups/research/late.bin")
    assert stored["ContentLength"] == 100_001
    assert made.mounted() == []


def test_what_was_not_saved_is_named(made: Pod, place: Group) -> None:
    hand_over_keys(made, place.keys)
    hand_over_claims(made)
    made.start(document(place), "--drain-seconds", "1")
    made.wait_for("phfs", "in place")
    file = os.open(made.root / "phfs/open.bin", os.O_WRONLY | os.O_CREAT)
    os.write(file, b"never closed")
    assert made.told_to_end() == 3, made.log
    with pytest.raises(OSError, match="not connected"):
        os.close(file)
    assert "/open.bin" in made.log
    assert made.mounted() == []


def test_links_come_with_a_home_that_comes_later(made: Pod, place: Group) -> None:
    hand_over_keys(made, place.keys)
    made.hand_over("group", "research")
    made.start(document(place))
    made.wait_until_ready()
    states = made.states()
    assert states["home"]["being"] == "failed"
    assert "/pod/home/user" in states["home"]["why"]
    assert states["phfs"]["being"] == "in place"
    assert any("home is not in place" in note for note in states["phfs"]["notes"])
    assert os.listdir(made.root / "home") == []
    assert made.process is not None
    later = Path(f"/proc/{made.process.pid}/root/pod/home/user")
    later.mkdir(parents=True)
    os.chown(later, 1000, 100)
    made.wait_for("home", "in place")
    made.wait(lambda: (made.root / "home/phfs").is_symlink(), "there is no link")
    made.wait(
        lambda: not any("home is not" in note for note in made.states()["phfs"]["notes"]),
        "it still says that there is no link",
    )
    assert made.told_to_end() == 0, made.log


def test_what_hangs_is_bounded_and_keeps_nobody_waiting(made: Pod, place: Group) -> None:
    hand_over_keys(made, place.keys)
    hand_over_claims(made)
    slow = made.hand_over("pv", "scratch")
    # A file system whose server takes every question and answers none.
    device = mounts.attach(slow, "silent", read_only=False, allow_other=True)
    try:
        made.start(document(place, [dataset("scratch", "pv")]), "--step-seconds", "5")
        made.wait_for("phfs", "in place")
        failed = made.wait_for("datasets/scratch", "failed")
        assert "5 seconds" in failed["why"]
        made.wait_until_ready()
        beings = {one["being"] for one in made.states().values() if one["kind"] != "pv"}
        assert beings == {"in place"}
        assert made.told_to_end() == 0, made.log
        assert made.mounted() == []
    finally:
        os.close(device)


def test_a_home_that_hangs_delays_neither_the_objects_nor_the_end(made: Pod, place: Group) -> None:
    hand_over_keys(made, place.keys)
    home, _ = hand_over_claims(made)
    device = mounts.attach(home, "silent", read_only=False, allow_other=True)
    try:
        made.start(document(place), "--step-seconds", "600")
        made.wait(lambda: (made.root / "phfs/.phfs/status").exists(), "it is not mounted")
        assert made.states()["home"]["being"] == "waiting"
        assert made.command("ready").stderr.count("home") == 1
        assert made.told_to_end() == 0, made.log
        assert made.mounted() == []
    finally:
        os.close(device)


def test_safe_mode_has_the_users_volume_in_an_empty_home(made: Pod, place: Group) -> None:
    hand_over_keys(made, place.keys)
    home, _ = hand_over_claims(made)
    made.start(document(place, safeMode=True))
    made.wait_until_ready()
    assert {one["being"] for one in made.states().values()} == {"in place"}
    assert seen_as_user("echo 1 > user/kept && echo 2 > lost", made.root / "home").returncode == 0
    assert os.listdir(home) == ["kept"]
    assert set(os.listdir(made.root / "home")) == {"datasets", "lost", "phfs", "research", "user"}
    variables = json.loads((made.root / "run/env.json").read_text())
    assert "/home/jovyan/user" in variables["CHOWN_EXTRA"].split(",")
    assert made.told_to_end() == 0, made.log
    assert made.mounted() == []


def test_files_that_came_before_their_volume_are_not_hidden(made: Pod, place: Group) -> None:
    hand_over_keys(made, place.keys)
    hand_over_claims(made)
    scratch = made.hand_over("pv", "scratch", {"there.txt": "1"})
    early = made.root / "datasets/scratch/early.txt"
    early.parent.mkdir(parents=True)
    early.write_text("mine")
    made.start(document(place, [dataset("scratch", "pv")]))
    failed = made.wait_for("datasets/scratch", "failed")
    assert "files that were written while it was not there" in failed["why"]
    made.wait_until_ready()
    shown = (made.root / "run/VOLUMES.txt").read_text()
    assert "/datasets/scratch" in shown
    assert "Move them away" in shown
    shutil.move(early, made.root / "home/early.txt")
    made.wait_for("datasets/scratch", "in place")
    assert os.listdir(early.parent) == os.listdir(scratch) == ["there.txt"]
    assert made.told_to_end() == 0, made.log


def test_what_is_mounted_below_a_directory_of_the_node_is_named(made: Pod, place: Group) -> None:
    hand_over_keys(made, place.keys)
    hand_over_claims(made)
    made.start(document(place, [dataset("papers", "hostPath")]))
    made.wait_for("datasets/papers", "failed")
    assert made.process is not None
    words = (
        "mkdir -p /pod/hostPath/new/disk && mount -t tmpfs none /pod/hostPath/new/disk && "
        "mv /pod/hostPath/new /pod/hostPath/papers"
    )
    enter = ["nsenter", "--mount", "--target", str(made.process.pid)]
    subprocess.run([*enter, "sh", "-c", words], check=True, timeout=SECONDS)
    made.wait_for("datasets/papers", "in place")
    made.wait(
        lambda: (
            "mounted below it is not shown: disk." in (made.root / "run/VOLUMES.txt").read_text()
        ),
        "nobody says so",
    )
    assert made.told_to_end() == 0, made.log


def health_process(made: Pod) -> list[int]:
    assert made.process is not None
    pid = made.process.pid
    found = []
    for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split():
        with suppress(OSError):
            if Path(f"/proc/{child}/comm").read_text() == "phfs-health\n":
                found.append(int(child))
    return found


def test_the_health_port_comes_back(made: Pod, place: Group) -> None:
    hand_over_keys(made, place.keys)
    hand_over_claims(made)
    made.start(document(place))
    made.wait_until_ready()
    made.wait(lambda: len(health_process(made)) == 1, "nobody answers")
    (before,) = health_process(made)
    os.kill(before, signal.SIGKILL)
    made.wait(lambda: "it is started again" in made.log, "nobody notices")
    assert made.get("/healthz") == (200, "ok\n")
    assert made.told_to_end() == 0, made.log


def test_it_ends_when_a_file_says_so(made: Pod, place: Group) -> None:
    hand_over_keys(made, place.keys)
    hand_over_claims(made)
    done = made.directory / "done"
    made.start(document(place), "--until", str(done))
    made.wait_until_ready()
    second = made.command("run", str(made.directory / "document.yaml"), "--root", str(made.root))
    assert second.returncode == 1
    assert "Another sidecar is running" in second.stderr
    assert made.states()["phfs"]["being"] == "in place"
    done.touch()
    assert made.process is not None
    assert made.process.wait(SECONDS) == 0, made.log
    assert made.mounted() == []


def test_a_wrong_document_is_refused_before_anything_is_done(made: Pod) -> None:
    made.start({"apiVersion": "phfs/v1"})
    assert made.process is not None
    assert made.process.wait(SECONDS) == 2
    assert any("who: is missing" in json.loads(line)["message"] for line in made.log.splitlines())
    assert made.mounted() == []
    assert os.listdir(made.root) == []
    poll_until(lambda: not made.private.exists(), 1, lambda: "it left something")
