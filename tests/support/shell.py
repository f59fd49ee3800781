"""Somebody in front of a shell who calls ``phfs`` with the keys of one group.

Owns the environment of the calls, and that none of the processes outlives its test. Called by tests
that run commands which need no mount.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from mypy_boto3_s3 import S3Client

from tests.real.conftest import new_place
from tests.support.minio import MinioServer
from tests.support.processes import end

PHFS = str(Path(sys.executable).parent / "phfs")

PATIENCE = 240


class Shell:
    """Calls ``phfs`` in ``directory``; ``endpoint_url`` may be that of a proxy."""

    def __init__(
        self, minio: MinioServer, s3: S3Client, directory: Path, endpoint_url: str | None = None
    ) -> None:
        place = new_place(minio)
        self.s3 = s3
        self.bucket = place.bucket
        self.prefix = place.prefix
        self.directory = directory
        self.state = directory / ".state"
        self.environ = {
            "PATH": os.environ["PATH"],
            "HOME": str(directory),
            "PHFS_ENDPOINT_URL": endpoint_url or minio.endpoint_url,
            "PHFS_ACCESS_KEY_ID": place.keys.access_key,
            "PHFS_SECRET_ACCESS_KEY": place.keys.secret_key,
            "PHFS_STATE_DIR": str(self.state),
            "PHFS_BUCKET": place.bucket,
            "PHFS_GROUP": place.group,
            # A loaded machine is no reason to ask twice, where a test counts what was asked.
            "PHFS_TIMEOUT": "120",
            "PHFS_RETRY_DEADLINE": "240",
        }
        self._started: list[subprocess.Popen[bytes]] = []

    def call(
        self, *words: str, stdin: bytes = b"", environ: Mapping[str, str] | None = None
    ) -> subprocess.CompletedProcess[bytes]:
        """Run ``phfs`` to its end."""
        return subprocess.run(
            [PHFS, *words],
            cwd=self.directory,
            env={**self.environ, **(environ or {})},
            input=stdin,
            capture_output=True,
            timeout=PATIENCE,
            check=False,
        )

    def good(self, *words: str) -> str:
        """What a call says to standard error that succeeds."""
        done = self.call(*words)
        assert done.returncode == 0, done.stderr.decode()
        return done.stderr.decode()

    def json(self, *words: str) -> Any:
        """The document of a call, whatever becomes of it."""
        return json.loads(self.call(*words, "--json").stdout)

    def start(self, *words: str) -> subprocess.Popen[bytes]:
        """Begin a call."""
        process = subprocess.Popen(
            [PHFS, *words],
            cwd=self.directory,
            env=self.environ,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            start_new_session=True,
        )
        self._started.append(process)
        return process

    def close(self) -> None:
        """End what still runs."""
        for process in self._started:
            end(process, signal.SIGKILL, PATIENCE)
            for pipe in (process.stdout, process.stderr):
                if pipe is not None:
                    pipe.close()

    def put(self, key: str, data: bytes, **more: Any) -> None:
        """Store an object from outside."""
        self.s3.put_object(Bucket=self.bucket, Key=self.prefix + key, Body=data, **more)

    def get(self, key: str) -> bytes:
        """An object's bytes from outside."""
        answer = self.s3.get_object(Bucket=self.bucket, Key=self.prefix + key)
        with answer["Body"] as body:
            return body.read()

    def keys(self) -> list[str]:
        """All keys of the group."""
        pages = self.s3.get_paginator("list_objects_v2").paginate(
            Bucket=self.bucket, Prefix=self.prefix
        )
        found = [item["Key"] for page in pages for item in page.get("Contents", ())]
        return [key.removeprefix(self.prefix) for key in found]

    def uploads(self, key: str) -> int:
        """How many multipart uploads of a key nobody has ended."""
        answer = self.s3.list_multipart_uploads(Bucket=self.bucket, Prefix=self.prefix + key)
        return len(answer.get("Uploads", ()))
