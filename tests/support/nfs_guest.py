"""A machine whose kernel has NFS (under qemu), and an NFS server it can reach, for one test.

Both are in a network namespace of their own, so that NFS has its usual port and nobody else's is
taken. Owns their processes. In the guest runs ``in_nfs_guest.py`` with the product's own modules;
the two talk in lines over its console: the guest's begin with ``@`` and are JSON.
"""

from __future__ import annotations

import importlib.util
import json
import os
import shutil
import signal
import subprocess
import tarfile
import threading
import time
from contextlib import ExitStack
from pathlib import Path
from queue import Empty, SimpleQueue
from typing import Any

from tests.support.processes import end, poll_until

ROOT = Path(__file__).resolve().parents[2]

BUILD_SECONDS = 600
ANSWER_SECONDS = 240.0
"""The guest's processor is emulated: on a busy machine everything takes its time."""

PROGRAMS = ("qemu-system-x86_64", "ganesha.nfsd", "nsenter", "unshare", "ip")

LIBRARIES = ("trio", "attr", "attrs", "outcome", "sniffio", "sortedcontainers", "idna")
"""What the sidecar's modules need in the guest: trio, and what it needs itself."""

_NETWORK = "ip link set lo up; ip addr add 192.0.2.1/32 dev lo; echo up; exec sleep infinity"
"""Names and addresses are looked up only where there is another one than 127.0.0.1."""

CONFIGURATION = """\
NFS_CORE_PARAM {{
    Protocols = 4;
    NFS_Port = 2049;
    Enable_NLM = false;
    Enable_RQUOTA = false;
}}
NFSV4 {{
    Only_Numeric_Owners = true;
    Graceless = true;
    RecoveryBackend = fs_ng;
    RecoveryRoot = "{state}";
}}
EXPORT {{
    Export_Id = 1;
    Path = "{exported}";
    Pseudo = "/export";
    Access_Type = RW;
    Squash = No_Root_Squash;
    SecType = sys;
    Transports = TCP;
    FSAL {{ Name = VFS; }}
}}
LOG {{ Default_Log_Level = WARN; }}
"""


class Network:
    """A network namespace with nothing but a loopback, for as long as it is open."""

    def __init__(self) -> None:
        missing = [name for name in PROGRAMS if shutil.which(name) is None]
        if missing:
            raise RuntimeError(f"the test needs {', '.join(missing)}: scripts/system-packages test")
        self._holder = subprocess.Popen(
            ["unshare", "--net", "sh", "-c", _NETWORK],
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, start_new_session=True,
        )  # fmt: skip
        assert self._holder.stdout is not None
        assert self._holder.stdout.readline() == b"up\n"

    def inside(self, *words: str) -> list[str]:
        """A command line that runs in it."""
        return ["nsenter", f"--net=/proc/{self._holder.pid}/ns/net", "--", *words]

    def close(self) -> None:
        """Let it go."""
        end(self._holder, signal.SIGKILL, 10)
        assert self._holder.stdout is not None
        self._holder.stdout.close()


class NfsServer:
    """Ganesha: exports the directory ``exported`` as ``/export``, to the guest at 10.0.2.2."""

    def __init__(self, network: Network, directory: Path) -> None:
        self.exported = directory / "exported"
        self._network = network
        self._directory = directory
        for made in (self.exported, directory / "state"):
            made.mkdir(parents=True)
        (directory / "ganesha.conf").write_text(
            CONFIGURATION.format(exported=self.exported, state=directory / "state")
        )
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start it (again) and wait until it takes connections."""
        place = self._directory
        (place / "pid").unlink(missing_ok=True)
        words = ["ganesha.nfsd", "-F", f"-f{place}/ganesha.conf", f"-L{place}/log",
                 f"-p{place}/pid"]  # fmt: skip
        with (place / "log").open("ab") as out:
            process = subprocess.Popen(
                self._network.inside(*words), stdin=subprocess.DEVNULL, stdout=out, stderr=out,
                start_new_session=True,
            )  # fmt: skip
        self._process = process
        poll_until(lambda: self._listens(process), ANSWER_SECONDS, lambda: "ganesha is silent")

    def _listens(self, process: subprocess.Popen[bytes]) -> bool:
        log = self._directory / "log"
        assert process.poll() is None, f"ganesha ended:\n{log.read_text()[-3000:]}"
        # 0801 is port 2049, 0A a listening socket; /proc/PID/net is that of its namespace.
        sockets = Path(f"/proc/{process.pid}/net/tcp6").read_text()
        return any(
            line.split()[1].endswith(":0801") and line.split()[3] == "0A"
            for line in sockets.splitlines()[1:]
        )

    def signal(self, number: signal.Signals) -> None:
        """SIGKILL, SIGSTOP, SIGCONT."""
        assert self._process is not None
        self._process.send_signal(number)
        if number == signal.SIGKILL:
            self._process.wait()

    def close(self) -> None:
        """Kill it."""
        if self._process is not None:
            end(self._process, signal.SIGKILL, 10)


class Guest:
    """The machine; it starts with ``in_nfs_guest.py`` at once."""

    def __init__(self, network: Network, directory: Path) -> None:
        built = subprocess.run(
            [ROOT / "scripts/nfs-guest"], check=True, stdout=subprocess.PIPE, text=True,
            timeout=BUILD_SECONDS,
        )  # fmt: skip
        image = Path(built.stdout.strip())
        program = directory / "program.tar"
        _pack(program)
        self._lines = SimpleQueue[str]()
        self.console: list[str] = []
        self._process = subprocess.Popen(
            network.inside(
                "qemu-system-x86_64", "-accel", "tcg", "-cpu", "max", "-m", "512", "-nographic",
                "-no-reboot", "-kernel", str(image / "vmlinuz"), "-initrd", str(image / "initrd"),
                "-append", "console=ttyS0 panic=-1 quiet",
                "-drive", f"file={image}/disk.img,if=virtio,format=raw,snapshot=on",
                "-drive", f"file={program},if=virtio,format=raw,readonly=on",
                "-netdev", "user,id=n0", "-device", "virtio-net-pci,netdev=n0,romfile=",
            ),
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
            errors="replace", start_new_session=True,
        )  # fmt: skip
        self._reader = threading.Thread(target=self._read)
        self._reader.start()

    def _read(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            self.console.append(line)
            if "@{" in line:
                self._lines.put(line[line.index("@{") + 1 :])

    def hear(self, name: str) -> dict[str, Any]:
        """The guest's next message of that name; others before it are passed over."""
        give_up = time.monotonic() + ANSWER_SECONDS
        while True:
            try:
                message: dict[str, Any] = json.loads(
                    self._lines.get(timeout=max(0.0, give_up - time.monotonic()))
                )
            except Empty:
                raise AssertionError(f"no {name} from the guest:\n{self._last()}") from None
            assert message["name"] != "defect", self._last()
            if message["name"] == name:
                return message

    def say(self, word: str) -> None:
        """A line that the program in the guest reads."""
        assert self._process.stdin is not None
        self._process.stdin.write(f"{word}\n")
        self._process.stdin.flush()

    def _last(self) -> str:
        return "".join(self.console[-40:])

    def close(self) -> None:
        """Switch it off."""
        with ExitStack() as stack:
            stack.callback(self._reader.join)
            if self._process.poll() is None:
                os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.close()
        self._process.stdout.close()


def _pack(tar: Path) -> None:
    """The program, the product's modules and the libraries they need, as they are here."""
    with tarfile.open(tar, "w") as file:
        file.add(Path(__file__).with_name("in_nfs_guest.py"), "main.py")
        for name in ("__init__.py", "errors.py", "sidecar", "system"):
            file.add(ROOT / "phfs" / name, f"phfs/{name}", filter=_source)
        for name in LIBRARIES:
            found = importlib.util.find_spec(name)
            assert found is not None
            assert found.origin is not None
            file.add(Path(found.origin).parent, name, filter=_source)


def _source(member: tarfile.TarInfo) -> tarfile.TarInfo | None:
    is_wanted = member.isdir() or member.name.endswith(".py")
    unwanted = ("__pycache__", "_tests")
    return member if is_wanted and not set(Path(member.name).parts) & set(unwanted) else None
