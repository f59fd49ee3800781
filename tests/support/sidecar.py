"""``phfs-sidecar run`` as a pod has it: its own mount namespace, a shared ROOT, /pod handed over.

Owns its processes, directories and mounts, and takes them away whatever has happened. What the test
sees below ``root`` is what the kubelet's node sees. Called by ``tests/sidecar/test_run_real.py``.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from phfs.system.mounts import MOUNT_TABLE, all_mounts
from tests.support.processes import poll_until

PROGRAM = Path(sys.executable).parent / "phfs-sidecar"

SECONDS = 60.0

POD = Path("/pod")

_ENTER = """\
set -e
mount --make-private /
mount -t tmpfs none /pod
while [ "$1" != -- ]; do
    mkdir -p "/pod/$1"
    mount --no-canonicalize --bind "$2" "/pod/$1"
    shift 2
done
shift
exec "$@"
"""


class Pod:
    """A pod's directories. ``main``: where the test binds pieces as a main container does."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.root = directory / "root"
        self.private = directory / "private"
        self.log_file = directory / "log"
        self.handed: dict[str, Path] = {}
        self.environ: dict[str, str] = {}
        self.process: subprocess.Popen[bytes] | None = None
        self.root.mkdir(mode=0o777)
        # As the kubelet has an emptyDir that is mounted Bidirectional.
        _mount("--bind", self.root, self.root)
        _mount("--make-shared", self.root)

    def hand_over(self, kind: str, name: str, files: Mapping[str, str] | None = None) -> Path:
        """A directory that the sidecar gets as ``/pod/KIND/NAME``."""
        source = self.directory / "handed" / kind / name
        source.mkdir(parents=True)
        os.chown(source, 1000, 100)
        for file, text in (files or {}).items():
            (source / file).write_text(text)
        self.handed[f"{kind}/{name}"] = source
        return source

    def start(self, document: Mapping[str, Any], *options: str) -> None:
        """Run the sidecar with a document; a log of the run before is kept."""
        file = self.directory / "document.yaml"
        file.write_text(json.dumps(document))
        handed = [str(word) for one in self.handed.items() for word in one]
        command = [
            PROGRAM, "run", file, "--root", self.root, "--private", self.private,
            "--listen", "127.0.0.1:0", "--retry-seconds", "1", *options,
        ]  # fmt: skip
        POD.mkdir(exist_ok=True)
        with self.log_file.open("ab") as log:
            self.process = subprocess.Popen(
                ["unshare", "--mount", "--propagation", "unchanged", "sh", "-c", _ENTER, "sh",
                 *handed, "--", *map(str, command)],
                env={"PATH": os.environ["PATH"], "HOME": "/nonexistent", **self.environ},
                stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True,
            )  # fmt: skip

    # -- what it says --------------------------------------------------------------------------

    @property
    def log(self) -> str:
        """Everything it has logged."""
        return self.log_file.read_text(errors="replace")

    def command(self, *words: str) -> subprocess.CompletedProcess[str]:
        """``phfs-sidecar ready`` and the like, of this sidecar."""
        return subprocess.run(
            [PROGRAM, *words, "--private", self.private],
            capture_output=True, text=True, timeout=SECONDS, check=False,
        )  # fmt: skip

    def states(self) -> dict[str, dict[str, Any]]:
        """The volumes by id, from the file in the pod; none before there is one."""
        try:
            known = json.loads((self.root / "run/volumes.json").read_text())
        except OSError:
            return {}
        return {one["id"]: one for one in known}

    def wait_until_ready(self) -> None:
        """Until ``ready`` would say so."""
        self.wait_until_settled()
        done = self.command("ready")
        assert done.returncode == 0, done.stderr

    def wait_until_settled(self) -> None:
        """Until no volume is waited for, by the state file."""
        self.wait(self._is_settled, "it is not ready")

    def wait_for(self, volume: str, being: str) -> dict[str, Any]:
        """Until a volume is so; how it is then."""
        self.wait(
            lambda: self.states().get(volume, {}).get("being") == being,
            f"{volume} does not get {being}",
        )
        return self.states()[volume]

    def wait(self, true: Callable[[], bool], otherwise: str) -> None:
        """Until something is true, as long as the sidecar runs."""
        poll_until(true, SECONDS, lambda: f"{otherwise}:\n{self.states()}\n{self.log}")

    def get(self, path: str) -> tuple[int, str]:
        """Ask the health port; status and text."""
        port = json.loads((self.private / "state.json").read_text())["port"]
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=30) as answer:
                return answer.status, answer.read().decode()
        except urllib.error.HTTPError as error:
            return error.code, error.read().decode()

    def _is_settled(self) -> bool:
        assert self.process is not None
        assert self.process.poll() is None, self.log
        with suppress(OSError):
            state = json.loads((self.private / "state.json").read_text())
            return bool(state["waited_for"] == [])
        return False

    # -- its end -------------------------------------------------------------------------------

    def told_to_end(self) -> int:
        """SIGTERM; the exit code."""
        assert self.process is not None
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(SECONDS)

    def killed(self) -> None:
        """SIGKILL to the sidecar alone."""
        assert self.process is not None
        self.process.kill()
        self.process.wait()

    def mounted(self) -> list[str]:
        """Paths below ``root`` where something is mounted."""
        return sorted(str(m.path.relative_to(self.root)) for m in self._mounts(self.root))

    def close(self) -> None:
        """Leave nothing behind."""
        if self.process is not None and self.process.poll() is None:
            self.killed()
        for pid in self._processes():
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        for mount in reversed(self._mounts(self.directory)):
            subprocess.run(["umount", "-l", mount.path], check=False, capture_output=True)
        assert self._mounts(self.directory) == []
        shutil.rmtree(self.directory)

    def _mounts(self, below: Path) -> list[Any]:
        return [one for one in all_mounts(MOUNT_TABLE) if below in one.path.parents]

    def _processes(self) -> Iterator[int]:
        """Those that name our directory, which nobody else knows."""
        mark = os.fsencode(self.directory)
        for entry in Path("/proc").iterdir():
            if entry.name.isdigit() and int(entry.name) != os.getpid():
                with suppress(OSError):
                    if mark in (entry / "cmdline").read_bytes():
                        yield int(entry.name)


@contextmanager
def pod() -> Iterator[Pod]:
    """A pod whose directories everybody may enter: the mount's process has no privilege."""
    directory = Path(tempfile.mkdtemp(prefix="phfs-pod-", dir="/var/tmp"))
    directory.chmod(0o755)
    made = Pod(directory)
    try:
        yield made
    finally:
        made.close()
        with suppress(OSError):
            POD.rmdir()


def _mount(*words: str | Path) -> None:
    subprocess.run(["mount", *words], check=True, timeout=SECONDS)
