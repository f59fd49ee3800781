"""The store and the mount of the demonstration: started together, and always taken down.

The store is moto's server in a thread, the mount a ``phfs-mount`` process, the rest a directory
under ``/tmp``. Both sides use the same environment, free of the caller's own keys and proxies.
"""

from __future__ import annotations

import logging
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import boto3
from botocore.config import Config
from moto.server import ThreadedMotoServer

from phfs.demo.screen import Screen

_PATIENCE = 30.0
"""Seconds the mount has to come up, and to go away."""


class DemoFailed(Exception):
    """A step did not do what it should; the text says which and what came instead."""


class World:
    """A bucket, a mount of its group ``demo``, and how to reach both.

    ``directory`` holds the mount point ``phfs`` and the mount's log; commands run there.
    """

    bucket = "demo"
    prefix = "groups/demo/"

    def __init__(self, directory: Path, endpoint: str) -> None:
        self.directory = directory
        self.endpoint = endpoint
        self.mountpoint = directory / "phfs"
        self.environment = {
            "AWS_ENDPOINT_URL": endpoint,
            "AWS_ACCESS_KEY_ID": "demo",
            "AWS_SECRET_ACCESS_KEY": "demo-secret",
            "AWS_REGION": "us-east-1",
        }
        self.s3: Any = boto3.session.Session().client(
            "s3",
            endpoint_url=endpoint,
            region_name="us-east-1",
            aws_access_key_id="demo",
            aws_secret_access_key="demo-secret",  # noqa: S106 (moto takes any)
            config=Config(proxies={}),
        )
        self._mount: subprocess.Popen[bytes] | None = None
        self._log = directory / "phfs-mount.log"

    @property
    def listing_command(self) -> str:
        """A line for a shell that lists the objects."""
        return (
            f"{sys.executable} -c \"import boto3; [print(o['Key'], o['Size']) for o in "
            f"boto3.client('s3').list_objects_v2(Bucket='{self.bucket}').get('Contents', [])]\""
        )

    @property
    def command_environment(self) -> dict[str, str]:
        """The variables commands and the mount run with."""
        own = ("AWS_", "PHFS_")
        kept = {name: value for name, value in os.environ.items() if not name.startswith(own)}
        # sh speaks English, and nobody asks a proxy for the way to 127.0.0.1.
        return {
            **kept,
            **self.environment,
            "PHFS_STATE_DIR": str(self.directory / "state"),
            "LC_ALL": "C.UTF-8",
            "NO_PROXY": "127.0.0.1",
        }

    def mount(self, screen: Screen) -> None:
        """Start ``phfs-mount`` and wait until the directory is there."""
        arguments = ["demo", "phfs", "--group", "demo", "--endpoint-url", self.endpoint, "-f"]
        screen.command("$", " ".join(["phfs-mount", *arguments, "&"]))
        self.mountpoint.mkdir()
        with self._log.open("wb") as log:
            self._mount = subprocess.Popen(
                # -P: the mount point's name must not be taken for the package's.
                [sys.executable, "-P", "-m", "phfs.cli.mount", *arguments],
                cwd=self.directory,
                env=self.command_environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )
        deadline = time.monotonic() + _PATIENCE
        while not self.mountpoint.is_mount():
            if self._mount.poll() is not None or time.monotonic() > deadline:
                raise DemoFailed(f"the mount did not come up. {self.log_tail()}")
            time.sleep(0.05)

    def unmount(self, screen: Screen) -> None:
        """Unmount as a user does, and wait for the mount's process to end in order."""
        screen.step("Unmount.")
        screen.command("$", "fusermount3 -u phfs")
        done = subprocess.run(
            ["fusermount3", "-u", str(self.mountpoint)], capture_output=True, text=True, check=False
        )
        if done.returncode != 0:
            raise DemoFailed(f"unmounting failed: {done.stderr.strip()}")
        code = self._ended()
        if code != 0:
            raise DemoFailed(f"phfs-mount ended with exit code {code}. {self.log_tail()}")

    def take_down(self) -> None:
        """End the mount whatever state it is in."""
        if self._mount is None or self._mount.poll() is not None:
            return
        self._mount.terminate()
        if self._ended() is None:
            self._mount.kill()
            self._mount.wait()
            # A mount whose process was killed stays, and cannot be asked whether it is there.
            subprocess.run(
                ["fusermount3", "-u", "-z", str(self.mountpoint)], capture_output=True, check=False
            )

    def log_tail(self) -> str:
        """The last lines of the mount's log."""
        lines = self._log.read_text(errors="replace").splitlines()[-10:]
        return "Its log ends with:\n" + "\n".join(lines)

    def _ended(self) -> int | None:
        assert self._mount is not None
        try:
            return self._mount.wait(_PATIENCE)
        except subprocess.TimeoutExpired:
            return None


@contextmanager
def running_world(screen: Screen) -> Iterator[World]:
    """A store with an empty bucket and a mount on it, for as long as the context lasts."""
    logging.getLogger("werkzeug").setLevel(logging.ERROR)  # it logs every request
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    try:
        host, port = server.get_host_and_port()
        with tempfile.TemporaryDirectory(prefix="phfs-demo-") as directory:
            world = World(Path(directory), f"http://{host}:{port}")
            screen.step("An object store runs on this machine; a bucket is made, and mounted.")
            for name, value in world.environment.items():
                screen.command("$", f"export {name}={value}")
            screen.command(">>>", f"s3.create_bucket(Bucket={world.bucket!r})")
            world.s3.create_bucket(Bucket=world.bucket)
            try:
                world.mount(screen)
                yield world
            finally:
                world.take_down()
    finally:
        server.stop()
