"""The image itself: built, looked into, and run as ``docker/compose.yaml`` runs it."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import yaml
from mypy_boto3_s3 import S3Client

import phfs
from tests.image.test_compose import filled
from tests.sidecar.documents import dataset, raw
from tests.support.image import REPOSITORY, Image
from tests.support.minio import MinioServer
from tests.support.mounted import is_mounted
from tests.support.processes import poll_until

pytestmark = pytest.mark.real

MOST_BYTES = 120_000_000
START_SECONDS = 60.0
COMPOSE: dict[str, Any] = yaml.safe_load((REPOSITORY / "docker/compose.yaml").read_text())


@pytest.fixture(scope="module")
def image(tmp_path_factory: pytest.TempPathFactory) -> Image:
    return Image(tmp_path_factory.mktemp("image"))


def test_it_is_small(image: Image) -> None:
    assert 20_000_000 < image.archive.stat().st_size < MOST_BYTES


def test_the_commands_start(image: Image) -> None:
    for command in ("phfs", "phfs-mount", "phfs-sidecar"):
        assert image.run(command, "--version") == f"{command} {phfs.__version__}\n"
    assert "BUCKET|@NAME MOUNTPOINT" in image.run()


def test_what_it_needs_is_there_and_what_it_does_not_is_not(image: Image) -> None:
    for command in ("fusermount3", "git", "ssh", "mount", "umount", "mount.nfs"):
        image.run("sh", "-c", f"command -v {command}")
    for command in ("gcc", "cc", "pip", "pip3", "curl", "sudo"):
        image.run("sh", "-c", f"command -v {command}", code=127)


def test_its_user_has_no_rights_and_one_way_to_some(image: Image) -> None:
    assert image.run("id", "-u") == "10001\n"
    found = image.run("find", "/", "-xdev", "-perm", "/6000", "-type", "f", options=("--user=0",))
    assert found == "/usr/bin/fusermount3\n"
    image.run("sh", "-c", "! touch /opt/phfs/x 2>/dev/null && touch /var/lib/phfs/x")


def test_it_runs_on_a_root_that_cannot_be_written(image: Image) -> None:
    options = ("--read-only", "--read-only-tmpfs=false", "--cap-drop=all")
    assert image.run("phfs-mount", "--version", options=options)


def test_the_sidecar_checks_a_document(image: Image) -> None:
    document = json.dumps(raw(data=[dataset("numbers")]))
    image.run("phfs-sidecar", "check", "-", options=("--interactive",), text=document)
    wrong = document.replace("PodVolumes", "PodVolume")
    image.run("phfs-sidecar", "check", "-", options=("--interactive",), text=wrong, code=2)


def test_the_program_for_jobs_is_in_it(image: Image) -> None:
    script = "/opt/phfs/lib/python3*/site-packages/phfs/sidecar/phfs-artifacts"
    image.run("sh", "-c", f"sh {script} sh -c 'exit 5'", code=5)


@contextmanager
def shared(directory: Path) -> Iterator[Path]:
    """A directory whose mounts are seen on both sides of a container's wall."""
    directory.mkdir()
    subprocess.run(["mount", "--bind", directory, directory], check=True)
    try:
        subprocess.run(["mount", "--make-rshared", directory], check=True)
        yield directory
    finally:
        while is_mounted(directory):
            subprocess.run(["umount", "-R", "-l", directory], check=True)


def test_it_mounts_as_the_compose_file_says(
    image: Image, minio: MinioServer, s3: S3Client, tmp_path: Path
) -> None:
    bucket = minio.new_bucket()
    service = COMPOSE["services"]["mount"]
    program, _, *words = [filled(word) for word in service["command"]]
    log, identity = tmp_path / "log", tmp_path / "id"
    with shared(tmp_path / "volumes") as volumes, log.open("wb") as output:
        seen = volumes / "phfs"
        seen.mkdir()
        options = (
            "--network=host",
            f"--cidfile={identity}",
            f"--user={service['user']}",
            *(f"--device={device}" for device in service["devices"]),
            *(f"--cap-add={right}" for right in service["cap_add"]),
            f"--volume={volumes}:{service['volumes'][0]['target']}:rshared",
            f"--env=AWS_ENDPOINT_URL={minio.endpoint_url}",
            "--env=AWS_ACCESS_KEY_ID",
            "--env=AWS_SECRET_ACCESS_KEY",
        )
        process = subprocess.Popen(
            image.command(program, bucket, *words, options=options),
            env={
                **image.environ,
                "AWS_ACCESS_KEY_ID": minio.access_key,
                "AWS_SECRET_ACCESS_KEY": minio.secret_key,
            },
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
        )
        try:
            poll_until(
                lambda: process.poll() is not None or (seen / ".phfs").exists(),
                START_SECONDS,
                lambda: log.read_text(),
            )
            assert process.poll() is None, log.read_text()
            (seen / "hello").write_text("from outside")
            body = s3.get_object(Bucket=bucket, Key="groups/try/hello")["Body"].read()
            assert body == b"from outside"
            assert (seen / "hello").stat().st_uid == 1000
            pid = json.loads((seen / ".phfs/status.json").read_text())["pid"]
            told = image_exec(image, identity, "cat", f"/proc/{pid}/status")
            assert "Uid:\t10001\t10001\t10001\t10001" in told
            assert "CapPrm:\t0000000000000000" in told
        finally:
            stop(image, identity, process)
        assert process.returncode == 0, log.read_text()
        assert os.listdir(seen) == []


def image_exec(image: Image, identity: Path, *words: str) -> str:
    command = ["podman", "exec", "--user=0", identity.read_text(), *words]
    return subprocess.run(
        command, env=image.environ, capture_output=True, text=True, check=True, timeout=60
    ).stdout


def stop(image: Image, identity: Path, process: subprocess.Popen[bytes]) -> None:
    if identity.exists():
        command = ["podman", "stop", "--ignore", "--time=40", identity.read_text()]
        subprocess.run(command, env=image.environ, capture_output=True, check=False, timeout=90)
    else:
        process.kill()
    process.wait(60)
