"""``phfs-mount`` as a real process on a real mount point, seen from both sides.

Owns the process and the mount point. Called by the fixtures of ``tests/real/conftest.py``.
"""

from __future__ import annotations

import json
import os
import select
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from mypy_boto3_s3 import S3Client

from phfs.system import mounts
from tests.support.minio import Keys

PHFS_MOUNT = Path(sys.executable).parent / "phfs-mount"

START_SECONDS = 60.0
STOP_SECONDS = 60.0


class Place(NamedTuple):
    """What is mounted: a group of a bucket, and the keys that the mount may use."""

    endpoint_url: str
    bucket: str
    group: str
    keys: Keys

    @property
    def prefix(self) -> str:
        """Where the group's keys begin."""
        return f"groups/{self.group}/"


class Mounted:
    """One mount. ``path`` is its root, ``s3`` a client with all rights that looks from outside.

    Keys taken and given are relative to ``prefix``.
    """

    def __init__(
        self,
        place: Place,
        s3: S3Client,
        directory: Path,
        options: Sequence[str] = (),
        environ: Mapping[str, str] | None = None,
        program: Sequence[str] = (str(PHFS_MOUNT),),
    ) -> None:
        self.s3 = s3
        self.bucket = place.bucket
        self.prefix = place.prefix
        self.path = directory / "mount"
        self.log_file = directory / "log"
        self.state_dir = directory / "state"
        self.place = place
        self.environ = {
            "PATH": os.environ["PATH"],
            "HOME": str(directory),
            "PHFS_CONFIG": os.devnull,  # not the machine's
            "PHFS_ENDPOINT_URL": place.endpoint_url,
            "PHFS_ACCESS_KEY_ID": place.keys.access_key,
            "PHFS_SECRET_ACCESS_KEY": place.keys.secret_key,
            **(environ or {}),
        }
        self._stopped = False
        self.path.mkdir()
        command = [*program, place.bucket, str(self.path), f"--group={place.group}"]
        with self.log_file.open("wb") as log:
            self.process = subprocess.Popen(
                [*command, f"--state-dir={self.state_dir}", "--foreground", *options],
                env=self.environ,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )
        try:
            self._wait_until_mounted()
        except BaseException:
            self.kill()
            raise

    # -- the other side ------------------------------------------------------------------------

    def put(self, key: str, data: bytes) -> str:
        """Store an object from outside; its ETag."""
        return self.s3.put_object(Bucket=self.bucket, Key=self.prefix + key, Body=data)["ETag"]

    def get(self, key: str) -> bytes:
        """An object's bytes."""
        return self.s3.get_object(Bucket=self.bucket, Key=self.prefix + key)["Body"].read()

    def delete(self, key: str) -> None:
        """Delete an object from outside."""
        self.s3.delete_object(Bucket=self.bucket, Key=self.prefix + key)

    def keys(self, prefix: str = "") -> list[str]:
        """All keys, in order."""
        pages = self.s3.get_paginator("list_objects_v2").paginate(
            Bucket=self.bucket, Prefix=self.prefix + prefix
        )
        found = [item["Key"] for page in pages for item in page.get("Contents", ())]
        return [key.removeprefix(self.prefix) for key in found]

    # -- what the mount says of itself ---------------------------------------------------------

    def errors(self) -> list[dict[str, Any]]:
        """The failures it shows, newest first."""
        found: list[dict[str, Any]] = json.loads((self.path / ".phfs/errors.json").read_text())
        return found

    def status(self) -> dict[str, Any]:
        """Its state."""
        found: dict[str, Any] = json.loads((self.path / ".phfs/status.json").read_text())
        return found

    @property
    def log(self) -> str:
        """Everything it has logged."""
        return self.log_file.read_text(errors="replace")

    def wait_for_log(self, words: str) -> None:
        """Wait until it has logged the words."""
        give_up = time.monotonic() + START_SECONDS
        while words not in self.log:
            assert time.monotonic() < give_up, self.log
            time.sleep(0.01)

    # -- its end -------------------------------------------------------------------------------

    def wait(self) -> int:
        """Wait until the process has ended; its exit code."""
        return self.process.wait(STOP_SECONDS)

    def stop(self, code: int = 0) -> None:
        """End it in order, unless it has ended; make sure that it ended with ``code``, that nothing
        is mounted and that it met no defect. Tests that expect another end call it themselves."""
        if self._stopped:
            return
        self._stopped = True
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            try:
                self.wait()
            except subprocess.TimeoutExpired:
                self.kill()
                raise AssertionError(f"the mount did not end:\n{self.log}") from None
        left = is_mounted(self.path)
        if left:
            end_mounts(self.path)
        assert self.process.returncode == code, self.log
        assert not left, "something is still mounted"
        assert "Traceback" not in self.log, self.log

    def kill(self) -> None:
        """End it by force, and take away what it leaves mounted."""
        self.process.kill()
        self.process.wait()
        end_mounts(self.path)

    def _wait_until_mounted(self) -> None:
        give_up = time.monotonic() + START_SECONDS
        while not is_mounted(self.path):
            if self.process.poll() is not None or time.monotonic() > give_up:
                raise AssertionError(f"the mount did not start:\n{self.log}")
            time.sleep(0.01)
        # The kernel has it before the mount answers: this waits for the first answer.
        (self.path / ".phfs").stat()


def end_mounts(path: Path) -> None:
    """End by force whatever serves a mount at ``path`` or watches over it, and take it away: for
    a test of a mount in the background that has failed half-way."""
    for process in Path("/proc").glob("[0-9]*"):
        try:
            words = (process / "cmdline").read_bytes().split(b"\0")
            if os.fsencode(path) in words and any(b"phfs-mount" in word for word in words):
                handle = os.pidfd_open(int(process.name))
                signal.pidfd_send_signal(handle, signal.SIGKILL)
                select.select([handle], [], [], STOP_SECONDS)
                os.close(handle)
        except OSError:  # ended meanwhile
            continue
    while mounts.is_mounted(path):
        subprocess.run(["umount", "-l", path], check=True)


def is_mounted(path: Path) -> bool:
    """Whether the kernel has a mount there, without asking that mount."""
    table = Path("/proc/self/mountinfo").read_text(errors="surrogateescape")
    return any(line.split(" ")[4] == str(path) for line in table.splitlines())
