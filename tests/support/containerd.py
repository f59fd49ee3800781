"""A containerd of the tests' own: its state, socket and images in one directory.

Owns the process. Started for ``kubelet``; images come from podman's store or from an archive.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import time
from pathlib import Path

from tests.support.processes import end, poll_until

START_SECONDS = 60.0

PAUSE = "localhost/pause:phfs"
"""The image of a pod's sandbox: Debian's catatonit on nothing else."""

_CONFIG = """\
version = 2
root = "{root}/root"
state = "{root}/state"
disabled_plugins = ["io.containerd.internal.v1.opt"]
[grpc]
  address = "{root}/sock"
[ttrpc]
  address = "{root}/sock.ttrpc"
[plugins."io.containerd.grpc.v1.cri"]
  sandbox_image = "{pause}"
  restrict_oom_score_adj = true
  disable_apparmor = true
  [plugins."io.containerd.grpc.v1.cri".cni]
    bin_dir = "/usr/lib/cni"
    conf_dir = "{root}/cni"
  [plugins."io.containerd.grpc.v1.cri".containerd]
    snapshotter = "{snapshotter}"
    [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc]
      runtime_type = "io.containerd.runc.v2"
      [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc.options]
        SystemdCgroup = false
"""


class Containerd:
    """One containerd; ``socket`` is where it answers."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.socket = directory / "sock"
        directory.mkdir(parents=True, exist_ok=True)
        (directory / "cni").mkdir(exist_ok=True)
        config = directory / "config.toml"
        config.write_text(_CONFIG.format(root=directory, pause=PAUSE, snapshotter="overlayfs"))
        self.log_file = directory / "containerd.log"
        with self.log_file.open("wb") as log:
            self._process = subprocess.Popen(
                ["containerd", "--config", config],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        poll_until(self._answers, START_SECONDS, lambda: f"containerd did not start:\n{self.log}")
        self._load_pause()

    @property
    def log(self) -> str:
        """Everything it has logged."""
        return self.log_file.read_text(errors="replace")

    def ctr(self, *words: str | Path) -> str:
        """Run ``ctr`` in the namespace of Kubernetes; its output."""
        command = ["ctr", "--address", str(self.socket), "--namespace", "k8s.io", *map(str, words)]
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=300)
        assert done.returncode == 0, f"{words}: {done.stderr}"
        return done.stdout

    def load(self, archive: Path) -> None:
        """Take in the images of an archive made by ``podman save``."""
        self.ctr("images", "import", "--no-unpack", archive)

    def load_from_podman(self, image: str) -> None:
        """Take in an image of podman's store."""
        archive = self.directory / "image.tar"
        archive.unlink(missing_ok=True)
        command = ["podman", "save", "--quiet", "--output", str(archive), image]
        subprocess.run(command, check=True, capture_output=True, timeout=300)
        self.load(archive)
        archive.unlink()

    def close(self) -> None:
        """End everything that runs in it, and it."""
        for kind in ("KILL", "KILL"):
            for line in self.ctr("tasks", "list", "--quiet").split():
                with contextlib.suppress(AssertionError):
                    self.ctr("tasks", "kill", "--all", "--signal", kind, line)
            time.sleep(0.1)
        end(self._process, signal.SIGTERM, 20)
        # The shims outlive containerd by design.
        for shim in self._shims():
            with contextlib.suppress(ProcessLookupError):
                os.kill(shim, signal.SIGKILL)
        # Empty now, unless somebody else has pods.
        for group in Path("/sys/fs/cgroup").glob("*/k8s.io"):
            with contextlib.suppress(OSError):
                group.rmdir()
        mounts = Path("/proc/self/mountinfo").read_text().splitlines()
        points = [line.split(" ")[4] for line in mounts]
        for point in sorted((p for p in points if p.startswith(str(self.directory))), reverse=True):
            subprocess.run(["umount", "-l", point], check=False, capture_output=True)

    def pid(self, container: str) -> int:
        """The first process of a running container, as the machine numbers it."""
        for line in self.ctr("tasks", "list").splitlines():
            name, pid, *_ = line.split()
            if name == container:
                return int(pid)
        raise AssertionError(f"the container {container} does not run")

    def _shims(self) -> list[int]:
        """The processes that hold containers for this containerd: its socket is in their line."""
        own = os.fsencode(self.socket)
        found = []
        for process in Path("/proc").glob("[0-9]*"):
            with contextlib.suppress(OSError):
                words = (process / "cmdline").read_bytes().split(b"\0")
                if words[0].endswith(b"containerd-shim-runc-v2") and own in words:
                    found.append(int(process.name))
        return found

    def _answers(self) -> bool:
        assert self._process.poll() is None, f"containerd ended:\n{self.log}"
        command = ["ctr", "--address", str(self.socket), "version"]
        return subprocess.run(command, check=False, capture_output=True).returncode == 0

    def _load_pause(self) -> None:
        catatonit = shutil.which("catatonit") or "/usr/bin/catatonit"
        context = self.directory / "pause"
        context.mkdir(exist_ok=True)
        shutil.copy(catatonit, context / "pause")
        (context / "Dockerfile").write_text(
            'FROM scratch\nCOPY pause /pause\nENTRYPOINT ["/pause", "-P"]\n'
        )
        build = ["buildah", "bud", "--quiet", "--layers", "--isolation=chroot", "--tag", PAUSE,
                 str(context)]  # fmt: skip
        subprocess.run(build, check=True, capture_output=True, timeout=120)
        self.load_from_podman(PAUSE)
