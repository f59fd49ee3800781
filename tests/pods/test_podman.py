"""The classic form: the notebook and the job of ``docker/kubernetes/source``, played by podman."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import NamedTuple

import pytest
import yaml
from mypy_boto3_s3 import S3Client

from tests.pods.node import Manifest, Node, classic, inside, keys_of
from tests.support.image import Image
from tests.support.minio import MinioServer
from tests.support.mounted import is_mounted
from tests.support.processes import poll_until

pytestmark = pytest.mark.real

PATIENCE = 90.0


def for_podman(pod: Manifest, shared: Path) -> Manifest:
    """Podman's ``kube play`` has no pieces of a volume, no probes over http without curl and no
    ports in the machine's network: the shared volume is a directory of the machine, its pieces are
    directories in it, and nobody asks for the sidecar's health. Empty volumes and pieces are
    everybody's to write to, as the kubelet makes them."""
    spec: Manifest = pod["spec"]
    sidecar, *mains = spec["containers"]
    for field in ("readinessProbe", "ports"):
        del sidecar[field]
    for volume in spec["volumes"]:
        if volume["name"] == "phfs-volumes":
            del volume["emptyDir"]
            volume["hostPath"] = {"path": str(shared)}
        if volume["name"] == "phfs-end":
            del volume["emptyDir"]
            volume["hostPath"] = {"path": str(writable(shared.with_name("end")))}
    pieces: dict[str, Manifest] = {}
    for container in mains:
        for mount in container["volumeMounts"]:
            if mount["name"] == "phfs-volumes":
                piece = writable(shared / mount.pop("subPath"))
                mount["name"] = f"piece-{piece.relative_to(shared)}".replace("/", "-")
                pieces[mount["name"]] = {
                    "name": mount["name"],
                    "hostPath": {"path": str(piece)},
                }
    spec["volumes"] += pieces.values()
    return pod


def writable(directory: Path) -> Path:
    directory.mkdir(parents=True, exist_ok=True)
    directory.chmod(0o777)
    return directory


@contextmanager
def propagating(directory: Path) -> Iterator[Path]:
    """A directory whose mounts are seen by containers."""
    directory.mkdir()
    subprocess.run(["mount", "--bind", directory, directory], check=True)
    try:
        subprocess.run(["mount", "--make-rshared", directory], check=True)
        yield directory
    finally:
        while is_mounted(directory):
            subprocess.run(["umount", "-R", "-l", directory], check=True)


class Played(NamedTuple):
    image: Image
    name: str
    shared: Path

    def podman(self, *words: str) -> str:
        done = subprocess.run(
            ["podman", *words], env=self.image.environ, capture_output=True, text=True, check=False,
            timeout=120,
        )  # fmt: skip
        assert done.returncode == 0, f"{words}: {done.stderr}\n{self.said() if words else ''}"
        return done.stdout

    def said(self) -> str:
        """What its containers have printed."""
        command = ["podman", "pod", "logs", self.name]
        done = subprocess.run(command, env=self.image.environ, capture_output=True, text=True,
                              check=False, timeout=120)  # fmt: skip
        return done.stdout + done.stderr

    def state(self, container: str, field: str) -> str:
        name = f"{self.name}-{container}"
        return self.podman("inspect", "--format", f"{{{{.State.{field}}}}}", name).strip()


@contextmanager
def play(pod: Manifest, image: Image, directory: Path) -> Iterator[Played]:
    with ExitStack() as cleaning:
        shared = cleaning.enter_context(propagating(directory / "shared"))
        file = directory / "pod.yaml"
        file.write_text(yaml.safe_dump(for_podman(pod, shared)))
        played = Played(image, pod["metadata"]["name"], shared)
        cleaning.callback(
            subprocess.run,
            ["podman", "pod", "rm", "--force", "--ignore", "--time=10", played.name],
            env=image.environ, capture_output=True, check=False, timeout=120,
        )  # fmt: skip
        played.podman("kube", "play", "--quiet", str(file))
        number = played.podman("pod", "inspect", "--format={{.Id}}", played.name).strip()
        cleaning.callback(forget, number)
        cleaning.callback(played.podman, "pod", "rm", "--force", "--time=10", played.name)
        yield played


def forget(pod: str) -> None:
    """Podman leaves a pod's empty control groups."""
    for group in Path("/sys/fs/cgroup").glob(f"*/libpod_parent/{pod}"):
        group.rmdir()


@pytest.fixture
def node(image: Image, tmp_path: Path) -> Iterator[Node]:
    directory = tmp_path / "node"
    directory.mkdir()
    made = Node(directory, image.name)
    yield made
    made.close()


def test_a_notebook_waits_for_its_volumes_and_leaves_nothing(
    image: Image, node: Node, minio: MinioServer, s3: S3Client, tmp_path: Path
) -> None:
    bucket = minio.new_bucket()
    node.secret("phfs-research-a", keys_of(minio, bucket))
    s3.put_object(Bucket=bucket, Key="groups/research-a/hello", Body=b"hello\n")

    def change(document: Manifest) -> None:
        document["store"] |= {"endpointUrl": minio.endpoint_url, "bucket": bucket}
        document["data"] = [one for one in document["data"] if one["spec"]["type"] == "pv"]

    script = "cat /phfs/hello && echo begun; trap exit TERM; while :; do sleep 0.2; done"
    name = f"phfs-notebook-{os.getpid()}"
    pod = node.localised(classic("notebook"), ["sh", "-c", script], change, name)
    with play(pod, image, tmp_path) as played:
        poll_until(lambda: "begun" in played.said(), PATIENCE, played.said)
        pid = int(played.state("notebook", "Pid"))
        inside(pid, "echo from the pod >/phfs/made && echo mine >/home/jovyan/../jovyan/phfs/two")
        for key, body in (("made", b"from the pod\n"), ("two", b"mine\n")):
            stored = s3.get_object(Bucket=bucket, Key=f"groups/research-a/{key}")
            assert stored["Body"].read() == body
        played.podman("stop", "--time=60", f"{played.name}-phfs-sidecar")
        assert played.state("phfs-sidecar", "ExitCode") == "0", played.said()
        mounts = Path("/proc/self/mountinfo").read_text()
        assert f"{played.shared}/" not in mounts


def test_a_job_ends_its_sidecar(
    image: Image, node: Node, minio: MinioServer, s3: S3Client, tmp_path: Path
) -> None:
    bucket = minio.new_bucket()
    node.secret("phfs-research-a", keys_of(minio, bucket))

    def change(document: Manifest) -> None:
        document["store"] |= {"endpointUrl": minio.endpoint_url, "bucket": bucket}

    script = "mkdir artifacts && echo result >artifacts/model; exit 7"
    name = f"phfs-job-{os.getpid()}"
    pod = node.localised(classic("job"), ["sh", "-c", script], change, name)
    with play(pod, image, tmp_path) as played:
        for container, code in (("job", "7"), ("phfs-sidecar", "0")):
            poll_until(
                lambda one=container: played.state(one, "Status") == "exited",  # type: ignore[misc]
                PATIENCE,
                played.said,
            )
            assert played.state(container, "ExitCode") == code, played.said()
        stored = s3.get_object(
            Bucket=bucket, Key="groups/research-a/jobArtifacts/job-202611-abc/model"
        )
        assert stored["Body"].read() == b"result\n"
