"""A real MinIO on loopback for one test session, and keys that reach only one group's objects.

Owns the server's process and its data directory. Called by the fixtures of ``tests/conftest.py``.
"""

from __future__ import annotations

import contextlib
import itertools
import os
import secrets
import shutil
import signal
import socket
import ssl
import subprocess
import time
import urllib.request
from pathlib import Path
from typing import NamedTuple

import boto3
from botocore.config import Config
from minio.credentials.providers import StaticProvider
from minio.minioadmin import MinioAdmin
from mypy_boto3_s3 import S3Client

REGION = "us-east-1"
START_SECONDS = 60.0
"""MinIO is ready in about a second; a loaded machine of two cores takes a few, or many."""


class Keys(NamedTuple):
    """An access key and its secret."""

    access_key: str
    secret_key: str


def find_minio() -> Path:
    """The MinIO binary: $PHFS_MINIO, PATH, ~/.cache/phfs/bin. Raises ``RuntimeError`` if none."""
    cached = Path.home() / ".cache/phfs/bin/minio"
    named = os.environ.get("PHFS_MINIO")
    on_path = shutil.which("minio")
    for candidate in (named, on_path, cached):
        if candidate and os.access(candidate, os.X_OK):
            return Path(candidate)
    raise RuntimeError(
        f"the tests need a MinIO server and found none in $PHFS_MINIO, on PATH or at {cached}: "
        "`make test` builds it, or `go install github.com/minio/minio@latest`"
    )


def free_port() -> int:
    """A loopback TCP port nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def reserved_port() -> socket.socket:
    """A loopback TCP port as a socket that is bound to it and never listens: as long as it is open
    nobody is given the port by chance, and a server that says SO_REUSEADDR can listen on it."""
    sock = socket.socket()
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    sock.bind(("127.0.0.1", 0))
    return sock


def s3_client(endpoint_url: str, access_key: str, secret_key: str) -> S3Client:
    """A boto3 client that looks at the store from outside PHFS; the caller closes it."""
    return boto3.session.Session().client(
        "s3",
        endpoint_url=endpoint_url,
        region_name=REGION,
        aws_access_key_id=access_key,
        aws_secret_access_key=secret_key,
        config=Config(s3={"addressing_style": "path"}, retries={"total_max_attempts": 1}),
    )


class MinioServer:
    """A MinIO process with one bucket (``bucket``) to start with.

    ``endpoint_url`` is ``http://127.0.0.1:<port>``; ``access_key`` and ``secret_key`` are root's.
    ``domain``: in which each bucket is a host, too. ``listens_on``: an address, or all of them.
    """

    def __init__(
        self,
        directory: Path,
        root: Keys | None = None,
        *,
        domain: str = "",
        listens_on: str = "127.0.0.1",
    ) -> None:
        self._domain = domain
        self.access_key, self.secret_key = root or Keys("phfs-root", secrets.token_hex(16))
        self._directory = directory
        self._numbers = itertools.count(1)
        self._groups: dict[tuple[str, str], Keys] = {}
        self._process: subprocess.Popen[bytes] | None = None
        self._port = reserved_port()
        number = self._port.getsockname()[1]
        self._address = f"127.0.0.1:{number}"
        self._listens_on = f"{listens_on}:{number}"
        self.start()
        self._client = s3_client(self.endpoint_url, self.access_key, self.secret_key)
        self.bucket = self.new_bucket()

    @property
    def endpoint_url(self) -> str:
        """The URL of the S3 interface."""
        return f"http://{self._address}"

    @property
    def trash(self) -> Path:
        """Where it puts what was deleted, and empties it from five minutes after its start on."""
        return self._directory / "data/.minio.sys/tmp/.trash"

    def start(self) -> None:
        """Start the process (again, with the same data and address) and wait until it answers."""
        log = self._directory / "minio.log"
        console = f"127.0.0.1:{free_port()}"
        with log.open("ab") as output:
            self._process = subprocess.Popen(
                [
                    str(find_minio()),
                    "server",
                    "--quiet",
                    f"--address={self._listens_on}",
                    f"--console-address={console}",
                    str(self._directory / "data"),
                ],
                env={
                    "HOME": str(self._directory),
                    "MINIO_ROOT_USER": self.access_key,
                    "MINIO_ROOT_PASSWORD": self.secret_key,
                    "MINIO_BROWSER": "off",
                    "MINIO_UPDATE": "off",
                    **({"MINIO_DOMAIN": self._domain} if self._domain else {}),
                },
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                # Ctrl-C is for whoever started it, who still needs it to end in order.
                start_new_session=True,
            )
        give_up = time.monotonic() + START_SECONDS
        while not self._ready():
            if self._process.poll() is not None or time.monotonic() > give_up:
                self.stop()
                raise RuntimeError(f"MinIO did not start:\n{log.read_text(errors='replace')}")
            time.sleep(0.05)

    def stop(self) -> None:
        """Kill the process; its data stay."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    def freeze(self) -> None:
        """From now on connections are taken and nothing is answered, until ``thaw``."""
        assert self._process is not None
        self._process.send_signal(signal.SIGSTOP)
        os.waitid(os.P_PID, self._process.pid, os.WSTOPPED)  # until then it may answer

    def thaw(self) -> None:
        """Answer again."""
        assert self._process is not None
        self._process.send_signal(signal.SIGCONT)

    def close(self) -> None:
        """Kill the process and let go of every connection."""
        self._client.close()
        self.stop()
        self._port.close()

    def new_bucket(self) -> str:
        """Make a bucket with a name not used before."""
        bucket = f"bucket-{next(self._numbers)}"
        self._client.create_bucket(Bucket=bucket)
        return bucket

    def group_keys(self, bucket: str, group: str) -> Keys:
        """A key pair that may list, read, write and delete below ``groups/<group>/``, no more."""
        known = self._groups.get((bucket, group))
        if known is not None:
            return known
        keys = Keys(f"{bucket}-{group}", secrets.token_hex(16))
        admin = MinioAdmin(
            endpoint=self._address,
            credentials=StaticProvider(self.access_key, self.secret_key),
            secure=False,
        )
        admin.user_add(*keys)
        admin.policy_add(keys.access_key, policy=_group_policy(bucket, f"groups/{group}/*"))
        admin.policy_set(keys.access_key, user=keys.access_key)
        self._groups[bucket, group] = keys
        return keys

    def _ready(self) -> bool:
        with (
            contextlib.suppress(OSError),
            urllib.request.urlopen(f"{self.endpoint_url}/minio/health/ready", timeout=1) as answer,
        ):
            # It says 200 before it serves, with a header that it does not.
            offline = answer.headers.get("x-minio-server-status") == "offline"
            return bool(answer.status == 200 and not offline)
        return False


class SecureMinio(MinioServer):
    """A MinIO that speaks TLS only, with the certificate that lies in its home; ``bundle`` is the
    authority's, which the tests' own clients have to be given by AWS_CA_BUNDLE."""

    def __init__(self, directory: Path, bundle: Path, root: Keys | None = None) -> None:
        self.bundle = bundle
        super().__init__(directory, root)

    @property
    def endpoint_url(self) -> str:
        """The URL of the S3 interface."""
        return super().endpoint_url.replace("http:", "https:")

    def _ready(self) -> bool:
        context = ssl.create_default_context(cafile=str(self.bundle))
        try:
            with urllib.request.urlopen(
                f"{self.endpoint_url}/minio/health/ready", timeout=2, context=context
            ) as answer:
                offline = answer.headers.get("x-minio-server-status") == "offline"
                return bool(answer.status == 200 and not offline)
        except OSError:
            return False


def _group_policy(bucket: str, pattern: str) -> dict[str, object]:
    return {
        "Version": "2012-10-17",
        "Statement": [
            {
                "Effect": "Allow",
                "Action": ["s3:ListBucket"],
                "Resource": [f"arn:aws:s3:::{bucket}"],
                "Condition": {"StringLike": {"s3:prefix": [pattern]}},
            },
            {
                "Effect": "Allow",
                "Action": [
                    "s3:GetObject",
                    "s3:PutObject",
                    "s3:DeleteObject",
                    "s3:AbortMultipartUpload",
                ],
                "Resource": [f"arn:aws:s3:::{bucket}/{pattern}"],
            },
        ],
    }
