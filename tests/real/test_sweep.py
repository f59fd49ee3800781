"""A job's artifacts on a real mount, and the command that removes them when their time is over."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from mypy_boto3_s3 import S3Client

from phfs.sidecar.artifacts import SCRIPT
from tests.real.conftest import MountWith
from tests.support.minio import Keys, MinioServer, s3_client
from tests.support.mounted import Mounted, Place
from tests.support.processes import poll_until

pytestmark = pytest.mark.real

PHFS = str(Path(sys.executable).parent / "phfs")
PATIENCE = 60.0


class Sweeper:
    """Somebody with keys for a bucket, in front of a shell."""

    def __init__(self, minio: MinioServer, s3: S3Client, bucket: str) -> None:
        self.minio = minio
        self.s3 = s3
        self.bucket = bucket
        self.keys = Keys(minio.access_key, minio.secret_key)

    def put(self, key: str, text: str = "x") -> None:
        self.s3.put_object(Bucket=self.bucket, Key=key, Body=text.encode())

    def left(self) -> list[str]:
        pages = self.s3.get_paginator("list_objects_v2").paginate(Bucket=self.bucket)
        return [item["Key"] for page in pages for item in page.get("Contents", ())]

    def call(self, *options: str, code: int = 0) -> subprocess.CompletedProcess[str]:
        ended = subprocess.run(
            [PHFS, "artifacts", "sweep", *options, "--endpoint-url", self.minio.endpoint_url],
            env={
                "PATH": os.environ["PATH"],
                "AWS_REGION": "us-east-1",
                "PHFS_ACCESS_KEY_ID": self.keys.access_key,
                "PHFS_SECRET_ACCESS_KEY": self.keys.secret_key,
            },
            capture_output=True,
            text=True,
            timeout=PATIENCE,
            check=False,
        )
        assert ended.returncode == code, ended.stdout + ended.stderr
        return ended

    def jobs(self, *options: str, code: int = 0) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = json.loads(self.call(*options, "--json", code=code).stdout)[
            "jobs"
        ]
        return found


@pytest.fixture
def sweeper(minio: MinioServer, s3: S3Client, bucket: str) -> Sweeper:
    return Sweeper(minio, s3, bucket)


def run_job(mount: Mounted, place: Path, **environ: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["sh", str(SCRIPT), "sh", "-c", "exit 4"],
        cwd=place,
        env={
            "PATH": os.environ["PATH"],
            "PRIMEHUB_PHFS_PATH": str(mount.path),
            "PHJOB_NAME": "job-1",
            "PHJOB_ARTIFACT_ENABLED": "true",
            **environ,
        },
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
    )


def test_from_a_job_to_the_sweep(
    mount_with: MountWith, minio: MinioServer, s3: S3Client, tmp_path: Path
) -> None:
    mount = mount_with("--metadata-ttl=0")
    place = tmp_path / "job"
    (place / "artifacts/.logs").mkdir(parents=True)
    (place / "artifacts/model.pt").write_bytes(b"w" * 300_000)
    (place / "artifacts/.logs/run").write_text("done")
    (place / "artifacts/empty").touch()
    mount.put("jobArtifacts/job-1/.metadata/monitoring", b"cpu")
    ended = run_job(mount, place)
    assert ended.returncode == 4
    assert "3 files, 293 KiB, are in" in ended.stderr, mount.errors()
    assert mount.get("jobArtifacts/job-1/model.pt") == b"w" * 300_000
    assert mount.get("jobArtifacts/job-1/.logs/run") == b"done"
    assert mount.get("jobArtifacts/job-1/empty") == b""
    assert mount.get("jobArtifacts/job-1/.metadata/monitoring") == b"cpu"
    expires = int(mount.get("jobArtifacts/job-1/.metadata/expiredAt"))

    group = mount.prefix.split("/")[1]
    sweeper = Sweeper(minio, s3, mount.bucket)
    mount.put("jobArtifacts/job-2/a", b"x")
    assert sweeper.jobs(mount.bucket, "--group", group) == []
    (job,) = sweeper.jobs(mount.bucket, "--group", group, f"--now={expires}")
    assert (job["job"], job["state"], job["expires"]) == ("job-1", "deleted", expires)
    assert [key for key in mount.keys("jobArtifacts/") if "/job-1/" in key] == []
    assert os.listdir(mount.path / "jobArtifacts") == ["job-2"]


def test_a_store_that_refuses_leaves_no_half(mount_with: MountWith, tmp_path: Path) -> None:
    mount = mount_with("--metadata-ttl=0")
    place = tmp_path / "job"
    (place / "artifacts").mkdir(parents=True)
    for name in ("a", "b", b"c\xff"):  # the last is no text, so it cannot be a key
        (place / "artifacts" / os.fsdecode(name)).write_text("x")
    ended = run_job(mount, place)
    assert ended.returncode == 4
    assert "No artifacts are kept: a file could not be written" in ended.stderr
    kept = mount.keys("jobArtifacts/")
    assert [key for key in kept if not key.endswith("/")] == []
    assert any(failure["errno"] == "EILSEQ" for failure in mount.errors())


def test_a_store_that_dies_half_way(mount_with: MountWith, tmp_path: Path) -> None:
    directory = tmp_path / "server"
    directory.mkdir()
    server = MinioServer(directory)
    try:
        keys = Keys(server.access_key, server.secret_key)
        place = Place(server.endpoint_url, server.bucket, "lab", keys)
        mount = mount_with("--timeout=5", "--retry-deadline=5", "--metadata-ttl=0", place=place)
        mount.s3 = s3_client(server.endpoint_url, server.access_key, server.secret_key)
        job = tmp_path / "job"
        (job / "artifacts").mkdir(parents=True)
        for number in range(900):
            (job / "artifacts" / f"{number:03}").write_text("x")
        with ThreadPoolExecutor() as pool, closing(mount.s3):
            running = pool.submit(run_job, mount, job)
            last = "jobArtifacts/job-1/020"
            poll_until(lambda: mount.keys(last) == [last], PATIENCE, lambda: str(mount.errors()))
            server.stop()
            ended = running.result(2 * PATIENCE)
            assert ended.returncode == 4
            assert "No artifacts are kept: a file could not be written" in ended.stderr
            server.start()
            left = mount.keys("jobArtifacts/")
            # The store was not there to take the copies back, so they keep the date of their end.
            assert "some copies could not be removed again" in ended.stderr
            assert "jobArtifacts/job-1/.metadata/expiredAt" in left
            sweeper = Sweeper(server, mount.s3, server.bucket)
            (swept,) = sweeper.jobs(server.bucket, f"--now={int(time.time()) + 700_000}")
            assert swept["state"] == "deleted"
            assert mount.keys("jobArtifacts/job-1/") == []
    finally:
        server.close()


def test_jobs_of_all_groups(sweeper: Sweeper) -> None:
    over = str(int(time.time()) - 1)
    for group in ("a", "b-c"):
        sweeper.put(f"groups/{group}/jobArtifacts/old/.metadata/expiredAt", over)
        sweeper.put(f"groups/{group}/jobArtifacts/old/d/file")
    sweeper.put("groups/a/jobArtifacts/odd/.metadata/expiredAt", "tomorrow\x1b")
    sweeper.put("groups/a/jobArtifacts/young/.metadata/expiredAt", str(int(time.time()) + 1000))
    sweeper.put("groups/a/file")
    before = sweeper.left()
    shown = sweeper.call(sweeper.bucket, "--dry-run")
    assert "groups/a/jobArtifacts/old/: 2 objects would be deleted" in shown.stdout
    assert f"{sweeper.bucket}: 2 expired, 1 malformed." in shown.stdout
    assert r"odd/: left as it is: .metadata/expiredAt is no number of seconds: 'tom" in shown.stderr
    assert "\x1b" not in shown.stderr
    assert sweeper.left() == before

    assert "1 deleted" in sweeper.call(sweeper.bucket, "--group", "B_C").stdout
    assert sweeper.left() == [key for key in before if not key.startswith("groups/b-c/")]
    assert {job["state"] for job in sweeper.jobs(sweeper.bucket)} == {"deleted", "malformed"}
    assert sweeper.left() == [
        "groups/a/file",
        "groups/a/jobArtifacts/odd/.metadata/expiredAt",
        "groups/a/jobArtifacts/young/.metadata/expiredAt",
    ]
    assert [job["state"] for job in sweeper.jobs(sweeper.bucket)] == ["malformed"]


def test_a_groups_keys_sweep_that_group_and_no_other(sweeper: Sweeper) -> None:
    for group in ("mine", "theirs"):
        sweeper.put(f"groups/{group}/jobArtifacts/old/.metadata/expiredAt", "1700000000")
    sweeper.keys = sweeper.minio.group_keys(sweeper.bucket, "mine")
    refused = sweeper.call(sweeper.bucket, code=1)
    assert "phfs:" in refused.stderr
    assert "Traceback" not in refused.stderr
    sweeper.call(sweeper.bucket, "--group", "theirs", code=1)
    sweeper.call(sweeper.bucket, "--group", "mine")
    assert sweeper.left() == ["groups/theirs/jobArtifacts/old/.metadata/expiredAt"]


def test_wrong_calls_are_refused_in_one_sentence(sweeper: Sweeper) -> None:
    for options, code, words in (
        ([], 2, "BUCKET is missing"),
        (["b", "--group", "a/b"], 2, "'a/b' cannot be a group"),
        (["b", "--now", "soon"], 2, "--now 'soon' is wrong: give a time in seconds"),
        (["no-such-bucket-here"], 1, "no bucket 'no-such-bucket-here' at http://"),
        (["no-such-bucket-here"], 1, "Check the bucket's name and --endpoint-url."),
    ):
        ended = sweeper.call(*options, code=code)
        assert words in ended.stderr
        assert len(ended.stderr.splitlines()) == 1
