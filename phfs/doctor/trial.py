"""A file written, read, renamed and removed through a mount: a short-lived one, or one that is.

Owns the process of the short-lived mount and its end, whatever happens; its mount point is in the
run's own directory, its objects are below the run's own name. Called by ``run``.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import trio

from phfs.config import MountConfig
from phfs.doctor.examination import Verdict, fail, ok, warn
from phfs.errors import MountError
from phfs.system import kernel, mounts

START_SECONDS = 45.0
WORK_SECONDS = 60.0
END_SECONDS = 20.0
DRAIN_SECONDS = 5.0
SECONDS = START_SECONDS + WORK_SECONDS + 2 * END_SECONDS
"""All together: more than a slow link takes for a megabyte."""

SIZE = 1024**2

_LOOK_SECONDS = 0.05

T = TypeVar("T")

_BOUND = """\
import sys
from phfs.system.privileges import end_with_parent
if end_with_parent(int(sys.argv[1])):
    from phfs.cli.mount import main
    sys.exit(main(sys.argv[2:]))
"""
"""A mount that ends when its parent does, whatever ended that."""

_HERE = (
    "bucket",
    "mountpoint",
    "group",
    "prefix",
    "foreground",
    "supervise",
    "run_as",
    "keep_dead",
    "read_only",
    "show_file",
)
"""Options that are the trial's own."""


class Trial:
    """A mount of the objects below ``prefix`` for the time of a check, in ``directory``."""

    def __init__(self, config: MountConfig, prefix: str, directory: Path) -> None:
        self._config = config
        self._prefix = prefix
        self._directory = directory
        self._path = directory / "mount"
        self.read_ahead = ok("not known")
        """What was found of it while it was mounted."""

    async def work(self) -> Verdict:
        """Mount, write, read, rename, remove, unmount; with the times."""
        begun = time.monotonic()
        process = self._start()
        try:
            if not await self._mounted(process):
                return fail(
                    f"phfs-mount does not mount: {self._last_words()}",
                    "The checks before this one may say why; its --log-level debug says more.",
                )
            took = time.monotonic() - begun
            self.read_ahead = await _in_time(lambda: kernel_reads_ahead(self._path))
            said = await _in_time(lambda: exercise(self._path))
        finally:
            with trio.CancelScope(shield=True):
                code = await self._end(process)
        if code != 0:
            return fail(
                f"the mount ended with code {code}: {self._last_words()}",
                "This may be a defect of PHFS: report it with phfs doctor --json.",
            )
        return ok(f"mounted in {took:.1f} s, {said}")

    def _start(self) -> subprocess.Popen[bytes]:
        self._path.mkdir()
        config = self._config
        words = [
            *(config.bucket, str(self._path), f"--prefix={self._prefix}", "--foreground"),
            *("--no-supervise", "--log-level=info", "--log-format=text"),
            f"--drain-seconds={DRAIN_SECONDS:g}",
            f"--state-dir={self._directory / 'state'}",
            *_options(config),
        ]
        with self._log.open("wb") as log:
            return subprocess.Popen(
                # -P: a file of the directory one is in must not be taken for the package.
                [sys.executable, "-P", "-c", _BOUND, str(os.getpid()), *words],
                env=_environment(config),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,  # Ctrl-C is for the doctor, who ends it in order
            )

    async def _mounted(self, process: subprocess.Popen[bytes]) -> bool:
        with trio.move_on_after(START_SECONDS):
            while process.poll() is None:
                if mounts.is_mounted(self._path) and b" is mounted" in self._log.read_bytes():
                    return True
                await trio.sleep(_LOOK_SECONDS)
        return False

    async def _end(self, process: subprocess.Popen[bytes]) -> int:
        """In order if it can; its exit code."""
        for number in (signal.SIGTERM, signal.SIGTERM, signal.SIGKILL):
            if process.poll() is None:
                process.send_signal(number)
                with trio.move_on_after(END_SECONDS / 2):
                    while process.poll() is None:
                        await trio.sleep(_LOOK_SECONDS)
        code = await trio.to_thread.run_sync(process.wait)
        if mounts.is_mounted(self._path):
            mounts.detach(self._path)
        return code

    @property
    def _log(self) -> Path:
        return self._directory / "log"

    def _last_words(self) -> str:
        lines = self._log.read_text(errors="replace").strip().splitlines()
        return lines[-1].removeprefix("phfs-mount: ").rstrip(".") if lines else "it says nothing"


def exercise(directory: Path) -> str:
    """Write, read, rename and remove a file; how long each took. Raises ``OSError``."""
    data, file, renamed = os.urandom(SIZE), directory / "written", directory / "renamed"
    took: dict[str, float] = {}
    steps: dict[str, Callable[[], object]] = {
        "written": lambda: file.write_bytes(data),
        "read": lambda: _compare(file.read_bytes(), data, file),
        "renamed": lambda: file.rename(renamed),
        "removed": renamed.unlink,
    }
    for name, step in steps.items():
        begun = time.monotonic()
        step()
        took[name] = time.monotonic() - begun
    _compare(b"".join(os.fsencode(name) for name in os.listdir(directory)), b"", directory)
    times = ", ".join(f"{name} in {1000 * seconds:.0f} ms" for name, seconds in took.items())
    return f"1 MiB {times}"


def kernel_reads_ahead(path: Path, sys_directory: Path = Path("/sys")) -> Verdict:
    """Whether the kernel reads ahead of a program as far as the mount at ``path`` wants it to."""
    device = os.stat(path).st_dev
    name = f"{os.major(device)}:{os.minor(device)}"
    try:
        there = int((sys_directory / "class/bdi" / name / "read_ahead_kb").read_text())
    except (OSError, ValueError):
        return ok("not to be seen here")
    wanted = kernel.READ_AHEAD // 1024
    if there < wanted:
        return warn(
            f"the kernel reads {there} KiB ahead instead of {wanted}: one program that reads a "
            "large file gets less of it",
            "Mount as root (with --run-as to serve as a user), or write to /sys/class/bdi as root; "
            "in a container /sys has to be writable.",
        )
    return ok(f"{there} KiB ahead")


async def _in_time(work: Callable[[], T]) -> T:
    """What waits for a mount is left behind when it does not answer: the mount's end ends it."""
    try:
        with trio.fail_after(WORK_SECONDS):
            return await trio.to_thread.run_sync(work, abandon_on_cancel=True)
    except trio.TooSlowError:
        raise MountError(f"the mount does not answer within {WORK_SECONDS:g} seconds") from None


def _compare(found: bytes, wanted: bytes, path: Path) -> None:
    if found != wanted:
        raise OSError(0, "other bytes than were written", str(path))


def _options(config: MountConfig) -> list[str]:
    """The options by which the store is reached, as a command line has them."""
    texts = {
        "endpoint-url": config.endpoint_url,
        "region": config.region,
        "profile": config.profile,
        "path-style": config.path_style,
        "ca-bundle": config.ca_bundle,
        "credentials-file": config.credentials_file,
        "storage-class": config.storage_class,
        "sse": config.sse,
        "sse-kms-key": config.sse_kms_key,
        "timeout": f"{config.timeout:g}",
        "retry-deadline": f"{min(config.retry_deadline, WORK_SECONDS):g}",
    }
    return [f"--{name}={text}" for name, text in texts.items() if text is not None]


def _environment(config: MountConfig) -> dict[str, str]:
    """The caller's, without what is said otherwise; the keys are on no command line."""
    own = {f"PHFS_{name.upper()}" for name in _HERE}
    kept = {name: text for name, text in os.environ.items() if name not in own}
    keys = {
        "PHFS_ACCESS_KEY_ID": config.access_key_id,
        "PHFS_SECRET_ACCESS_KEY": config.secret_access_key,
        "PHFS_SESSION_TOKEN": config.session_token,
    }
    return {**kept, **{name: text for name, text in keys.items() if text is not None}}
