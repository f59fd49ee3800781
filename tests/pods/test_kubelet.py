"""The manifests of ``docker/kubernetes`` on a real kubelet, with the real image and MinIO."""

from __future__ import annotations

import json
import os
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from botocore.exceptions import ClientError
from mypy_boto3_s3 import S3Client

from tests.pods.node import (
    Manifest,
    Node,
    classic,
    inside,
    keys_of,
    processes_below,
    rendered,
)
from tests.support.git_server import Origin, git_daemon
from tests.support.kubelet import Kubelet
from tests.support.minio import MinioServer, s3_client
from tests.support.processes import poll_until

pytestmark = pytest.mark.real

SIDECAR = "phfs-sidecar"
PATIENCE = 90.0

NOTEBOOK = """
set -e
IFS=,
for each in $CHOWN_EXTRA; do chown -R 1000:100 "$each"; done
unset IFS
exec setpriv --reuid=1000 --regid=100 --clear-groups -- sh -ec '
    cat /phfs/hello /datasets/code/README /datasets/imagenet/one
    echo from the pod >/phfs/made
    echo begun
    trap "exit 0" TERM
    while :; do sleep 0.2; done'
"""


def stored(s3: S3Client, bucket: str, key: str) -> bytes | None:
    try:
        return s3.get_object(Bucket=bucket, Key=f"groups/research-a/{key}")["Body"].read()
    except ClientError:
        return None


def store(document: Manifest, minio: MinioServer, bucket: str) -> None:
    document["store"] |= {"endpointUrl": minio.endpoint_url, "bucket": bucket}


def wait_for_output(kubelet: Kubelet, name: str, container: str, words: str) -> None:
    """Wait until a container has printed words, in its first run."""

    def printed() -> bool:
        ended = kubelet.container(name, container).get("restartCount", 0) > 0
        assert not ended, kubelet.explain(name)
        return words in kubelet.output(name, container)

    kubelet.wait_running(name, container)
    poll_until(printed, PATIENCE, lambda: kubelet.explain(name))


class Notebook(NamedTuple):
    kubelet: Kubelet
    name: str
    bucket: str
    node: Node

    @property
    def pid(self) -> int:
        return self.kubelet.pid(self.name, "notebook")

    def sh(self, script: str, *, code: int | None = 0) -> str:
        return inside(self.pid, script, code=code)

    def status(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self.sh("cat /phfs/.phfs/status.json"))
        return found

    def daemon(self) -> int:
        """The process that serves /phfs, as the machine numbers it."""
        number = str(self.status()["pid"])
        for pid in processes_below(self.kubelet.pid(self.name, SIDECAR)):
            lines = Path(f"/proc/{pid}/status").read_text().splitlines()
            inner = next(line for line in lines if line.startswith("NSpid:")).split()[-1]
            if inner == number:
                return pid
        raise AssertionError("no process serves /phfs")


@pytest.fixture(scope="module")
def git_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    base = tmp_path_factory.mktemp("git")
    Origin(base / "code.git").commit({"README": "code\n"})
    with git_daemon(base) as url:
        yield f"{url}/code.git"


@pytest.fixture(scope="module")
def bucket(minio: MinioServer) -> str:
    return minio.new_bucket()


@pytest.fixture(scope="module")
def notebook(
    kubelet: Kubelet, node: Node, minio: MinioServer, bucket: str, git_url: str
) -> Iterator[Notebook]:
    """With an NFS server and a git server that nobody reaches."""

    def change(document: Manifest) -> None:
        store(document, minio, bucket)
        document["store"]["options"] = {"drain-seconds": 5}
        for volume in document["data"]:
            spec = volume["spec"]
            if spec["type"] == "git":
                spec["url"] = git_url
            if spec["type"] == "nfs":
                spec["nfs"]["server"] = "127.0.0.1"
        document["who"]["groups"][0]["roles"].append("ds:gone")
        document["data"].append({
            "apiVersion": "primehub.io/v1alpha1",
            "kind": "Dataset",
            "metadata": {"name": "gone"},
            "spec": {"type": "git", "url": "https://127.0.0.1:9/gone.git"},
        })  # fmt: skip

    s3 = s3_client(minio.endpoint_url, minio.access_key, minio.secret_key)
    s3.put_object(Bucket=bucket, Key="groups/research-a/hello", Body=b"hello\n")
    s3.close()
    node.secret("phfs-research-a", keys_of(minio, bucket))
    for claim in ("claim-alice", "project-research-a", "dataset-imagenet", "dataset-public"):
        (node.claims / claim).mkdir()
        (node.claims / claim / "one").write_text(f"{claim}\n")
    pod = node.localised(rendered("notebook"), ["sh", "-c", NOTEBOOK], change)
    name = kubelet.start(pod)
    try:
        wait_for_output(kubelet, name, "notebook", "begun")
        yield Notebook(kubelet, name, bucket, node)
    finally:
        if kubelet.has(name):
            kubelet.delete(name)


def test_the_notebook_begins_when_everything_is_there(notebook: Notebook, s3: S3Client) -> None:
    sidecar = notebook.kubelet.container(notebook.name, SIDECAR)
    main = notebook.kubelet.container(notebook.name, "notebook")
    assert sidecar["started"]
    kubelet = notebook.kubelet
    poll_until(
        lambda: kubelet.container(notebook.name, SIDECAR)["ready"],
        PATIENCE,
        lambda: kubelet.explain(notebook.name),
    )
    assert sidecar["restartCount"] == main["restartCount"] == 0
    assert sidecar["state"]["running"]["startedAt"] <= main["state"]["running"]["startedAt"]
    said = notebook.kubelet.output(notebook.name, "notebook").splitlines()
    assert said == ["hello", "code", "dataset-imagenet", "begun"]
    assert stored(s3, notebook.bucket, "made") == b"from the pod\n"


def test_every_volume_is_where_it_belongs(notebook: Notebook) -> None:
    node = notebook.node
    for path, claim in (
        ("/home/jovyan", "claim-alice"),
        ("/project/research-a", "project-research-a"),
        ("/datasets/public", "dataset-public"),
    ):
        assert notebook.sh(f"cat {path}/one && echo mine >{path}/two") == f"{claim}\n"
        made = node.claims / claim / "two"
        assert (made.read_text(), made.stat().st_uid, made.stat().st_gid) == ("mine\n", 1000, 100)
    notebook.sh("echo mine >/datasets/photos/two")
    assert (node.host / "mnt/photos/two").read_text() == "mine\n"
    for link, target in (
        ("phfs", "/phfs"),
        ("datasets", "/datasets"),
        ("research-a", "/project/research-a"),
        ("public", "/datasets/public"),
    ):
        assert notebook.sh(f"readlink /home/jovyan/{link}") == f"{target}\n"


def test_reading_only_is_the_mounts(notebook: Notebook) -> None:
    for path in ("/datasets/imagenet/x", "/datasets/code/x", "/datasets/x", "/run/phfs/x"):
        for user in (True, False):
            said = inside(notebook.pid, f": >{path}", user=user, code=2)
            assert "Read-only file system" in said


def test_its_variables_are_the_plans(notebook: Notebook) -> None:
    variables = Path(f"/proc/{notebook.pid}/environ").read_bytes().split(b"\0")
    assert {b"GROUP_NAME=Research_A", b"TOKENS_HUB=replace-me"} <= set(variables)
    told = notebook.sh("unset TOKENS_HUB; . /run/phfs/env.sh; echo $TOKENS_HUB")
    assert told == "replace-me\n"


def test_what_is_broken_says_so_and_stops_nothing_else(notebook: Notebook) -> None:
    for path in ("/phfs/.phfs/VOLUMES.txt", "/run/phfs/VOLUMES.txt"):
        said = notebook.sh(f"cat {path}")
        broken, _, rest = said.partition("\nIn place\n")
        assert " nfs " in broken
        assert " gone " in broken
        for name in ("phfs", "home", "Research_A", "code", "imagenet", "photos", "public"):
            assert f" {name} " in rest
    assert notebook.sh("cat /datasets/gone/x", code=None).endswith("No such file or directory\n")


def test_keys_are_nowhere_in_the_notebook(notebook: Notebook) -> None:
    assert notebook.sh("ls /pod /volumes /run/phfs-sidecar", code=None).count("No such file") == 3
    daemon = Path(f"/proc/{notebook.daemon()}/status").read_text()
    assert "Uid:\t65533\t65533\t65533\t65533" in daemon
    assert "CapPrm:\t0000000000000000" in daemon


def test_a_killed_daemon_is_replaced(notebook: Notebook) -> None:
    before = notebook.daemon()
    os.kill(before, signal.SIGKILL)

    def healed() -> bool:
        return notebook.sh("cat /phfs/hello", code=None) == "hello\n"

    poll_until(healed, PATIENCE, lambda: notebook.kubelet.explain(notebook.name))
    assert notebook.daemon() != before
    assert "SIGKILL" in notebook.sh("cat /phfs/.phfs/errors")
    notebook.sh("echo healed >/phfs/healed && rm /phfs/healed")
    assert notebook.kubelet.container(notebook.name, SIDECAR)["restartCount"] == 0


def test_a_killed_sidecar_is_replaced(notebook: Notebook, s3: S3Client) -> None:
    main = notebook.pid
    os.kill(notebook.kubelet.pid(notebook.name, SIDECAR), signal.SIGKILL)
    notebook.kubelet.wait_running(notebook.name, SIDECAR, restarts=1)

    def healed() -> bool:
        paths = "/phfs/hello /datasets/imagenet/one /datasets/code/README /project/research-a/one"
        return notebook.sh(f"cat {paths} >/dev/null", code=None) == ""

    poll_until(healed, PATIENCE, lambda: notebook.kubelet.explain(notebook.name))
    assert notebook.pid == main
    notebook.sh("echo again >/phfs/again")
    assert stored(s3, notebook.bucket, "again") == b"again\n"


def test_memory_is_enough(notebook: Notebook) -> None:
    notebook.sh("head -c 300000000 /dev/zero >/phfs/large && cat /phfs/large | wc -c")
    group = memory_group(notebook.kubelet.pid(notebook.name, SIDECAR))
    limit = next(f for f in ("memory.max", "memory.limit_in_bytes") if (group / f).exists())
    assert int((group / limit).read_text()) == 256 * 2**20
    kills = next(f for f in ("memory.events", "memory.oom_control") if (group / f).exists())
    counted = dict(line.split() for line in (group / kills).read_text().splitlines())
    assert counted["oom_kill"] == "0"
    notebook.sh("rm /phfs/large")


def memory_group(pid: int) -> Path:
    for line in Path(f"/proc/{pid}/cgroup").read_text().splitlines():
        _, controllers, path = line.split(":", 2)
        for base in (Path("/sys/fs/cgroup/memory"), Path("/sys/fs/cgroup")):
            if controllers in ("", "memory") and (base / path.lstrip("/") / "tasks").exists():
                return base / path.lstrip("/")
    raise AssertionError("no control group")


def test_the_end_saves_what_is_closed_and_says_what_is_not(
    notebook: Notebook, s3: S3Client
) -> None:
    """A process that does not belong to the pod keeps a file open until after the drain."""
    notebook.sh("head -c 20000000 /dev/zero >/phfs/closed")
    # No shell: each of a shell's commands would close the file, and so save it.
    slow = """if True:
    import os, time
    file = os.open("/phfs/growing", os.O_WRONLY | os.O_CREAT)
    for _ in range(30):
        os.write(file, bytes(1_000_000))
    print("open", flush=True)
    time.sleep(100_000)"""
    root, kubelet = notebook.kubelet.root, notebook.kubelet
    log = kubelet.logs(notebook.name, SIDECAR)[-1]
    with (
        log.open() as said,
        subprocess.Popen(
            ["nsenter", f"--target={notebook.pid}", "--mount", "--", "python3", "-c", slow],
            stdout=subprocess.PIPE,
        ) as writer,
    ):
        try:
            assert writer.stdout is not None
            assert writer.stdout.readline() == b"open\n"
            kubelet.delete(notebook.name)
        finally:
            writer.kill()
        text = said.read()
    closed = stored(s3, notebook.bucket, "closed")
    assert closed is not None
    assert len(closed) == 20_000_000
    assert stored(s3, notebook.bucket, "growing") is None
    assert "/growing" in text
    assert f"{root}/pods/" not in Path("/proc/self/mountinfo").read_text()


# -- the other kinds -----------------------------------------------------------------------------


def test_a_job_keeps_its_artifacts_and_takes_the_sidecar_with_it(
    kubelet: Kubelet, node: Node, minio: MinioServer, s3: S3Client
) -> None:
    bucket = minio.new_bucket()
    node.secret("phfs-research-a", keys_of(minio, bucket))
    script = "pwd; mkdir artifacts; echo result >artifacts/model; exit 7"
    pod = node.localised(
        rendered("job"), ["sh", "-c", script], lambda document: store(document, minio, bucket)
    )
    name = kubelet.start(pod)
    try:
        assert kubelet.wait_ended(name, "job") == 7
        said = kubelet.output(name, "job").splitlines()
        assert said[0] == "/home/jovyan"
        assert "phfs-artifacts: 1 file, 1 KiB, are in /phfs/jobArtifacts/job-202611-abc" in said[1]
        assert kubelet.wait_ended(name, SIDECAR) == 0, kubelet.explain(name)
        assert stored(s3, bucket, "jobArtifacts/job-202611-abc/model") == b"result\n"
        date = stored(s3, bucket, "jobArtifacts/job-202611-abc/.metadata/expiredAt")
        assert date is not None
        assert int(date) > 1_700_000_000
        mounts = Path("/proc/self/mountinfo").read_text()
        assert "phfs" not in {line.split(" - ")[1].split()[0] for line in mounts.splitlines()}
    finally:
        kubelet.delete(name)


def test_in_the_classic_form_a_job_ends_the_pod(
    kubelet: Kubelet, node: Node, minio: MinioServer, s3: S3Client
) -> None:
    """Its container starts beside the sidecar, so its pieces of the volume are there before
    anything is mounted at them."""
    bucket = minio.new_bucket()
    node.secret("phfs-research-a", keys_of(minio, bucket))
    script = """mkdir artifacts
    cat /datasets/imagenet/one >artifacts/model
    stat -c '%u:%g %a' . /run/phfs >>artifacts/model"""
    (node.claims / "dataset-imagenet").mkdir(exist_ok=True)
    (node.claims / "dataset-imagenet/one").write_text("classic\n")
    pod = node.localised(
        classic("job"),
        ["sh", "-c", script],
        lambda document: store(document, minio, bucket),
        "classic",
    )
    name = kubelet.start(pod)
    try:
        assert kubelet.wait_ended(name, "job") == 0, kubelet.explain(name)
        assert kubelet.wait_ended(name, SIDECAR) == 0, kubelet.explain(name)
        assert stored(s3, bucket, "jobArtifacts/job-202611-abc/model") == (
            b"classic\n1000:100 755\n0:0 755\n"
        )
    finally:
        kubelet.delete(name)


def test_an_app_with_wrong_keys_has_the_rest_and_later_everything(
    kubelet: Kubelet, node: Node, minio: MinioServer, s3: S3Client
) -> None:
    bucket = minio.new_bucket()
    right = keys_of(minio, bucket)
    node.secret("phfs-research-a", {**right, "secret-access-key": "wrong"})
    script = """cd "$PRIMEHUB_APP_ROOT" && echo kept >file && echo begun || exit
    trap "exit 0" TERM
    while :; do sleep 0.2; done"""
    pod = node.localised(
        rendered("app"), ["sh", "-c", script], lambda document: store(document, minio, bucket)
    )
    # The group's volume is its members': here the user's.
    os.chown(node.claims / "project-research-a", 1000, 100)
    name = kubelet.start(pod)
    try:
        wait_for_output(kubelet, name, "app", "begun")
        kept = node.claims / "project-research-a/phapplications/mlflow/file"
        assert kept.read_text() == "kept\n"
        pid = kubelet.pid(name, "app")
        for path in ("/phfs/VOLUMES.txt", "/run/phfs/VOLUMES.txt"):
            said = inside(pid, f"cat {path}").partition("\nIn place\n")[0]
            assert " phfs " in said
            assert "key" in said
        node.secret("phfs-research-a", right)
        poll_until(
            lambda: inside(pid, "ls -d /phfs/.phfs", code=None) == "/phfs/.phfs\n",
            PATIENCE,
            lambda: kubelet.explain(name),
        )
        inside(pid, "echo late >/phfs/late")
        assert stored(s3, bucket, "late") == b"late\n"
    finally:
        kubelet.delete(name)


def test_a_model_server_reads_only(
    kubelet: Kubelet, node: Node, minio: MinioServer, s3: S3Client
) -> None:
    bucket = minio.new_bucket()
    node.secret("phfs-research-a-reads", keys_of(minio, bucket))
    s3.put_object(Bucket=bucket, Key="groups/research-a/models/digits", Body=b"weights\n")
    script = "cat /phfs/models/digits; : >/phfs/x; trap 'exit 0' TERM; while :; do sleep 0.2; done"
    pod = node.localised(
        rendered("deployment"),
        ["bash", "-c", script],
        lambda document: store(document, minio, bucket),
    )
    name = kubelet.start(pod)
    try:
        wait_for_output(kubelet, name, "model", "Read-only file system")
        assert kubelet.output(name, "model").splitlines()[0] == "weights"
        assert stored(s3, bucket, "x") is None
    finally:
        kubelet.delete(name)
