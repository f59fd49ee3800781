"""A real kubelet without a cluster: it runs the pods whose manifests lie in a directory.

Owns the kubelet's process, its directory and its pods. There is no API server: what it says of
its pods is asked of the kubelet itself. Called by the fixtures of ``tests/pods``.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import ssl
import subprocess
import urllib.request
from pathlib import Path
from typing import Any

import yaml

from tests.support.containerd import Containerd
from tests.support.minio import reserved_port
from tests.support.processes import end, poll_until

START_SECONDS = 120.0
POD_SECONDS = 180.0

Manifest = dict[str, Any]


def find_kubelet() -> Path:
    """The kubelet binary: $PHFS_KUBELET, PATH, ~/.cache/phfs/bin. Raises ``RuntimeError``."""
    cached = Path.home() / ".cache/phfs/bin/kubelet"
    for candidate in (os.environ.get("PHFS_KUBELET"), shutil.which("kubelet"), cached):
        if candidate and os.access(candidate, os.X_OK):
            return Path(candidate)
    raise RuntimeError("the tests of pods need a kubelet: scripts/kubelet builds it")


class Kubelet:
    """One kubelet over ``containerd``, with its files in ``directory``."""

    def __init__(self, directory: Path, containerd: Containerd) -> None:
        self.directory = directory
        self.root = directory / "root"
        self._manifests = directory / "manifests"
        self._reserved = reserved_port()
        self._port = self._reserved.getsockname()[1]
        self._containerd = containerd
        for made in (self.root, self._manifests, directory / "logs"):
            made.mkdir(parents=True, exist_ok=True)
        config = directory / "config.yaml"
        config.write_text(yaml.safe_dump(self._configuration(containerd)))
        self.log_file = directory / "kubelet.log"
        with self.log_file.open("wb") as log:
            self._process = subprocess.Popen(
                [find_kubelet(), f"--config={config}", f"--root-dir={self.root}",
                 "--hostname-override=node", f"--cert-dir={directory}/pki", "--v=1"],
                stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True,
            )  # fmt: skip
        poll_until(self._answers, START_SECONDS, lambda: f"no kubelet:\n{self.log[-4000:]}")

    @property
    def log(self) -> str:
        """Everything it has logged."""
        return self.log_file.read_text(errors="replace")

    def start(self, pod: Manifest) -> str:
        """Hand it a pod; the name under which it knows the pod."""
        name = pod["metadata"]["name"]
        path = self._manifests / f"{name}.yaml"
        unseen = path.with_suffix(".new")
        unseen.write_text(yaml.safe_dump(pod))
        unseen.rename(path)
        return f"{name}-node"

    def delete(self, name: str, seconds: float = POD_SECONDS) -> None:
        """Take a pod away and wait until it has ended and nothing of it is left on the node."""
        uid = self.pod(name)["metadata"]["uid"] if self.has(name) else None
        (self._manifests / f"{name.removesuffix('-node')}.yaml").unlink(missing_ok=True)
        poll_until(lambda: not self.has(name), seconds, lambda: self.explain(name))
        if uid is not None:
            left = self.root / "pods" / uid
            poll_until(lambda: not left.exists(), seconds, lambda: f"{left} stays: {_below(left)}")

    def has(self, name: str) -> bool:
        """Whether the kubelet knows the pod."""
        return any(pod["metadata"]["name"] == name for pod in self._pods())

    def pod(self, name: str) -> Manifest:
        """The pod with its status."""
        return next(pod for pod in self._pods() if pod["metadata"]["name"] == name)

    def container(self, name: str, container: str) -> Manifest:
        """The status of a container, of an init container too; empty if there is none yet."""
        if not self.has(name):
            return {}
        status = self.pod(name).get("status", {})
        every = [*status.get("initContainerStatuses", ()), *status.get("containerStatuses", ())]
        return next((each for each in every if each["name"] == container), {})

    def wait_running(self, name: str, container: str, *, restarts: int = 0) -> None:
        """Wait until a container runs, after at least so many restarts."""

        def runs() -> bool:
            found = self.container(name, container)
            enough = found.get("restartCount", 0) >= restarts
            return enough and "running" in found.get("state", {})

        poll_until(runs, POD_SECONDS, lambda: self.explain(name))

    def wait_ended(self, name: str, container: str, seconds: float = POD_SECONDS) -> int:
        """Wait until a container has ended for good; its exit code."""

        def ended() -> bool:
            return "terminated" in self.container(name, container).get("state", {})

        poll_until(ended, seconds, lambda: self.explain(name))
        code: int = self.container(name, container)["state"]["terminated"]["exitCode"]
        return code

    def pid(self, name: str, container: str) -> int:
        """The first process of a running container, as the machine numbers it."""
        found: str = self.container(name, container)["containerID"]
        return self._containerd.pid(found.removeprefix("containerd://"))

    def output(self, name: str, container: str) -> str:
        """What a container has printed, all its runs together."""
        lines = []
        for path in self.logs(name, container):
            for line in path.read_text(errors="replace").splitlines():
                lines.append(line.split(" ", 3)[-1])  # CRI: time, stream, tag, text
        return "\n".join(lines)

    def logs(self, name: str, container: str) -> list[Path]:
        """The files into which a container's runs print; the kubelet takes them away with the pod,
        and whoever has one open can still read it."""
        found = (self.directory / "logs").glob(f"*_{name}_*/{container}/*.log")
        return sorted(found, key=lambda path: int(path.stem))

    def explain(self, name: str) -> str:
        """Everything that helps to see why a pod is not as it should be."""
        status = self.pod(name).get("status", {}) if self.has(name) else {}
        names = [
            each["name"]
            for kind in ("initContainerStatuses", "containerStatuses")
            for each in status.get(kind, ())
        ]
        said = "\n".join(f"--- {each}:\n{self.output(name, each)[-3000:]}" for each in names)
        return f"{name}: {json.dumps(status, indent=1)}\n{said}\n--- kubelet:\n{self.log[-3000:]}"

    def close(self) -> None:
        """End all pods, and it."""
        try:
            for path in self._manifests.glob("*.yaml"):
                path.unlink()
            poll_until(lambda: not self._pods(), POD_SECONDS, lambda: "pods do not end")
        finally:
            end(self._process, signal.SIGTERM, 20)
            self._reserved.close()
            for point in _below(self.directory):
                subprocess.run(["umount", "-l", point], check=False, capture_output=True)

    def _pods(self) -> list[Manifest]:
        url = f"https://127.0.0.1:{self._port}/pods"
        # Its certificate is made by itself, for this process's lifetime.
        context = ssl._create_unverified_context()
        with urllib.request.urlopen(url, timeout=30, context=context) as answer:
            items: list[Manifest] | None = json.load(answer)["items"]
        return items or []

    def _answers(self) -> bool:
        assert self._process.poll() is None, f"the kubelet ended:\n{self.log[-4000:]}"
        try:
            self._pods()
        except OSError:
            return False
        return True

    def _configuration(self, containerd: Containerd) -> Manifest:
        return {
            "apiVersion": "kubelet.config.k8s.io/v1beta1",
            "kind": "KubeletConfiguration",
            "address": "127.0.0.1",
            "port": self._port,
            "readOnlyPort": 0,
            "healthzPort": 0,
            "staticPodPath": str(self._manifests),
            "fileCheckFrequency": "1s",
            "syncFrequency": "5s",
            "podLogsDir": str(self.directory / "logs"),
            "authentication": {"anonymous": {"enabled": True}, "webhook": {"enabled": False}},
            "authorization": {"mode": "AlwaysAllow"},
            "containerRuntimeEndpoint": f"unix://{containerd.socket}",
            "failCgroupV1": False,
            "cgroupDriver": "cgroupfs",
            "cgroupsPerQOS": False,
            "enforceNodeAllocatable": [],
            "failSwapOn": False,
            # Else its chains stay in the machine's netfilter, a tenth of what loopback can do.
            "makeIPTablesUtilChains": False,
            "localStorageCapacityIsolation": False,
            "evictionHard": {"memory.available": "1Mi", "nodefs.available": "1Mi",
                             "imagefs.available": "1Mi"},
            "imageGCHighThresholdPercent": 100,
            "shutdownGracePeriod": "0s",
            "resolvConf": "/etc/resolv.conf" if Path("/etc/resolv.conf").exists() else "",
            "volumePluginDir": str(self.directory / "plugins"),
        }  # fmt: skip


def _below(directory: Path) -> list[str]:
    """What is mounted below a directory, deepest first."""
    lines = Path("/proc/self/mountinfo").read_text(errors="surrogateescape").splitlines()
    points = [line.split(" ")[4] for line in lines]
    return sorted((p for p in points if p.startswith(f"{directory}/")), reverse=True)
