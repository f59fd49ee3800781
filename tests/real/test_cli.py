"""``phfs-mount`` as users call it: in background and foreground, ended and refused in every way."""

from __future__ import annotations

import json
import os
import select
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

import pytest
from mypy_boto3_s3 import S3Client

from phfs.system.mounts import is_mounted
from tests.support.minio import MinioServer, free_port
from tests.support.mounted import end_mounts

pytestmark = pytest.mark.real

PATIENCE = 60.0
"""Seconds for what takes one."""

PHFS_MOUNT = str(Path(sys.executable).parent / "phfs-mount")


def mounted(path: Path) -> bool:
    return is_mounted(path, Path("/proc/self/mountinfo"))


class Caller(NamedTuple):
    """Somebody with keys for a bucket's group ``lab``, in front of a shell."""

    minio: MinioServer
    bucket: str
    mountpoint: Path
    state_dir: Path

    def command(self, *options: str) -> list[str]:
        words = [PHFS_MOUNT, self.bucket, str(self.mountpoint), "--group", "Lab"]
        return [*words, "--endpoint-url", self.minio.endpoint_url, *options]

    @property
    def environ(self) -> dict[str, str]:
        own = ("AWS_", "PHFS_")
        kept = {name: text for name, text in os.environ.items() if not name.startswith(own)}
        keys = self.minio.group_keys(self.bucket, "lab")
        return kept | {
            "AWS_ACCESS_KEY_ID": keys.access_key,
            "AWS_SECRET_ACCESS_KEY": keys.secret_key,
            "AWS_REGION": "us-east-1",
            "NO_PROXY": "127.0.0.1",
            "PHFS_STATE_DIR": str(self.state_dir),
        }

    def call(self, *options: str, **variables: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            self.command(*options),
            env=self.environ | variables,
            capture_output=True,
            text=True,
            timeout=PATIENCE,
            check=False,
        )

    def daemon(self) -> int:
        """The process that lasts as long as the mount does: the one that watches over it."""
        status = json.loads((self.mountpoint / ".phfs/status.json").read_text())
        return int(status["supervisor_pid"] or status["pid"])


@pytest.fixture
def caller(minio: MinioServer, bucket: str, tmp_path: Path) -> Iterator[Caller]:
    mountpoint = tmp_path / "a mount"
    mountpoint.mkdir()
    yield Caller(minio, bucket, mountpoint, tmp_path / "state")
    end_mounts(mountpoint)


def unmount(path: Path, *options: str) -> None:
    subprocess.run(["fusermount3", "-u", *options, str(path)], check=True, timeout=PATIENCE)


def ended(handle: int) -> bool:
    """Whether the process of a pidfd ends in time; closes it."""
    over = bool(select.select([handle], [], [], PATIENCE)[0])
    os.close(handle)
    return over


def stored(s3: S3Client, bucket: str) -> dict[str, bytes]:
    listed = s3.list_objects_v2(Bucket=bucket).get("Contents", [])
    return {
        item["Key"]: s3.get_object(Bucket=bucket, Key=item["Key"])["Body"].read() for item in listed
    }


def test_it_returns_when_the_directory_answers(caller: Caller, s3: S3Client) -> None:
    done = caller.call()
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert mounted(caller.mountpoint)
    (caller.mountpoint / "hello").write_text("hello\n")
    assert stored(s3, caller.bucket) == {"groups/lab/hello": b"hello\n"}
    table = Path("/proc/self/mountinfo").read_text()
    assert f"fuse.phfs s3://{caller.bucket}/groups/lab/ " in table
    handle = os.pidfd_open(caller.daemon())
    unmount(caller.mountpoint)
    assert ended(handle)


def test_the_log_is_where_status_says_and_has_no_secret(caller: Caller) -> None:
    assert caller.call("--log-level", "debug").returncode == 0
    (caller.mountpoint / "file").write_text("x")
    (log,) = caller.state_dir.glob("*.log")
    assert str(log) in (caller.mountpoint / ".phfs" / "status").read_text()
    handle = os.pidfd_open(caller.daemon())
    unmount(caller.mountpoint)
    assert ended(handle)
    assert " phfs." in log.read_text()
    assert caller.environ["AWS_SECRET_ACCESS_KEY"] not in log.read_text()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT], ids=["TERM", "INT"])
def test_a_signal_unmounts(caller: Caller, s3: S3Client, number: signal.Signals) -> None:
    assert caller.call().returncode == 0
    (caller.mountpoint / "file").write_bytes(b"x" * 100_000)
    pid = caller.daemon()
    handle = os.pidfd_open(pid)
    os.kill(pid, number)
    assert ended(handle)
    assert not mounted(caller.mountpoint)
    assert stored(s3, caller.bucket) == {"groups/lab/file": b"x" * 100_000}


def test_in_the_foreground_it_logs_to_the_terminal(caller: Caller) -> None:
    with subprocess.Popen(
        caller.command("-f"), env=caller.environ, stderr=subprocess.PIPE, text=True
    ) as process:
        deadline = time.monotonic() + PATIENCE
        while not mounted(caller.mountpoint) and time.monotonic() < deadline:
            time.sleep(0.02)
        assert os.listdir(caller.mountpoint) == []
        process.send_signal(signal.SIGINT)
        _, log = process.communicate(timeout=PATIENCE)
    assert process.returncode == 0
    assert " INFO phfs." in log
    assert not mounted(caller.mountpoint)
    assert not list(caller.state_dir.glob("*.log"))


def test_a_second_mount_on_top_is_refused(caller: Caller) -> None:
    assert caller.call().returncode == 0
    again = caller.call()
    assert again.returncode == 1
    assert "something is mounted already" in again.stderr
    assert os.listdir(caller.mountpoint) == [], "the first goes on"


def test_a_dead_mount_is_taken_away_by_the_next(caller: Caller) -> None:
    assert caller.call("--no-supervise").returncode == 0
    pid = caller.daemon()
    handle = os.pidfd_open(pid)
    os.kill(pid, signal.SIGKILL)
    assert ended(handle)
    again = caller.call()
    said = (
        f"phfs-mount: At {caller.mountpoint} was a mount whose program had died; it was removed.\n"
    )
    assert (again.returncode, again.stderr) == (0, said)
    assert os.listdir(caller.mountpoint) == []


def test_it_is_watched_over(caller: Caller) -> None:
    assert caller.call().returncode == 0
    status = json.loads((caller.mountpoint / ".phfs/status.json").read_text())
    handle = os.pidfd_open(status["pid"])
    os.kill(status["pid"], signal.SIGKILL)
    assert ended(handle)
    deadline = time.monotonic() + PATIENCE
    said = ""
    while "SIGKILL" not in said:
        assert time.monotonic() < deadline, said
        time.sleep(0.02)
        with suppress(OSError):
            said = (caller.mountpoint / ".phfs/errors").read_text()
    assert os.listdir(caller.mountpoint) == []
    handle = os.pidfd_open(caller.daemon())
    unmount(caller.mountpoint)
    assert ended(handle)


def refused(caller: Caller, done: subprocess.CompletedProcess[str], *words: str) -> None:
    """One sentence with these words, exit 1, and nothing left."""
    assert (done.returncode, done.stdout) == (1, ""), done.stderr
    assert done.stderr.startswith("phfs-mount: ")
    assert done.stderr.count("\n") == 1, done.stderr
    for word in words:
        assert word in done.stderr
    assert not mounted(caller.mountpoint)


@pytest.mark.parametrize("options", [(), ("-f", "--log-level", "error")], ids=["daemon", "front"])
def test_no_such_bucket(caller: Caller, options: tuple[str, ...]) -> None:
    keys = {
        "PHFS_ACCESS_KEY_ID": caller.minio.access_key,
        "PHFS_SECRET_ACCESS_KEY": caller.minio.secret_key,
    }
    absent = caller._replace(bucket="no-such-bucket")
    refused(caller, absent.call(*options, **keys), "no-such-bucket")


def test_a_wrong_secret_key(caller: Caller) -> None:
    done = caller.call(AWS_SECRET_ACCESS_KEY="wrong-secret")
    refused(caller, done, "key")
    assert "wrong-secret" not in done.stderr


def test_an_unknown_access_key(caller: Caller) -> None:
    refused(caller, caller.call(AWS_ACCESS_KEY_ID="nobody"), "key")


def test_the_keys_of_another_group(caller: Caller) -> None:
    refused(caller, caller.call("--group", "other"), "groups/other/")


def test_no_keys_at_all(caller: Caller, tmp_path: Path) -> None:
    nobody = {
        "AWS_ACCESS_KEY_ID": "",
        "AWS_SECRET_ACCESS_KEY": "",
        "HOME": str(tmp_path),
        "AWS_EC2_METADATA_DISABLED": "true",
    }
    done = caller.call(**nobody)
    assert done.returncode == 2
    assert "PHFS_ACCESS_KEY_ID" in done.stderr
    assert done.stderr.count("\n") == 1


def test_an_endpoint_where_nobody_listens(caller: Caller) -> None:
    endpoint = f"http://127.0.0.1:{free_port()}"
    refused(caller, caller.call("--endpoint-url", endpoint, "--retry-deadline", "1"), endpoint)


def test_an_endpoint_that_never_answers(caller: Caller) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        endpoint = f"http://127.0.0.1:{listener.getsockname()[1]}"
        begun = time.monotonic()
        options = ("--endpoint-url", endpoint, "--timeout", "1", "--retry-deadline", "2")
        refused(caller, caller.call(*options), endpoint)
    assert time.monotonic() - begun < 10
