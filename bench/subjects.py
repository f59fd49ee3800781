"""What is measured: a mount as a real process, and the floor, boto3 without a mount.

Owns the processes and the figures of a process (CPU seconds, peak resident memory). Called by
``bench/__main__``.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

import boto3
from boto3.s3.transfer import TransferConfig
from botocore.config import Config
from mypy_boto3_s3 import S3Client

from tests.support.minio import MinioServer

MIB = 1024**2
THREADS = 4
PIECE = 8 * MIB
GROUP = "bench"
PREFIX = f"groups/{GROUP}/"


class Usage(NamedTuple):
    """CPU seconds used so far, and the peak resident memory in MiB since it was last reset."""

    cpu: float
    peak_mib: float


class Floor:
    """boto3 with four threads of 8 MiB, or one small request after the other."""

    def __init__(self, server: MinioServer) -> None:
        self.bucket = server.bucket
        self.client: S3Client = boto3.session.Session().client(
            "s3",
            endpoint_url=server.endpoint_url,
            region_name="us-east-1",
            aws_access_key_id=server.access_key,
            aws_secret_access_key=server.secret_key,
            config=Config(s3={"addressing_style": "path"}, max_pool_connections=2 * THREADS),
        )

    def read(self, key: str, size: int) -> None:
        """Read an object by ranged GETs."""

        def piece(start: int) -> int:
            last = min(start + PIECE, size) - 1
            answer = self.client.get_object(
                Bucket=self.bucket, Key=PREFIX + key, Range=f"bytes={start}-{last}"
            )
            return len(answer["Body"].read())

        with ThreadPoolExecutor(THREADS) as pool:
            assert sum(pool.map(piece, range(0, size, PIECE))) == size

    def get(self, key: str) -> int:
        """Read a small object by one GET."""
        return len(self.client.get_object(Bucket=self.bucket, Key=PREFIX + key)["Body"].read())

    def put(self, key: str, data: bytes) -> None:
        """Write a small object by one PUT."""
        self.client.put_object(Bucket=self.bucket, Key=PREFIX + key, Body=data)

    def upload(self, key: str, source: Path) -> None:
        """Write a large object from a file, as ``upload_file`` does."""
        config = TransferConfig(
            multipart_threshold=PIECE, multipart_chunksize=PIECE, max_concurrency=THREADS
        )
        self.client.upload_file(str(source), self.bucket, PREFIX + key, Config=config)

    def list(self, prefix: str) -> int:
        """Read the bare pages of a listing."""
        pages = self.client.get_paginator("list_objects_v2").paginate(
            Bucket=self.bucket, Prefix=PREFIX + prefix, Delimiter="/"
        )
        return sum(len(page.get("Contents", [])) for page in pages)

    def delete(self, key: str) -> None:
        """Delete an object."""
        self.client.delete_object(Bucket=self.bucket, Key=PREFIX + key)


class Mount:
    """``phfs-mount`` in the foreground, on a temporary directory."""

    def __init__(self, server: MinioServer, *options: str) -> None:
        self.path = Path(tempfile.mkdtemp(prefix="phfs-bench-"))
        command = [
            str(Path(sys.executable).with_name("phfs-mount")),
            server.bucket,
            str(self.path),
            f"--group={GROUP}",
            f"--endpoint-url={server.endpoint_url}",
            "--foreground",
            *options,
        ]
        environment = {
            **os.environ,
            "PHFS_ACCESS_KEY_ID": server.access_key,
            "PHFS_SECRET_ACCESS_KEY": server.secret_key,
        }
        self._process = subprocess.Popen(command, env=environment)
        while not os.path.ismount(self.path):
            if self._process.poll() is not None:
                raise RuntimeError("phfs-mount did not start")

    def usage(self) -> Usage:
        """CPU and peak memory of the daemon."""
        proc = Path("/proc") / str(self._process.pid)
        fields = (proc / "stat").read_text().rsplit(")", 1)[1].split()
        cpu = (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
        for line in (proc / "status").read_text().splitlines():
            if line.startswith("VmHWM:"):
                return Usage(cpu, int(line.split()[1]) / 1024)
        raise RuntimeError("the kernel tells no VmHWM")

    def reset_peak(self) -> None:
        """Begin to measure the peak anew (proc(5), clear_refs 5)."""
        (Path("/proc") / str(self._process.pid) / "clear_refs").write_text("5")

    def close(self) -> None:
        """Unmount and wait for the daemon."""
        self._process.terminate()
        self._process.wait(30)
        self.path.rmdir()
