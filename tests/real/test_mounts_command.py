"""``phfs mounts`` and ``phfs unmount`` on real mounts: living, dead, hanging, in use."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from bench.link import Link
from tests.real.conftest import MountWith, new_place
from tests.support.minio import MinioServer
from tests.support.mounted import PHFS_MOUNT, Mounted, end_mounts, is_mounted

pytestmark = pytest.mark.real

MIB = 1024**2
PATIENCE = 120.0
UNSAVED = 3

PHFS = str(Path(sys.executable).parent / "phfs")


def phfs(*words: str | Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [PHFS, *words], capture_output=True, text=True, timeout=PATIENCE, check=False
    )


def shown(path: Path) -> dict[str, Any]:
    """What ``phfs mounts --json`` says of one mount: others may be there, of other tests."""
    done = phfs("mounts", "--json")
    assert (done.returncode, done.stderr) == (0, "")
    (found,) = [one for one in json.loads(done.stdout) if one["mount_point"] == str(path)]
    return dict(found)


def wait_until(true: Callable[[], object]) -> None:
    give_up = time.monotonic() + PATIENCE
    while not true():
        assert time.monotonic() < give_up
        time.sleep(0.02)


def gone(pid: int) -> bool:
    """Whether a process has ended, collected by its parent or not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except OSError:
        return True


@contextmanager
def in_background(beside: Mounted, directory: Path, *options: str) -> Iterator[Path]:
    """A supervised mount in the background, of the same group as ``beside``."""
    path = directory / "background"
    path.mkdir()
    words: list[str | Path] = [PHFS_MOUNT, beside.bucket, path, f"--group={beside.place.group}"]
    try:
        subprocess.run(
            [*words, f"--state-dir={directory / 'state'}", *options],
            env=beside.environ,
            check=True,
            timeout=PATIENCE,
        )
        yield path
    finally:
        end_mounts(path)


WRITER = """
import sys
with open(sys.argv[1], "wb", buffering=0) as file:
    file.write(bytes(int(sys.argv[2])))
    print("written", flush=True)
    sys.stdin.read()
"""


@contextmanager
def written(path: Path, size: int) -> Iterator[subprocess.Popen[str]]:
    """A program that has written a file and closes it at the end. A process of its own: a child
    that inherits the file from a test, as each command does, would close it, too."""
    with subprocess.Popen(
        [sys.executable, "-c", WRITER, path, str(size)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "written\n"
        yield process


# -- mounts --------------------------------------------------------------------------------------


def test_a_living_mount_is_told_with_its_processes_and_its_memory(mount_with: MountWith) -> None:
    mount = mount_with("--read-only", "--supervise")
    told = shown(mount.path)
    assert (told["state"], told["healthy"], told["advice"]) == ("healthy", True, "")
    assert told["source"] == f"s3://{mount.bucket}/{mount.prefix}"
    assert told["supervisor_pid"] == mount.process.pid
    assert told["processes"] == [mount.status()["pid"], mount.process.pid]
    assert told["read_only"] is True
    assert 20 * MIB < told["resident_bytes"] < 500 * MIB
    assert told["since"] == mount.status()["mounted_since"]
    done = phfs("mounts")
    assert done.returncode == 0
    (line,) = [line for line in done.stdout.splitlines() if str(mount.path) in line]
    assert " healthy " in line
    assert " read-only " in line


def test_files_that_are_written_are_told(mount_with: MountWith) -> None:
    mount = mount_with()
    with written(mount.path / "half", 3 * MIB):
        (told,) = shown(mount.path)["unsaved"]
        assert (told["path"], told["known_bytes"]) == ("/half", 3 * MIB)
        assert f"{mount.path}: not saved yet: /half: " in phfs("mounts").stdout
    assert shown(mount.path)["unsaved"] == []


def test_a_dead_one_is_told_and_taken_away(mount_with: MountWith) -> None:
    mount = mount_with()
    mount.process.kill()
    mount.process.wait()
    try:
        assert shown(mount.path)["state"] == "dead"
        said = phfs("mounts").stderr
        assert f"phfs mounts: {mount.path} is dead. " in said
        assert f"phfs unmount '{mount.path}'" in said
        done = phfs("unmount", mount.path)
        assert (done.returncode, done.stderr) == (0, "")
        assert "was dead and is taken away" in done.stdout
        assert not is_mounted(mount.path)
    finally:
        mount.stop(code=-signal.SIGKILL)


def test_one_that_hangs_holds_nobody_up_and_is_ended_by_force(mount_with: MountWith) -> None:
    mount, beside = mount_with(), mount_with()
    mount.process.send_signal(signal.SIGSTOP)
    told = shown(mount.path)
    assert told["state"] == "does not answer"
    assert str(mount.process.pid) in told["advice"]
    assert shown(beside.path)["state"] == "healthy"
    refused = phfs("unmount", mount.path)
    assert refused.returncode == 1
    assert "does not answer" in refused.stderr
    assert is_mounted(mount.path)
    done = phfs("unmount", "--lazy", mount.path)
    assert done.returncode == UNSAVED, done.stderr
    assert "ended by force" in done.stderr
    assert not is_mounted(mount.path)
    mount.process.wait(PATIENCE)
    mount.stop(code=-signal.SIGKILL)


# -- unmount -------------------------------------------------------------------------------------


def test_what_was_closed_is_in_the_bucket_and_no_process_is_left(
    mount_with: MountWith, tmp_path: Path
) -> None:
    beside = mount_with()
    with in_background(beside, tmp_path) as path:
        processes = shown(path)["processes"]
        assert len(processes) == 2
        data = os.urandom(20 * MIB)
        (path / "large").write_bytes(data)
        (path / "emptied").write_bytes(b"text")
        (path / "emptied").open("wb").close()
        done = phfs("unmount", path)
        assert (done.returncode, done.stderr) == (0, "")
        assert done.stdout.startswith(f"{path} is unmounted, and everything")
        assert not is_mounted(path)
        assert all(gone(pid) for pid in processes)
        assert beside.get("large") == data
        assert beside.get("emptied") == b""


def test_what_is_on_its_way_is_shown_and_awaited(mount_with: MountWith, minio: MinioServer) -> None:
    # Slow enough that a loaded machine has started the command before it is over.
    data = os.urandom(8 * MIB)
    with Link(minio.endpoint_url.partition("//")[2], bytes_per_second=1.5e6) as link:
        mount = mount_with(place=new_place(minio)._replace(endpoint_url=link.endpoint_url))
        writer = threading.Thread(target=(mount.path / "large").write_bytes, args=(data,))
        writer.start()
        wait_until(lambda: mount.status()["unsaved"])
        done = phfs("unmount", mount.path)
        writer.join(PATIENCE)
        assert done.returncode == 0, done.stderr
        assert done.stderr.startswith("phfs unmount: not saved yet: /large: ")
        mount.process.wait(PATIENCE)
        assert mount.get("large") == data
        mount.stop()


def test_who_never_closes_is_named_and_the_mount_stays(mount_with: MountWith) -> None:
    mount = mount_with()
    with written(mount.path / "half", 4) as writer:
        done = phfs("unmount", mount.path, "--wait", "0.5")
        assert done.returncode == 1
        last = done.stderr.splitlines()[-1]
        assert "stays mounted: after 0.5 seconds 1 file is not saved: /half." in last
        assert f"(process {writer.pid}) has it open: {mount.path}/half" in last
        assert "--lazy" in last
    assert mount.get("half") == bytes(4), "it was not disturbed"


def test_who_reads_or_works_in_it_is_named(mount_with: MountWith) -> None:
    mount = mount_with()
    mount.put("read", b"text")
    mount.put("d/x", b"text")
    with (
        (mount.path / "read").open("rb"),
        subprocess.Popen(["sleep", "600"], cwd=mount.path / "d") as sleeper,
    ):
        try:
            done = phfs("unmount", mount.path)
        finally:
            sleeper.kill()
    assert done.returncode == 1
    assert f"{mount.path} is in use." in done.stderr
    assert f"sleep (process {sleeper.pid}) works in it: {mount.path}/d" in done.stderr
    assert f"(process {os.getpid()}) has it open: {mount.path}/read" in done.stderr
    assert mount.process.poll() is None
    done = phfs("unmount", mount.path)
    assert done.returncode == 0, done.stderr
    mount.process.wait(PATIENCE)
    mount.stop()


@pytest.mark.parametrize("background", [True, False], ids=["its log is known", "it is not"])
def test_as_a_last_resort_it_ends_and_what_is_lost_is_named(
    mount_with: MountWith, tmp_path: Path, *, background: bool
) -> None:
    mount = mount_with("--drain-seconds=1")
    with in_background(mount, tmp_path, "--drain-seconds=1") as path:
        path = path if background else mount.path
        processes = shown(path)["processes"]
        (path / "closed").write_bytes(b"text")
        with written(path / "half", 4) as writer:
            done = phfs("unmount", "--lazy", path)
        assert writer.returncode != 0, "its close has failed"
        assert done.returncode == UNSAVED, done.stderr
        last = done.stderr.splitlines()[-1]
        assert last == f"phfs unmount: {path} is unmounted; 1 file was not saved: /half."
        assert not is_mounted(path)
        assert all(gone(pid) for pid in processes)
        assert mount.get("closed") == b"text"
        if not background:
            mount.process.wait(PATIENCE)
            mount.stop(code=UNSAVED)


def test_one_that_is_bound_elsewhere_ends_everywhere(mount_with: MountWith, tmp_path: Path) -> None:
    mount, elsewhere = mount_with(), tmp_path / "elsewhere"
    elsewhere.mkdir()
    subprocess.run(["mount", "--bind", mount.path, elsewhere], check=True)
    try:
        assert shown(mount.path)["also_at"] == [str(elsewhere)]
        done = phfs("unmount", mount.path)
        assert done.returncode == 0, done.stderr
        assert not is_mounted(elsewhere)
        assert mount.wait() == 0
    finally:
        if is_mounted(elsewhere):
            subprocess.run(["umount", "-l", elsewhere], check=True)


def test_what_is_no_mount_is_told_with_the_right_one(mount_with: MountWith, tmp_path: Path) -> None:
    mount = mount_with()
    mount.put("d/x", b"text")
    inside = phfs("unmount", mount.path / "d")
    assert inside.returncode == 1
    assert f"is inside the mount at {mount.path}" in inside.stderr
    nothing = phfs("unmount", tmp_path)
    assert nothing.returncode == 1
    assert nothing.stderr == (
        f"phfs: At {tmp_path} nothing of PHFS is mounted. phfs mounts shows what there is.\n"
    )
    link = tmp_path / "link"
    link.symlink_to(mount.path.parent)
    done = phfs("unmount", link / mount.path.name)
    assert done.returncode == 0, done.stderr
    assert mount.wait() == 0
