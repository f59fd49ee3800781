"""The mounts that are measured, as real processes: PHFS, and its peers where they are installed.

Owns the command line of each, made so that they promise about the same: no cache of data on disk,
names and attributes not believed for longer than a second, S3 in path style. Called by ``world``.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

START_SECONDS = 20.0
STOP_SECONDS = 15.0


class Origin(NamedTuple):
    """What is mounted: ``prefix`` of a bucket, as ``groups/bench/``, and the keys for it."""

    endpoint_url: str
    bucket: str
    prefix: str
    access_key: str
    secret_key: str


class Kind(NamedTuple):
    """A program that mounts: where it is (None: not installed), and its command line in a private
    directory of its own."""

    name: str
    program: str | None
    command: Callable[[str, Origin, Path, Path], list[str]]


def _phfs(program: str, origin: Origin, mountpoint: Path, private: Path) -> list[str]:
    return [
        program,
        origin.bucket,
        str(mountpoint),
        f"--prefix={origin.prefix}",
        f"--endpoint-url={origin.endpoint_url}",
        f"--state-dir={private / 'state'}",
        "--foreground",
    ]


def _rclone(program: str, origin: Origin, mountpoint: Path, private: Path) -> list[str]:
    config = private / "rclone.conf"
    config.write_text(
        "[store]\ntype = s3\nprovider = Minio\nregion = us-east-1\nforce_path_style = true\n"
        f"endpoint = {origin.endpoint_url}\n"
        f"access_key_id = {origin.access_key}\nsecret_access_key = {origin.secret_key}\n"
    )
    return [
        program,
        "mount",
        f"store:{origin.bucket}/{origin.prefix}",
        str(mountpoint),
        f"--config={config}",
        "--vfs-cache-mode=off",
        "--dir-cache-time=1s",
        "--attr-timeout=1s",
        "--poll-interval=0",
    ]


def _s3fs(program: str, origin: Origin, mountpoint: Path, private: Path) -> list[str]:
    keys = private / "passwd"
    keys.touch(mode=0o600)
    keys.write_text(f"{origin.access_key}:{origin.secret_key}\n")
    spool = private / "spool"
    spool.mkdir()
    options = [
        "use_path_request_style",
        f"url={origin.endpoint_url}",
        f"passwd_file={keys}",
        f"tmpdir={spool}",
        "stat_cache_expire=1",
    ]
    source = f"{origin.bucket}:/{origin.prefix.rstrip('/')}"
    return [program, source, str(mountpoint), "-f", "-o", ",".join(options)]


def _beside_python(name: str) -> str | None:
    program = Path(sys.executable).with_name(name)
    return str(program) if program.exists() else shutil.which(name)


def phfs(*options: str) -> Kind:
    """PHFS, with options beside those it is given anyway."""

    def command(program: str, origin: Origin, mountpoint: Path, private: Path) -> list[str]:
        return [*_phfs(program, origin, mountpoint, private), *options]

    return Kind("phfs", _beside_python("phfs-mount"), command)


def kinds() -> list[Kind]:
    """All that can be measured, PHFS first."""
    return [
        phfs(),
        Kind("rclone", _beside_python("rclone"), _rclone),
        Kind("s3fs", shutil.which("s3fs"), _s3fs),
    ]


class Mounted:
    """One mount, there and answering. ``directory`` must not exist; it is removed in the end.

    Raises ``RuntimeError`` if it does not come up.
    """

    def __init__(self, kind: Kind, origin: Origin, directory: Path) -> None:
        assert kind.program is not None
        self.kind = kind
        self.path = directory / "mount"
        self._origin = origin
        self._directory = directory
        self._copies = 0
        directory.mkdir(mode=0o700)
        self.path.mkdir()
        self._log = directory / "log"
        with self._log.open("wb") as log:
            self._process = subprocess.Popen(
                kind.command(kind.program, origin, self.path, directory),
                env={
                    "PATH": os.environ["PATH"],
                    "HOME": str(directory),
                    "PHFS_ACCESS_KEY_ID": origin.access_key,
                    "PHFS_SECRET_ACCESS_KEY": origin.secret_key,
                },
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                # Ctrl-C is for the benchmark, which ends the mounts in order.
                start_new_session=True,
            )
        try:
            self._wait()
        except BaseException:
            self.close()
            raise

    @property
    def pid(self) -> int:
        """Of the mount's process."""
        return self._process.pid

    def another(self) -> Mounted:
        """The same once more, at another mount point."""
        self._copies += 1
        beside = self._directory.with_name(f"{self._directory.name}-{self._copies}")
        return Mounted(self.kind, self._origin, beside)

    def close(self) -> None:
        """Unmount, end the process and remove everything of it."""
        self._process.terminate()
        try:
            self._process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        if _is_mounted(self.path):
            subprocess.run(["fusermount3", "-u", "-z", self.path], check=True)
        shutil.rmtree(self._directory)

    def _wait(self) -> None:
        give_up = time.monotonic() + START_SECONDS
        while not _is_mounted(self.path):
            if self._process.poll() is not None or time.monotonic() > give_up:
                said = self._log.read_text(errors="replace")
                raise RuntimeError(f"{self.kind.name} did not mount: {said}")
            time.sleep(0.002)
        os.listdir(self.path)


def _is_mounted(path: Path) -> bool:
    """Whether the kernel has a mount there, without asking that mount."""
    table = Path("/proc/self/mountinfo").read_text(errors="surrogateescape")
    return any(line.split(" ")[4] == str(path) for line in table.splitlines())
