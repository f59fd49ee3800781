"""Ceph's radosgw on loopback for one test session: a second real S3 server, unlike MinIO.

Owns its three processes (a monitor, one OSD that keeps everything in memory, the gateway) and
their directory. Called by the fixture of ``tests/conftest.py``.
"""

from __future__ import annotations

import contextlib
import itertools
import secrets
import shutil
import signal
import subprocess
import time
import urllib.request
from pathlib import Path
from uuid import uuid4

from tests.support.minio import free_port, s3_client

START_SECONDS = 90.0
"""A few seconds on an idle machine."""

PROGRAMS = ("ceph", "ceph-mon", "ceph-osd", "radosgw")

CONFIGURATION = """\
[global]
fsid = {fsid}
run dir = {directory}
admin socket = {directory}/$name.asok
log file = {directory}/$name.log
keyring = {directory}/keyring
mon host = v2:127.0.0.1:{mon_port}
ms bind ipv4 = true
ms bind ipv6 = false
public addr = 127.0.0.1
cluster addr = 127.0.0.1
auth allow insecure global id reclaim = false
osd pool default size = 1
osd pool default min size = 1
osd pool default pg num = 1
osd pool default pgp num = 1
osd pool default pg autoscale mode = off
osd crush chooseleaf type = 0
mon allow pool size one = true
mon data avail crit = 0
mon data avail warn = 0
paxos propose interval = 0.05
paxos min wait = 0.01
mon data = {directory}/mon
osd data = {directory}/osd
osd objectstore = memstore
memstore device bytes = 4294967296
osd class load list = *
osd class default list = *
osd max object name len = 2048
[client.rgw]
rgw frontends = beast endpoint=127.0.0.1:{port} tcp_nodelay=1
rgw data = {directory}/rgw
rgw enable usage log = false
rgw gc obj min wait = 5
rgw gc processor period = 5
rgw gc processor max time = 60
rgw enable lc threads = false
rgw thread pool size = 128
rgw dns name =
"""


class RadosGateway:
    """Has the same attributes as ``MinioServer``, but no keys for groups.

    ``stop`` and ``start`` are those of the gateway: its objects are the OSD's and stay. A missing
    program is a ``RuntimeError``.
    """

    def __init__(self, directory: Path) -> None:
        missing = [name for name in PROGRAMS if shutil.which(name) is None]
        if missing:
            raise RuntimeError(
                f"the tests need Ceph's {', '.join(missing)}: `scripts/system-packages test`"
            )
        self.access_key = "PHFSRADOSGW"
        self.secret_key = secrets.token_hex(16)
        self._directory = directory
        self._numbers = itertools.count(1)
        self._port = free_port()
        self._processes: list[subprocess.Popen[bytes]] = []
        self._gateway: subprocess.Popen[bytes] | None = None
        try:
            self._start_cluster()
            self._ceph(
                "radosgw-admin",
                "--name=client.rgw",
                "user",
                "create",
                "--uid=phfs",
                "--display-name=phfs",
                "--max-buckets=0",
                f"--access-key={self.access_key}",
                f"--secret={self.secret_key}",
            )
            self.start()
        except BaseException:
            self._kill()
            raise
        self._client = s3_client(self.endpoint_url, self.access_key, self.secret_key)
        self.bucket = self.new_bucket()

    @property
    def endpoint_url(self) -> str:
        """The URL of the S3 interface."""
        return f"http://127.0.0.1:{self._port}"

    @property
    def configuration(self) -> Path:
        """The cluster's ``ceph.conf``, for its programs."""
        return self._directory / "ceph.conf"

    def start(self) -> None:
        """Start the gateway (again, at the same address) and wait until it answers."""
        self._gateway = self._spawn("radosgw", "--name=client.rgw")
        give_up = time.monotonic() + START_SECONDS
        while not self._answers():
            if self._gateway.poll() is not None or time.monotonic() > give_up:
                raise RuntimeError(f"radosgw did not start:\n{self._said()}")
            time.sleep(0.05)

    def stop(self) -> None:
        """Kill the gateway."""
        if self._gateway is not None:
            self._gateway.kill()
            self._gateway.wait()
            self._gateway = None

    def freeze(self) -> None:
        """Let the gateway hang: it takes connections and answers nothing."""
        assert self._gateway is not None
        self._gateway.send_signal(signal.SIGSTOP)

    def thaw(self) -> None:
        """Let it go on."""
        assert self._gateway is not None
        self._gateway.send_signal(signal.SIGCONT)

    def close(self) -> None:
        """Kill all processes and let go of every connection."""
        self._client.close()
        self._kill()

    def _kill(self) -> None:
        for process in reversed(self._processes):
            process.kill()
            process.wait()

    def new_bucket(self) -> str:
        """Make a bucket with a name not used before."""
        bucket = f"bucket-{next(self._numbers)}"
        self._client.create_bucket(Bucket=bucket)
        return bucket

    # -- the cluster ---------------------------------------------------------------------------

    def _start_cluster(self) -> None:
        directory, mon_port = self._directory, free_port()
        fsid, osd_fsid = str(uuid4()), str(uuid4())
        for name in ("mon", "osd", "rgw"):
            (directory / name).mkdir()
        text = CONFIGURATION.format(
            fsid=fsid, directory=directory, mon_port=mon_port, port=self._port
        )
        (directory / "ceph.conf").write_text(text)
        keyring, monmap = str(directory / "keyring"), str(directory / "monmap")
        self._run("ceph-authtool", "--create-keyring", keyring)
        rights = [word for part in ("mon", "osd", "mgr") for word in ("--cap", part, "allow *")]
        for name in ("mon.", "client.admin", "client.rgw", "osd.0"):
            self._run("ceph-authtool", keyring, "--gen-key", f"--name={name}", *rights)
        address = f"[v2:127.0.0.1:{mon_port}]"
        self._run("monmaptool", "--create", "--addv", "a", address, "--fsid", fsid, monmap)
        self._ceph("ceph-mon", "--mkfs", "--id=a", f"--monmap={monmap}", f"--keyring={keyring}")
        self._spawn("ceph-mon", "--id=a")
        self._ceph("ceph", "--connect-timeout=60", "osd", "new", osd_fsid, "0")
        # The key has to be known before the OSD is made.
        self._ceph("ceph", "auth", "import", "-i", keyring)
        self._ceph("ceph-osd", "--mkfs", "--id=0", f"--osd-uuid={osd_fsid}")
        self._spawn("ceph-osd", "--id=0")

    def _ceph(self, program: str, *arguments: str) -> None:
        self._run(program, f"--conf={self._directory / 'ceph.conf'}", *arguments)

    def _run(self, *command: str) -> None:
        """Run a command to its end. Raises ``RuntimeError`` with what it said."""
        done = subprocess.run(
            command,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=START_SECONDS,
            check=False,
        )
        if done.returncode:
            raise RuntimeError(f"{' '.join(command)}: {done.stdout}{done.stderr}\n{self._said()}")

    def _spawn(self, program: str, *arguments: str) -> subprocess.Popen[bytes]:
        with (self._directory / f"{program}.out").open("ab") as output:
            process = subprocess.Popen(
                # Whatever becomes of the tests, their servers end with them.
                [
                    "setpriv",
                    "--pdeathsig=KILL",
                    program,
                    "--foreground",
                    f"--conf={self._directory / 'ceph.conf'}",
                    *arguments,
                ],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                # Ctrl-C is for whoever started it, who still needs it to end in order.
                start_new_session=True,
            )
        self._processes.append(process)
        return process

    def _said(self) -> str:
        """What the processes have printed, for the person who looks why they did not start."""
        outputs = sorted(self._directory.glob("*.out"))
        return "\n".join(f"{it.name}:\n{it.read_text(errors='replace')}" for it in outputs)

    def _answers(self) -> bool:
        with (
            contextlib.suppress(OSError),
            urllib.request.urlopen(self.endpoint_url, timeout=2) as answer,
        ):
            return bool(answer.status == 200)
        return False
