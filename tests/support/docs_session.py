"""Runs the blocks of a page, in order, as a reader types them: one shell, one Python, one home.

Owns the sandbox: a home of its own, stand-ins for what would change the machine (``pip``,
``apt-get``, ``sudo``, ``python3 -m venv``), and the end of everything that a page has started or
mounted. Called by ``tests/docs/test_pages.py``.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import select
import shlex
import signal
import subprocess
import sys
import time
import tomllib
from collections.abc import Mapping
from configparser import ConfigParser
from pathlib import Path

import yaml

from phfs.system.mounts import all_mounts
from tests.architecture.source import ROOT
from tests.support.console import MARK, as_shown, replaced, steps_of
from tests.support.docs import Block
from tests.support.mounted import end_mounts

SECONDS = 120.0
"""How long one block may take; most take less than one."""

BIN = Path(sys.executable).parent
STAND_INS = Path(__file__).parent / "docs_stand_ins.py"


class PageFailed(AssertionError):
    """A block does not do what its page says."""


class Page:
    """A reader's machine. ``places`` are texts of the pages and what stands for them here, beside
    ``/phfs`` and ``/tmp``; ``environ`` is set in the shell when the page begins."""

    def __init__(
        self, directory: Path, places: Mapping[str, str], environ: Mapping[str, str]
    ) -> None:
        self.home = directory / "home"
        self._files = directory / "blocks"
        self._stand_ins = directory / "bin"
        for path in (self.home, self._files, self._stand_ins, directory / "tmp"):
            path.mkdir()
        for name in ("pip", "apt-get", "sudo"):
            self._stand_in(name, f'exec "{sys.executable}" "{STAND_INS}" {name} "$@"')
        # An environment of its own has what is installed here, and a pip that installs nothing.
        self._stand_in(
            "python3",
            f'test "$1 $2 $#" = "-m venv 3" || exec "{BIN}/python3" "$@"\n'
            f'mkdir -p "$3/bin" && exec ln -s "{self._stand_ins}/pip" "$3/bin/pip"',
        )
        (self.home / "docker").symlink_to(ROOT / "docker")
        config = self.home / ".config" / "phfs" / "config.toml"
        config.parent.mkdir(parents=True)
        config.touch()
        self._places = {
            **places,
            "/phfs": str(self.home / "phfs"),
            "/tmp": str(directory / "tmp"),
        }
        self._environ = {
            "HOME": str(self.home),
            "PATH": f"{self._stand_ins}:{BIN}:{os.environ['PATH']}",
            "LC_ALL": "C.UTF-8",
            "AWS_EC2_METADATA_DISABLED": "true",
            "NO_PROXY": "127.0.0.1",
            "PHFS_STATE_DIR": str(directory / "state"),
            "PHFS_CONFIG": str(config),  # not the machine's
            "PYTHONUNBUFFERED": "1",
            "TERM": "dumb",
            **environ,
        }
        self._shell = Interpreter(
            ["bash", "--noprofile", "--norc"],
            self.home,
            self._environ,
            then=f"printf '\\n{MARK} %d\\n' $?\n",
        )
        self._python: Interpreter | None = None

    def run(self, block: Block) -> None:
        """Run or read a block. Raises ``PageFailed`` with what it did instead."""
        match block.kind:
            case "sh":
                self._sh(block)
            case "console":
                self._console(block)
            case "python":
                self._in_python(block)
            case "text":
                pass
            case _:
                self._file(block)

    def _stand_in(self, name: str, script: str) -> None:
        program = self._stand_ins / name
        program.write_text(f"#!/bin/sh\n{script}\n")
        program.chmod(0o755)

    def prepare(self, commands: str) -> None:
        """Run commands that a page takes as done."""
        self._sh(Block("(before the page)", 0, "sh", "", commands, ""))

    def close(self) -> None:
        """End what was started, and unmount what was mounted."""
        for mount in all_mounts():
            if self.home in mount.path.parents:
                end_mounts(mount.path)
        self._shell.close()
        if self._python is not None:
            self._python.close()
        _end_processes(self.home)

    def below_the_mount(self) -> list[Path]:
        """What lies at the mount point when nothing is mounted there any more."""
        mountpoint = self.home / "phfs"
        return list(mountpoint.iterdir()) if mountpoint.is_dir() else []

    def _sh(self, block: Block) -> None:
        text = shlex.quote(self._here(block.text))
        trap = "trap 'echo \"(this failed: $BASH_COMMAND)\"' ERR"
        status, output = self._shell.ask(f"{trap}; set -eE\neval {text} </dev/null\nset +eE")
        if status != 0:
            raise PageFailed(
                f"{block.place}: a command failed\n{block.text}\n{self._there(output)}"
            )

    def _console(self, block: Block) -> None:
        lines = list(enumerate(block.text.splitlines(), block.line + 1))
        for step in steps_of(lines):
            command = shlex.quote(self._here(step.command))
            status, raw = self._shell.ask(f"trap - ERR\neval {command} </dev/null")
            # The mount is shown as the command names it; without a name, in either way.
            named = re.findall(r"(?:~|(?<![\w.]))/phfs(?![\w.])", step.command)
            outputs = [as_shown(self._there(raw, name)) for name in named or ("/phfs", "~/phfs")]
            output = outputs[0]
            expected = step.output.rstrip("\n")
            if status != step.status or not any(_matches(expected, one) for one in outputs):
                raise PageFailed(
                    f"{block.page}:{step.line}: $ {step.command}\n"
                    f"expected [exit {step.status}]\n{step.output}"
                    f"and was  [exit {status}]\n{output[:3000]}"
                )

    def _in_python(self, block: Block) -> None:
        state = self._files / "shell"
        status, output = self._shell.ask(f"pwd > {state}.pwd; env -0 > {state}.env")
        if status != 0:
            raise PageFailed(f"{block.place}: the shell has ended\n{output}")
        if self._python is None:
            command = [str(BIN / "python3"), "-W", "error", "-c", _PYTHON]
            self._python = Interpreter(command, self.home, self._environ)
        asked = {
            "directory": Path(f"{state}.pwd").read_text().rstrip("\n"),
            "environ": dict(
                pair.split("=", 1)
                for pair in Path(f"{state}.env").read_text().split("\0")
                if "=" in pair
            ),
            "place": block.place,
            "text": self._here(block.text),
        }
        status, output = self._python.ask(json.dumps(asked))
        if status != 0:
            raise PageFailed(f"{block.place}: Python failed\n{block.text}\n{self._there(output)}")

    def _file(self, block: Block) -> None:
        try:
            match block.kind:
                case "toml":
                    tomllib.loads(block.text)
                case "yaml":
                    list(yaml.safe_load_all(block.text))
                case "json":
                    json.loads(block.text)
                case _:
                    ConfigParser(interpolation=None).read_string(block.text)
        except Exception as error:
            raise PageFailed(f"{block.place}: this is no {block.kind}: {error}") from error
        if block.title:
            status, pwd = self._shell.ask("pwd")
            title = re.sub(r"^~(?=/)", str(self.home), self._here(block.title))
            file = Path(pwd.strip()) / title
            if status != 0 or self.home.parent not in file.parents:
                raise PageFailed(f"{block.place}: {block.title} is outside of the reader's home")
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(self._here(block.text))
            file.chmod(0o600)  # there may be keys in it, which is refused where others can read

    def _here(self, text: str) -> str:
        return replaced(text, self._places)

    def _there(self, text: str, mountpoint: str = "/phfs") -> str:
        for there, here in self._places.items():
            text = text.replace(here, mountpoint if there == "/phfs" else there)
        return text.replace(str(self.home), "~")


class Interpreter:
    """A program that reads commands from its standard input until that ends. ``then`` is said to it
    behind each: it prints the end of the answer."""

    def __init__(
        self, command: list[str], directory: Path, environ: Mapping[str, str], then: str = ""
    ) -> None:
        self._then = then
        self._process = subprocess.Popen(
            command,
            cwd=directory,
            env=dict(environ),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )

    def ask(self, text: str) -> tuple[int, str]:
        """Have it run a text: the status (-1: it has ended) and all that was printed."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        with contextlib.suppress(BrokenPipeError):
            self._process.stdin.write(f"{text}\n{self._then}".encode())
            self._process.stdin.flush()
        output, give_up = b"", time.monotonic() + SECONDS
        while time.monotonic() < give_up:
            ready, _, _ = select.select([self._process.stdout], [], [], 1.0)
            if not ready:
                continue
            piece = os.read(self._process.stdout.fileno(), 1 << 16)
            output += piece
            shown = output.decode(errors="replace")
            found = re.search(rf"\n{MARK} (\d+)\n", shown)
            if found:
                return int(found[1]), shown[: found.start()]
            if not piece:
                return -1, shown
        shown = output.decode(errors="replace")
        return -1, f"{shown}\nit has not ended after {SECONDS:.0f} seconds"

    def close(self) -> None:
        """End it and what it has started in its own group."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()
        for pipe in (self._process.stdin, self._process.stdout):
            assert pipe is not None
            with contextlib.suppress(BrokenPipeError):
                pipe.close()


_PYTHON = f"""
import json, os, sys, traceback
_asked_from = os.fdopen(os.dup(0), "r")
os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
for _line in _asked_from:
    _asked = json.loads(_line)
    os.environ.clear(); os.environ.update(_asked["environ"])
    os.chdir(_asked["directory"])
    _status = 0
    try:
        exec(compile(_asked["text"], _asked["place"], "exec"), globals())
    except BaseException as _error:
        _status = int(not (isinstance(_error, SystemExit) and not _error.code))
        if _status: traceback.print_exc()
    print("\\n{MARK}", _status, flush=True)
"""


def processes_of(home: Path) -> list[int]:
    """The processes whose home is ``home``, which is a page's alone."""
    mark = os.fsencode(f"HOME={home}")
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):  # ended meanwhile, or not ours
            if mark in (process / "environ").read_bytes().split(b"\0"):
                found.append(int(process.name))
    return found


def _end_processes(home: Path) -> None:
    for number in processes_of(home):
        with contextlib.suppress(OSError):  # ended meanwhile
            handle = os.pidfd_open(number)
            try:
                if number in processes_of(home):
                    signal.pidfd_send_signal(handle, signal.SIGKILL)
                    select.select([handle], [], [], 20.0)
            finally:
                os.close(handle)


def _matches(expected: str, output: str) -> bool:
    """Whether a command printed what the page shows: a line ``…`` is any lines or none."""
    pattern = ""
    for line in expected.splitlines():
        if line == "…":
            pattern += r"(?:.*\n)*?"
        else:
            pattern += ".*?".join(map(re.escape, line.split("…"))) + r"[ \t]*\n"
    return re.fullmatch(pattern, f"{output}\n" if output else "") is not None
