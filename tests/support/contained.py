"""``phfs-mount`` in a container with a bound on its memory, its mount seen from outside.

Owns the container, its root (this machine's, under a layer that takes the writes) and their mounts.
Podman starts it: what is tested is what a container engine's ``--memory`` does. Called by
``tests/real/test_bounds.py``.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from tests.support.mounted import PHFS_MOUNT, Place, is_mounted
from tests.support.processes import poll_until

START_SECONDS = 120.0
STOP_SECONDS = 120.0
REPOSITORY = Path(__file__).resolve().parents[2]

CONFIGURATION = """\
[containers]
default_ulimits = ["nofile=20000:20000", "nproc=20000:20000"]
netns = "host"
[engine]
runtime = "runc"
cgroup_manager = "cgroupfs"
events_logger = "file"
"""
"""crun does not start where cgroups of both versions are mounted; there is no systemd to ask."""


class ContainedMount:
    """One mount in a container of its own. ``path`` is its root as seen from here, ``pid`` the
    daemon's process here. Close it with ``close``."""

    def __init__(
        self, place: Place, directory: Path, *, memory_mib: int, options: Sequence[str] = ()
    ) -> None:
        if shutil.which("podman") is None:
            raise RuntimeError("the test needs podman, runc: `scripts/system-packages containers`")
        self._directory = directory
        self._cleaning = ExitStack()
        # Podman takes no path of more than 50 bytes for what it keeps while it runs.
        self._engine = Path(tempfile.mkdtemp(prefix="phfs-podman-", dir="/tmp"))
        self._cleaning.callback(shutil.rmtree, self._engine, ignore_errors=True)
        shared = directory / "shared"
        self.path = shared / "mount"
        self.log_file = directory / "log"
        try:
            self._prepare(shared)
            self._start(place, shared, memory_mib, options)
            poll_until(self._mounted, START_SECONDS, lambda: f"not mounted:\n{self.log}")
            self._group = self._find_group()
            self.pid = int((self._group / "cgroup.procs").read_text().split()[0])
        except BaseException:
            self.close()
            raise

    @property
    def log(self) -> str:
        """What podman and the mount have said."""
        return self.log_file.read_text(errors="replace")

    def status(self) -> dict[str, Any]:
        """What the mount says of itself; its ``pid`` as it is inside."""
        found: dict[str, Any] = json.loads((self.path / ".phfs/status.json").read_text())
        return found

    def errors(self) -> list[dict[str, Any]]:
        """The failures it shows, newest first."""
        found: list[dict[str, Any]] = json.loads((self.path / ".phfs/errors.json").read_text())
        return found

    def oom_kills(self) -> int:
        """How often the kernel has killed in the container for want of memory."""
        for name in ("memory.events", "memory.oom_control"):
            if (self._group / name).exists():
                lines = (self._group / name).read_text().splitlines()
                return int(dict(line.split() for line in lines)["oom_kill"])
        raise AssertionError(f"{self._group} does not count kills")

    def peak_mib(self) -> float:
        """The most memory the container had, page cache included."""
        for name in ("memory.peak", "memory.max_usage_in_bytes"):
            if (self._group / name).exists():
                return int((self._group / name).read_text()) / 2**20
        raise AssertionError(f"{self._group} does not say its peak")

    def close(self) -> None:
        """End the container and take away every mount."""
        self._cleaning.close()

    # -- its parts -----------------------------------------------------------------------------

    def _prepare(self, shared: Path) -> None:
        self.path.mkdir(parents=True)
        self._mount(shared, "--bind", str(shared))
        subprocess.run(["mount", "--make-rshared", shared], check=True)
        layer, root = self._directory / "layer", self._directory / "root"
        layer.mkdir()
        root.mkdir()
        self._mount(layer, "-t", "tmpfs", "tmpfs")
        for name in ("upper", "work"):
            (layer / name).mkdir()
        layers = f"lowerdir=/,upperdir={layer}/upper,workdir={layer}/work"
        self._mount(root, "-t", "overlay", "-o", layers, "overlay")

    def _mount(self, target: Path, *arguments: str) -> None:
        subprocess.run(["mount", *arguments, target], check=True)
        self._cleaning.callback(lambda: subprocess.run(["umount", "-l", target], check=False))

    def _start(self, place: Place, shared: Path, memory_mib: int, options: Sequence[str]) -> None:
        configuration = self._directory / "containers.conf"
        configuration.write_text(CONFIGURATION)
        podman = [
            "podman",
            f"--root={self._engine / 'storage'}",
            f"--runroot={self._engine / 'run'}",
            "--storage-driver=vfs",
        ]
        environ = {
            "HOME": str(self._directory),
            "PHFS_ENDPOINT_URL": place.endpoint_url,
            "PHFS_ACCESS_KEY_ID": place.keys.access_key,
            "PHFS_SECRET_ACCESS_KEY": place.keys.secret_key,
        }
        seen = {str(REPOSITORY), sys.prefix, sys.base_prefix, str(PHFS_MOUNT.resolve().parent)}
        with self.log_file.open("wb") as log:
            self._process = subprocess.Popen(
                [
                    *podman,
                    "run",
                    "--rm",
                    "--privileged",
                    f"--cidfile={self._directory / 'id'}",
                    f"--memory={memory_mib}m",
                    f"--memory-swap={memory_mib}m",
                    f"--volume={shared}:{shared}:rshared",
                    *(f"--volume={path}:{path}:ro" for path in sorted(seen - {"/usr"})),
                    *(f"--env={name}={value}" for name, value in environ.items()),
                    "--rootfs",
                    str(self._directory / "root"),
                    str(PHFS_MOUNT),
                    place.bucket,
                    str(self.path),
                    f"--group={place.group}",
                    "--state-dir=/run/phfs",
                    "--foreground",
                    *options,
                ],
                env={**os.environ, "CONTAINERS_CONF": str(configuration)},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )
        self._cleaning.callback(self._stop, podman)

    def _stop(self, podman: list[str]) -> None:
        """End the container in order; by force what does not end."""
        identity = self._directory / "id"
        environ = {**os.environ, "CONTAINERS_CONF": str(self._directory / "containers.conf")}
        if identity.exists():
            name = identity.read_text()
            stop = [*podman, "stop", "--ignore", "--time=20", name]
            subprocess.run(
                stop, env=environ, check=False, capture_output=True, timeout=STOP_SECONDS
            )
        else:
            self._process.kill()
        self._process.wait(STOP_SECONDS)
        while is_mounted(self.path):
            subprocess.run(["umount", "-l", self.path], check=True)

    def _mounted(self) -> bool:
        assert self._process.poll() is None, f"the container ended:\n{self.log}"
        return is_mounted(self.path)

    def _find_group(self) -> Path:
        """The control group that bounds the container's memory."""
        name = f"*libpod-{(self._directory / 'id').read_text()}*"
        for hierarchy in (Path("/sys/fs/cgroup/memory"), Path("/sys/fs/cgroup")):
            for group in hierarchy.glob(f"**/{name}"):
                if any((group / it).exists() for it in ("memory.events", "memory.oom_control")):
                    return group
        raise AssertionError(f"no control group {name}")
