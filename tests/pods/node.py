"""A node of one machine for the manifests of ``docker/kubernetes``, without an API server.

Owns what stands in for that: Secrets and claims as directories of the node (``localised``). Called
by the tests of pods.
"""

from __future__ import annotations

import socket
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import yaml

from phfs.sidecar.wrapping import unwrapped
from tests.support.minio import MinioServer, reserved_port

KUBERNETES = Path(__file__).resolve().parents[2] / "docker/kubernetes"

Manifest = dict[str, Any]


class Node:
    """``claims`` and ``secrets`` are directories below ``directory``, ``host`` is what hostPath
    volumes see as their root."""

    def __init__(self, directory: Path, image: str) -> None:
        self.image = image
        self._ports: list[socket.socket] = []
        self.claims = directory / "claims"
        self.secrets = directory / "secrets"
        self.host = directory / "host"
        for made in (self.claims, self.secrets, self.host):
            made.mkdir()

    def close(self) -> None:
        """Let go of the pods' ports."""
        for port in self._ports:
            port.close()

    def secret(self, name: str, values: Mapping[str, str]) -> Path:
        """Put a Secret where ``localised`` finds it."""
        made = self.secrets / name
        made.mkdir(exist_ok=True)
        for key, text in values.items():
            new = made / f".{key}"
            new.write_text(text)
            new.chmod(0o400)
            new.rename(made / key)
        return made

    def localised(
        self,
        text: str,
        command: list[str],
        change: Callable[[Manifest], None],
        name: str = "",
    ) -> Manifest:
        """The pod of a rendered manifest, as a static pod of this node.

        A static pod may name no object of an API server, so a Secret and a claim become
        directories of the node, and variables from a Secret become plain ones. Beside that it gets
        images and a network that are here, a health port of its own, a ``command`` for the main
        container, behind what ``render`` has put in front of it, and a document that ``change``
        has changed. Nothing else differs from the file.
        """
        self._ports.append(reserved_port())
        port = self._ports[-1].getsockname()[1]
        objects = list(yaml.safe_load_all(text.replace("9807", str(port))))
        given = {one["metadata"]["name"]: one["stringData"] for one in objects[:-1]}
        for secret, values in given.items():
            if secret.endswith("-phfs-document"):
                document = yaml.safe_load(values["pod.yaml"])
                change(document)
                values["pod.yaml"] = yaml.safe_dump(document)
        template = objects[-1]
        template = template if template["kind"] == "Pod" else template["spec"]["template"]
        spec: Manifest = template["spec"]
        spec |= {"hostNetwork": True, "dnsPolicy": "Default"}
        for container in (*spec.get("initContainers", ()), *spec["containers"]):
            container |= {"image": self.image, "imagePullPolicy": "Never"}
            sources = container.pop("envFrom", [])
            values = {k: v for one in sources for k, v in given[one["secretRef"]["name"]].items()}
            container["env"] = [{"name": k, "value": v} for k, v in values.items()]
        main = spec["containers"][-1]
        plain = unwrapped(main["command"])
        in_front = main["command"][: len(main["command"]) - len(plain)]
        main["command"] = [*in_front, *command]
        # The image of the tests is not root's by itself.
        main["securityContext"].setdefault("runAsUser", 0)
        for volume in spec["volumes"]:
            self._localise(volume, given)
        pod = name or objects[-1]["metadata"]["name"]
        labels = template["metadata"]["labels"]
        return {
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": {"name": pod, "namespace": "default", "labels": labels},
            "spec": spec,
        }

    def _localise(self, volume: Manifest, given: Mapping[str, Mapping[str, str]]) -> None:
        if "secret" in volume:
            name = volume.pop("secret")["secretName"]
            if name in given:
                self.secret(name, given[name])
            (self.secrets / name).mkdir(exist_ok=True)
            volume["hostPath"] = {"path": str(self.secrets / name)}
        elif "persistentVolumeClaim" in volume:
            claim = self.claims / volume.pop("persistentVolumeClaim")["claimName"]
            claim.mkdir(exist_ok=True)
            volume["hostPath"] = {"path": str(claim)}
        elif "hostPath" in volume:
            seen = self.host / volume["hostPath"]["path"].lstrip("/")
            seen.mkdir(parents=True, exist_ok=True)
            volume["hostPath"] = {"path": str(seen)}


def rendered(kind: str) -> str:
    """The file of ``docker/kubernetes``."""
    return (KUBERNETES / f"{kind}.yaml").read_text()


def classic(kind: str) -> str:
    """The same in the classic form, rendered now."""
    source = KUBERNETES / "source"
    files = [source / f"{kind}.document.yaml", source / f"{kind}.pod.yaml"]
    command = [str(Path(sys.executable).parent / "phfs-sidecar"), "render", *map(str, files)]
    done = subprocess.run(
        [*command, "--classic"], check=True, capture_output=True, text=True, timeout=60
    )
    return done.stdout


def keys_of(minio: MinioServer, bucket: str) -> dict[str, str]:
    """What is in the store's Secret for the group Research_A."""
    keys = minio.group_keys(bucket, "research-a")
    return {"access-key-id": keys.access_key, "secret-access-key": keys.secret_key}


def inside(pid: int, script: str, *, user: bool = True, code: int | None = 0) -> str:
    """Run a shell script in a container by a process of it, as 1000:100 or root; its output. It
    ends with the container."""
    identity = ["setpriv", "--reuid=1000", "--regid=100", "--clear-groups", "--"] if user else []
    done = subprocess.run(
        ["nsenter", f"--target={pid}", "--mount", "--pid", "--", *identity, "sh", "-c", script],
        capture_output=True, text=True, check=False, timeout=120,
    )  # fmt: skip
    assert code is None or done.returncode == code, f"{script}: {done.stdout}{done.stderr}"
    return done.stdout + done.stderr


def processes_below(pid: int) -> Iterator[int]:
    """A process and all its descendants."""
    yield pid
    for task in Path(f"/proc/{pid}/task").glob("*"):
        for child in (task / "children").read_text().split():
            yield from processes_below(int(child))
