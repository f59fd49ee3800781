"""SIGTERM: nothing new is begun, what is closed is finished, what is not saved is named."""

from __future__ import annotations

import errno
import json
import os
import select
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.real.conftest import MountWith
from tests.support.minio import MinioServer
from tests.support.mounted import PHFS_MOUNT, Mounted, end_mounts, is_mounted

pytestmark = pytest.mark.real

MIB = 1024**2

PATIENCE = 60.0

SLACK = 30.0
"""Beyond the bound the product promises: a loaded machine's share."""

UNSAVED = 3

WATCHED = pytest.mark.parametrize("watch", ["--supervise", "--no-supervise"])


def end(mount: Mounted) -> None:
    mount.process.send_signal(signal.SIGTERM)
    mount.wait_for_log("SIGTERM: unmounting once what was begun is finished")


def ended(mount: Mounted, code: int) -> None:
    mount.process.wait(PATIENCE)
    assert mount.process.returncode == code, mount.log
    assert not is_mounted(mount.path)


@contextmanager
def frozen(minio: MinioServer) -> Iterator[None]:
    """The store takes connections and answers nothing."""
    minio.freeze()
    try:
        yield
    finally:
        minio.thaw()


def uploads(mount: Mounted, key: str) -> int:
    found = mount.s3.list_multipart_uploads(Bucket=mount.bucket, Prefix=mount.prefix + key)
    return len(found.get("Uploads", ()))


@WATCHED
def test_who_writes_may_finish_and_nothing_new_is_begun(mount_with: MountWith, watch: str) -> None:
    mount = mount_with(watch, "--metadata-ttl=0")
    mount.put("old", b"old")
    writer = (mount.path / "large").open("wb", buffering=0)
    writer.write(bytes(9 * MIB))
    end(mount)
    for attempt in (
        lambda: (mount.path / "new").write_bytes(b""),
        lambda: (mount.path / "old").write_bytes(b""),
        lambda: (mount.path / "directory").mkdir(),
        lambda: (mount.path / "old").rename(mount.path / "renamed"),
        lambda: (mount.path / "old").unlink(),
        lambda: os.truncate(mount.path / "old", 0),
    ):
        with pytest.raises(OSError) as caught:
            attempt()
        assert caught.value.errno == errno.EROFS
    assert "is being ended" in mount.errors()[0]["why"]
    assert (mount.path / "old").read_bytes() == b"old"
    writer.write(bytes(9 * MIB))
    assert mount.process.poll() is None, "it waits for the writer"
    writer.close()
    ended(mount, 0)
    assert mount.get("large") == bytes(18 * MIB)
    assert mount.keys() == ["large", "old"]


def test_a_close_under_way_is_finished(mount_with: MountWith) -> None:
    mount = mount_with("--metadata-ttl=0")
    data = os.urandom(40 * MIB)
    failures: list[OSError] = []

    def write() -> None:
        try:
            (mount.path / "large").write_bytes(data)
        except OSError as error:
            failures.append(error)

    writer = threading.Thread(target=write)
    writer.start()
    wait_until(lambda: mount.status()["uploads"]["begun"] == 1)
    end(mount)
    writer.join(PATIENCE)
    ended(mount, 0)
    assert failures == []
    assert mount.get("large") == data


def wait_until(true: Callable[[], bool]) -> None:
    give_up = time.monotonic() + PATIENCE
    while not true():
        assert time.monotonic() < give_up
        time.sleep(0.01)


@WATCHED
def test_what_nobody_closes_is_named_and_aborted(mount_with: MountWith, watch: str) -> None:
    mount = mount_with(watch, "--drain-seconds=1", "--metadata-ttl=0")
    mount.put("small", b"old")
    writers = [(mount.path / name).open("wb", buffering=0) for name in ("small", "large", "cut")]
    writers[0].write(b"new")
    writers[1].write(bytes(20 * MIB))
    begun = time.monotonic()
    end(mount)
    ended(mount, UNSAVED)
    assert 0.9 < time.monotonic() - begun < 1 + SLACK
    for writer in writers[:2]:
        with pytest.raises(OSError):
            writer.close()
    with pytest.raises(OSError):
        writers[2].close()
    lines = [line for line in mount.log.splitlines() if "was not saved" in line]
    assert [line.split(": ")[1].split()[0] for line in lines] == ["/large", "/small"]
    last = mount.log.strip().splitlines()[-1]
    assert last.startswith("phfs-mount: 2 files were not saved")
    assert "/large, /small" in last
    assert mount.get("small") == b"old"
    assert mount.get("cut") == b"", "what was only created is put"
    assert uploads(mount, "large") == 0
    assert list(mount.state_dir.glob("*.jsonl")) == []
    mount.stop(code=UNSAVED)


def test_a_file_that_was_only_emptied_is_saved(mount_with: MountWith) -> None:
    mount = mount_with("--metadata-ttl=0")
    mount.put("cut", b"old")
    with (mount.path / "cut").open("wb", buffering=0) as file:
        end(mount)
        ended(mount, 0)
        assert mount.get("cut") == b""
        descriptor = os.dup(file.fileno())
        with pytest.raises(OSError):
            os.close(descriptor)
        with pytest.raises(OSError):
            file.close()


def test_who_only_reads_is_not_waited_for(mount_with: MountWith) -> None:
    mount = mount_with("--drain-seconds=600")
    mount.put("a", b"text")
    file = os.open(mount.path / "a", os.O_RDONLY)
    end(mount)
    ended(mount, 0)
    with pytest.raises(OSError):
        os.close(file)


@WATCHED
def test_a_store_that_hangs_holds_up_nothing(
    mount_with: MountWith, minio: MinioServer, watch: str
) -> None:
    """A close and a stat wait for an answer; both get one in time, and so does the end."""
    mount = mount_with(watch, "--drain-seconds=1", "--retry-deadline=600", "--timeout=600")
    writer = (mount.path / "small").open("wb", buffering=0)
    writer.write(b"text")
    large = (mount.path / "large").open("wb", buffering=0)
    large.write(bytes(20 * MIB))
    answers: dict[str, int | None] = {}

    def ask(name: str, question: Callable[[], object]) -> None:
        try:
            question()
            answers[name] = None
        except OSError as error:
            answers[name] = error.errno

    with frozen(minio):
        asking = [
            threading.Thread(target=ask, args=("close", writer.close)),
            threading.Thread(target=ask, args=("stat", (mount.path / "unknown/name").stat)),
        ]
        for thread in asking:
            thread.start()
        begun = time.monotonic()
        end(mount)
        ended(mount, UNSAVED)
        assert time.monotonic() - begun < 1 + SLACK
        for thread in asking:
            thread.join(PATIENCE)
    gone = {errno.EIO, errno.ENOTCONN, errno.ECONNABORTED}
    assert answers.keys() == {"close", "stat"}
    assert set(answers.values()) <= gone
    with pytest.raises(OSError):
        large.close()
    assert "/large was not saved" in mount.log
    assert "/small was not saved" in mount.log
    assert "Traceback" not in mount.log
    mount.stop(code=UNSAVED)


def test_the_next_start_aborts_what_could_not_be(mount_with: MountWith, minio: MinioServer) -> None:
    mount = mount_with("--drain-seconds=0.5")
    large = (mount.path / "large").open("wb", buffering=0)
    large.write(bytes(20 * MIB))
    wait_until(lambda: uploads(mount, "large") == 1)
    minio.stop()
    try:
        end(mount)
        ended(mount, UNSAVED)
    finally:
        minio.start()
    with pytest.raises(OSError):
        large.close()
    mount.stop(code=UNSAVED)
    assert uploads(mount, "large") == 1
    again = mount_with(f"--state-dir={mount.state_dir}", place=mount.place)
    wait_until(lambda: uploads(again, "large") == 0)


def test_a_process_that_does_nothing_any_more_is_ended(mount_with: MountWith) -> None:
    """Stopped, it cannot even see the signal: the supervisor's bound holds all the same."""
    mount = mount_with("--supervise", "--drain-seconds=0.5")
    os.kill(int(mount.status()["pid"]), signal.SIGSTOP)
    mount.process.send_signal(signal.SIGTERM)
    ended(mount, UNSAVED)
    assert "did not end in time" in mount.log
    mount.stop(code=UNSAVED)


HANGS = """
import sys, time
from phfs.cli.mount import main
from phfs.vfs.ending import Ending

async def hang(self):
    time.sleep(300)

Ending.settle = hang
sys.exit(main(sys.argv[1:]))
"""


def test_an_end_that_is_forced_names_what_is_lost(mount_with: MountWith, tmp_path: Path) -> None:
    """Its loop runs no more, but a thread does."""
    beside, path = mount_with(), tmp_path / "hangs"
    path.mkdir()
    words: list[str | Path] = [beside.bucket, path, f"--group={beside.place.group}"]
    with subprocess.Popen(
        [
            *(sys.executable, "-c", HANGS, *words, f"--state-dir={tmp_path / 'state'}"),
            *("--foreground", "--no-supervise", "--drain-seconds=0.5"),
        ],
        env=beside.environ,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        try:
            wait_until(lambda: is_mounted(path) or process.poll() is not None)
            writer = (path / "lost").open("wb", buffering=0)
            writer.write(b"text")
            process.send_signal(signal.SIGTERM)
            _, said = process.communicate(timeout=PATIENCE)
        finally:
            process.kill()
            end_mounts(path)
    with pytest.raises(OSError):
        writer.close()
    assert process.returncode == UNSAVED, said
    assert "/lost was not saved: the mount was ended before it was closed" in said


def test_in_the_background_the_log_names_them(mount_with: MountWith, tmp_path: Path) -> None:
    beside = mount_with()
    path, state = tmp_path / "background", tmp_path / "state"
    path.mkdir()
    words: list[str | Path] = [PHFS_MOUNT, beside.bucket, path, f"--group={beside.place.group}"]
    subprocess.run(
        [*words, f"--state-dir={state}", "--drain-seconds=0.5"],
        env=beside.environ,
        check=True,
        timeout=PATIENCE,
    )
    try:
        supervisor = json.loads((path / ".phfs/status.json").read_text())["supervisor_pid"]
        file = (path / "half").open("wb", buffering=0)
        file.write(b"half")
        handle = os.pidfd_open(supervisor)
        os.kill(supervisor, signal.SIGTERM)
        assert select.select([handle], [], [], PATIENCE)[0]
        os.close(handle)
        with pytest.raises(OSError):
            file.close()
        assert not is_mounted(path)
    finally:
        end_mounts(path)
    (log,) = state.glob("*.log")
    assert "/half was not saved" in log.read_text()
