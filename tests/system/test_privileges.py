"""What is given up is gone for good. Each script runs in a process of its own."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.real

PATIENCE = 60.0


def said(script: str, *arguments: str) -> str:
    """What a script prints; ``NOBODY`` is an identity without any right."""
    head = """
import os, sys
from pathlib import Path
from phfs.system.privileges import Identity, acting_as, become, end_with_parent, name_process
NOBODY = Identity(12_345, 12_346)
"""
    return subprocess.run(
        [sys.executable, "-c", head + script, *arguments],
        stdout=subprocess.PIPE,
        text=True,
        timeout=PATIENCE,
        check=True,
    ).stdout


def test_nothing_is_left_and_nothing_comes_back() -> None:
    script = """
become(NOBODY)
status = Path("/proc/self/status").read_text().splitlines()
print(*sorted({int(line.split()[1], 16) for line in status if line.startswith("Cap")}))
print(*os.getresuid(), *os.getresgid(), *os.getgroups())
for regain in (lambda: os.setuid(0), lambda: os.setgid(0), lambda: os.setgroups([0])):
    try:
        regain()
        print("it came back")
    except PermissionError:
        print("refused")
"""
    identity = " ".join(["12345"] * 3 + ["12346"] * 3)
    assert said(script).splitlines() == ["0", identity, *["refused"] * 3]


def test_files_are_touched_with_the_others_rights_meanwhile(tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("secret")
    (tmp_path / "secret").chmod(0o600)
    script = """
os.chdir(sys.argv[1])
with acting_as(NOBODY):
    try:
        print(Path("secret").read_text())
    except PermissionError:
        print("refused")
print(Path("secret").read_text())
with acting_as(None):
    print(os.geteuid())
"""
    assert said(script, str(tmp_path)).splitlines() == ["refused", "secret", "0"]


def test_a_parent_that_is_gone_is_noticed() -> None:
    assert said("print(end_with_parent(os.getppid()), end_with_parent(2**22))") == "True False\n"


def test_the_name_is_what_ps_shows() -> None:
    script = 'name_process("phfs-supervisor"); print(Path("/proc/self/comm").read_text(), end="")'
    assert said(script) == "phfs-supervisor\n"
