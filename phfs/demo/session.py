"""The session that is shown: what works, what is refused, and where the reason is found.

Every line is really run: ``$`` lines by ``sh`` in the directory above the mount point, ``>>>``
lines by boto3 against the store. Every step checks what came of it.
"""

from __future__ import annotations

import subprocess
from typing import Any

from phfs.demo.screen import Screen
from phfs.demo.world import DemoFailed, World

__all__ = ["DemoFailed", "show"]

_COMMAND_TIMEOUT = 30.0
"""Seconds after which a command counts as hanging."""


def show(world: World, screen: Screen) -> None:
    """Run all steps. Raises ``DemoFailed`` at the first that does not do what it should."""
    session = _Session(world, screen)
    _write_a_file(session)
    _read_an_object(session)
    _directory_and_rename(session)
    _append_is_refused(session)
    _seek_is_refused(session)


class _Session:
    """Shows a line, does what it says, shows what came."""

    def __init__(self, world: World, screen: Screen) -> None:
        self.world = world
        self.screen = screen

    def shell(self, command: str, *, shows: str = "", fails: bool = False) -> None:
        """Run a line of shell; its output must contain ``shows``, it must fail if ``fails``."""
        self.screen.command("$", command)
        try:
            done = subprocess.run(
                ["sh", "-c", command],
                cwd=self.world.directory,
                env=self.world.command_environment,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
                timeout=_COMMAND_TIMEOUT,
                check=False,
            )
        except subprocess.TimeoutExpired:
            raise DemoFailed(f"{command!r} hangs. {self.world.log_tail()}") from None
        if done.stdout:
            self.screen.say(done.stdout.rstrip("\n"))
        if fails != (done.returncode != 0):
            expected = "should have failed" if fails else f"failed ({done.returncode})"
            raise DemoFailed(f"{command!r} {expected}. {self.world.log_tail()}")
        self._expect(command, shows, done.stdout)

    def put(self, key: str, body: bytes) -> None:
        """Store an object past the mount."""
        self.screen.command(">>>", f"s3.put_object(Bucket='demo', Key={key!r}, Body={body!r})")
        self.world.s3.put_object(Bucket=self.world.bucket, Key=key, Body=body)

    def get(self, key: str, *, shows: str) -> None:
        """Read an object past the mount."""
        line = f"s3.get_object(Bucket='demo', Key={key!r})['Body'].read()"
        self.screen.command(">>>", line)
        answer: Any = self.world.s3.get_object(Bucket=self.world.bucket, Key=key)
        body = answer["Body"].read()
        self.screen.say(repr(body))
        self._expect(line, shows, repr(body))

    def keys(self, *, shows: list[str]) -> None:
        """List the bucket past the mount; exactly these keys must be in it."""
        line = "[o['Key'] for o in s3.list_objects_v2(Bucket='demo')['Contents']]"
        self.screen.command(">>>", line)
        answer: Any = self.world.s3.list_objects_v2(Bucket=self.world.bucket)
        keys = [item["Key"] for item in answer.get("Contents", [])]
        self.screen.say(repr(keys))
        self._expect(line, repr(shows), repr(keys))

    def _expect(self, line: str, wanted: str, came: str) -> None:
        if wanted not in came:
            raise DemoFailed(f"{line!r} should have shown {wanted!r}. {self.world.log_tail()}")


def _write_a_file(session: _Session) -> None:
    session.screen.step("A file written in the directory is an object in the bucket.")
    session.shell("echo 'hello, object store' > phfs/hello.txt")
    session.shell("ls -l phfs", shows="hello.txt")
    session.get("groups/demo/hello.txt", shows="hello, object store")


def _read_an_object(session: _Session) -> None:
    session.screen.step("An object put by somebody else is a file, after a second at most.")
    session.put("groups/demo/data/points.csv", b"x,y\n1,2\n3,4\n")
    session.shell("sleep 1; cat phfs/data/points.csv", shows="3,4")


def _directory_and_rename(session: _Session) -> None:
    session.screen.step("Directories and renames are what they are on a disk.")
    session.shell("mkdir phfs/results")
    session.shell("mv phfs/hello.txt phfs/results/greeting.txt")
    session.shell("find phfs -type f | sort", shows="phfs/results/greeting.txt")
    session.keys(
        shows=[
            "groups/demo/data/points.csv",
            "groups/demo/results/",
            "groups/demo/results/greeting.txt",
        ]
    )


def _append_is_refused(session: _Session) -> None:
    session.screen.step("An object cannot grow: appending is refused, and the reason is on record.")
    session.shell("echo '5,6' >> phfs/data/points.csv", shows="Operation not supported", fails=True)
    session.shell("head -n 6 phfs/.phfs/errors", shows="points.csv")


def _seek_is_refused(session: _Session) -> None:
    session.screen.step("Nor is an object written in any other order than from start to end.")
    session.shell(
        "python3 -c \"f = open('phfs/image.bin', 'wb', 0); f.seek(4096); f.write(b'late')\"",
        shows="Illegal seek",
        fails=True,
    )
    session.shell("head -n 6 phfs/.phfs/errors", shows="image.bin")
    session.shell("ls phfs", shows="data\nresults\n")
