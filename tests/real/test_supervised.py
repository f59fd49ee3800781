"""The process of a mount dies: it is served again at once, and says why it was away."""

from __future__ import annotations

import errno
import json
import os
import select
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.real.conftest import MountWith, new_place
from tests.support.effort import Effort
from tests.support.minio import MinioServer
from tests.support.mounted import PHFS_MOUNT, Mounted, end_mounts, is_mounted

pytestmark = pytest.mark.real

PATIENCE = 60.0
"""Seconds for what takes less than two on a machine with nothing else to do."""


def served_again(mount: Mounted, before: int) -> int:
    """Wait until another process than ``before`` serves the mount."""
    give_up = time.monotonic() + PATIENCE
    while time.monotonic() < give_up:
        try:
            pid = int(mount.status()["pid"])
        except (OSError, json.JSONDecodeError):
            pid = before
        if pid != before:
            return pid
        time.sleep(0.01)
    raise AssertionError(f"it is not served again:\n{mount.log}")


def kill(mount: Mounted, number: signal.Signals = signal.SIGKILL) -> int:
    """Kill the process of the mount; the one that serves it afterwards."""
    pid = int(mount.status()["pid"])
    os.kill(pid, number)
    return served_again(mount, pid)


@contextmanager
def stopped(minio: MinioServer) -> Iterator[None]:
    minio.stop()
    try:
        yield
    finally:
        minio.start()


def resident_mib(pid: int) -> float:
    status = Path(f"/proc/{pid}/status").read_text()
    return int(status.split("VmRSS:")[1].split()[0]) / 1024


@pytest.mark.torture
def test_it_is_served_again_and_says_why(mount_with: MountWith, effort: Effort) -> None:
    mount = mount_with("--supervise", "--metadata-ttl=0")
    (mount.path / "kept").write_bytes(b"text")
    assert mount.status()["supervisor_pid"] == mount.process.pid
    assert mount.status()["crashes"] == 0
    pid = int(mount.status()["pid"])
    begun = time.monotonic()
    os.kill(pid, signal.SIGKILL)
    served_again(mount, pid)
    seconds = time.monotonic() - begun
    assert (mount.path / "kept").read_bytes() == b"text"
    (mount.path / "new").write_bytes(b"new")
    assert mount.get("new") == b"new"
    newest = mount.errors()[0]
    assert newest["why"].startswith("The mount's process was killed by signal 9 (SIGKILL) at 2")
    assert "memory" in newest["advice"]
    assert newest["operation"] == "mount"
    assert mount.status()["crashes"] == 1
    assert "was killed by signal 9 (SIGKILL); it is started again at once" in mount.log
    effort.record(
        "mount served again after SIGKILL",
        seconds=round(seconds, 2),
        supervisor_resident_mib=round(resident_mib(mount.process.pid), 1),
    )
    assert resident_mib(mount.process.pid) < 40


def test_handles_of_before_get_an_error(mount_with: MountWith) -> None:
    mount = mount_with("--supervise", "--metadata-ttl=0")
    mount.put("read", b"text")
    reader = (mount.path / "read").open("rb", buffering=0)
    writer = (mount.path / "written").open("wb", buffering=0)
    writer.write(b"half")
    kill(mount)
    assert (mount.path / "read").read_bytes() == b"text"
    uses = (lambda: reader.read(1), lambda: writer.write(b"more"), reader.close, writer.close)
    for use in uses:
        with pytest.raises(OSError) as caught:
            use()
        assert caught.value.errno in (errno.ENOTCONN, errno.ECONNABORTED)
    assert mount.keys() == ["read"]


def test_who_waits_when_it_dies_gets_an_error(mount_with: MountWith, minio: MinioServer) -> None:
    """A request that the dead process was to answer is answered by the kernel: nobody hangs."""
    mount = mount_with("--supervise", "--metadata-ttl=0", "--retry-deadline=600")
    pid = int(mount.status()["pid"])
    with (
        stopped(minio),
        subprocess.Popen(["stat", mount.path / "a"], stderr=subprocess.PIPE) as waiting,
    ):
        wait_for_request(waiting.pid)
        os.kill(pid, signal.SIGKILL)
        _, said = waiting.communicate(timeout=PATIENCE)
    assert waiting.returncode == 1
    assert b"not connected" in said or b"abort" in said


def wait_for_request(pid: int) -> None:
    """Until the process waits for an answer of the mount."""
    give_up = time.monotonic() + PATIENCE
    while "request_wait_answer" not in Path(f"/proc/{pid}/wchan").read_text():
        assert time.monotonic() < give_up
        time.sleep(0.01)


def test_it_is_served_again_without_its_store(mount_with: MountWith, minio: MinioServer) -> None:
    mount = mount_with("--supervise", "--metadata-ttl=0", "--retry-deadline=5", "--timeout=5")
    mount.put("a", b"text")
    with stopped(minio):
        kill(mount)
        with pytest.raises(OSError) as caught:
            (mount.path / "a").read_bytes()
        assert caught.value.errno == errno.EIO
        assert mount.errors()[0]["path"] == "/a"
    give_up = time.monotonic() + PATIENCE
    while time.monotonic() < give_up:
        try:
            assert (mount.path / "a").read_bytes() == b"text"
            break
        except OSError:
            time.sleep(0.05)
    else:
        raise AssertionError(mount.log)


def test_uploads_the_dead_left_are_aborted(mount_with: MountWith) -> None:
    mount = mount_with("--supervise", "--metadata-ttl=0")
    writer = (mount.path / "large").open("wb", buffering=0)
    writer.write(bytes(20 * 1024**2))
    wait_for_uploads(mount, "large", there=True)
    kill(mount)
    with pytest.raises(OSError):
        writer.close()
    wait_for_uploads(mount, "large", there=False)
    assert mount.keys() == []


def wait_for_uploads(mount: Mounted, key: str, *, there: bool) -> None:
    give_up = time.monotonic() + PATIENCE
    while True:
        listed = mount.s3.list_multipart_uploads(Bucket=mount.bucket, Prefix=mount.prefix + key)
        if bool(listed.get("Uploads")) == there:
            return
        assert time.monotonic() < give_up, mount.log
        time.sleep(0.02)


@pytest.mark.parametrize("number", [signal.SIGSEGV, signal.SIGABRT])
def test_every_kind_of_death(mount_with: MountWith, number: signal.Signals) -> None:
    mount = mount_with("--supervise")
    kill(mount, number)
    assert f"signal {number:d} ({number.name})" in mount.errors()[0]["why"]


def test_a_mount_that_was_unmounted_is_not_served_again(mount_with: MountWith) -> None:
    mount = mount_with("--supervise")
    subprocess.run(["umount", mount.path], check=True, timeout=PATIENCE)
    assert mount.wait() == 0
    assert not is_mounted(mount.path)


def test_a_signal_to_either_process_ends_both(mount_with: MountWith) -> None:
    first, second = mount_with("--supervise"), mount_with("--supervise")
    first.process.send_signal(signal.SIGTERM)
    assert first.wait() == 0
    os.kill(int(second.status()["pid"]), signal.SIGTERM)
    assert second.wait() == 0
    assert not is_mounted(first.path)
    assert not is_mounted(second.path)


def test_a_process_whose_supervisor_dies_saves_and_unmounts(mount_with: MountWith) -> None:
    mount = mount_with("--supervise")
    pid = int(mount.status()["pid"])
    handle = os.pidfd_open(pid)
    writer = (mount.path / "a").open("wb", buffering=0)
    writer.write(b"text")
    mount.process.kill()
    mount.wait_for_log("SIGTERM: unmounting once")
    writer.close()
    assert select.select([handle], [], [], PATIENCE)[0]
    os.close(handle)
    assert not is_mounted(mount.path)
    assert mount.get("a") == b"text"
    mount.stop(code=-signal.SIGKILL)


def test_unwatched_it_stays_dead_and_the_next_start_cleans_up(
    mount_with: MountWith, minio: MinioServer
) -> None:
    place = new_place(minio)
    mount = mount_with("--no-supervise", place=place)
    mount.process.kill()
    mount.process.wait()
    with pytest.raises(OSError) as caught:
        os.listdir(mount.path)
    assert caught.value.errno == errno.ENOTCONN
    done = subprocess.run(
        [PHFS_MOUNT, place.bucket, mount.path, "--group", place.group],
        env={
            "PATH": os.environ["PATH"],
            "PHFS_STATE_DIR": str(mount.state_dir),
            "PHFS_ENDPOINT_URL": place.endpoint_url,
            "PHFS_ACCESS_KEY_ID": place.keys.access_key,
            "PHFS_SECRET_ACCESS_KEY": place.keys.secret_key,
        },
        capture_output=True,
        text=True,
        check=False,
        timeout=PATIENCE,
    )
    try:
        assert done.returncode == 0, done.stderr
        said = f"phfs-mount: At {mount.path} was a mount whose program had died; it was removed.\n"
        assert done.stderr == said
        handle = os.pidfd_open(int(mount.status()["supervisor_pid"]))
        subprocess.run(["umount", "-l", mount.path], check=True, timeout=PATIENCE)
        assert select.select([handle], [], [], PATIENCE)[0]
        os.close(handle)
    finally:
        end_mounts(mount.path)
    mount.stop(code=-signal.SIGKILL)
