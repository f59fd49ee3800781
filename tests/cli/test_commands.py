"""The two commands as processes: exit codes, one sentence, nothing heavy imported."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

import phfs

PATIENCE = 30.0

COMMANDS = Path(sys.executable).parent


def call(
    command: str, *arguments: str, variables: dict[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    environ = {name: text for name, text in os.environ.items() if not name.startswith("PHFS_")}
    return subprocess.run(
        [COMMANDS / command, *arguments],
        env={**environ, **(variables or {})},
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
    )


@pytest.mark.parametrize("command", ["phfs", "phfs-mount"])
def test_version_and_help(command: str) -> None:
    version = call(command, "--version")
    assert (version.returncode, version.stdout) == (0, f"{command} {phfs.__version__}\n")
    shown = call(command, "--help")
    assert (shown.returncode, shown.stderr) == (0, "")
    assert shown.stdout.startswith(f"usage: {command} ")


@pytest.mark.parametrize(
    ("command", "arguments", "code", "sentence"),
    [
        ("phfs-mount", "", 2, "BUCKET is missing"),
        ("phfs-mount", "b /nowhere", 2, "Neither --group nor --prefix is given"),
        ("phfs-mount", "b /nowhere --group a/b", 2, "--group 'a/b' is wrong"),
        ("phfs-mount", "b /nowhere --group g --frob", 2, "There is no option --frob"),
        ("phfs-mount", "b /nowhere --group g", 1, "The mount point /nowhere does not exist"),
        ("phfs-mount", "b /proc --group g -f", 1, "At /proc something is mounted already"),
        ("phfs", "", 2, "No command is given. See phfs --help."),
        ("phfs", "demos", 2, "There is no command 'demos'; is demo meant?"),
        ("phfs", "--verson", 2, "There is no option --verson; is --version meant?"),
        ("phfs", "demo --keeep", 2, "There is no option --keeep; is --keep meant?"),
        ("phfs", "demo more", 2, "There is an argument too many: 'more'."),
        ("phfs", "demo --keep=1", 2, "--keep takes no value."),
        ("phfs", "bench", 2, "DIR is missing: give a directory inside a mount of PHFS."),
        ("phfs", "bench /nowhere", 1, "/nowhere is not a directory."),
        ("phfs", "bench /proc", 1, "/proc is not inside a mount of PHFS."),
        ("phfs", "bench / --rounds 0", 2, "--rounds '0' is wrong: give a whole number from 1"),
        ("phfs", "bench / --scenario", 2, "--scenario needs a value: give the name of a scenario"),
        ("phfs", "bench / --scenario lz-l", 2, "There is no scenario 'lz-l'; is ls-l meant?"),
        ("phfs", "bench / --scenario xyz", 2, "There is no scenario 'xyz': --list shows"),
        ("phfs", "bench / --output /proc/x", 1, "The directory /proc/x cannot be made"),
    ],
)
def test_what_is_wrong_is_one_sentence(
    command: str, arguments: str, code: int, sentence: str
) -> None:
    done = call(command, *arguments.split())
    assert (done.returncode, done.stdout) == (code, "")
    assert done.stderr.startswith(f"{command}: {sentence}")
    assert done.stderr.count("\n") == 1


def test_a_misspelt_variable_is_warned_of_beside_it() -> None:
    done = call("phfs-mount", "b", "/nowhere", "--group", "g", variables={"PHFS_TIMEOUTS": "3"})
    warning, refusal = done.stderr.splitlines()
    assert warning == (
        "phfs-mount: warning: The variable PHFS_TIMEOUTS has no meaning; is PHFS_TIMEOUT meant?"
    )
    assert "/nowhere" in refusal


def test_options_are_checked_before_anything_heavy_is_imported() -> None:
    script = """
import sys
from phfs.cli import main, mount
mount.main(["b", "/nowhere", "--group", "g"])
main.main(["demos"])
heavy = {"trio", "pyfuse3", "botocore", "boto3", "urllib3", "rich", "asyncio"}
print(sorted(heavy & set(sys.modules)))
"""
    done = subprocess.run(
        [sys.executable, "-c", script],
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
    )
    assert (done.returncode, done.stdout) == (0, "[]\n"), done.stderr


@pytest.mark.parametrize(
    ("arguments", "library", "extra"),
    [(["demo"], "moto", "demo"), (["bench", "/"], "matplotlib", "bench")],
)
def test_a_command_without_its_extra_says_what_to_install(
    arguments: list[str], library: str, extra: str
) -> None:
    script = f"""
import sys
sys.modules[{library!r}] = None  # as if it were not installed
from phfs.cli import main
sys.exit(main.main({arguments!r}))
"""
    done = subprocess.run(
        [sys.executable, "-c", script],
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
    )
    assert (done.returncode, done.stdout) == (2, "")
    assert f"pip install 'phfs[{extra}]'" in done.stderr
    assert done.stderr.count("\n") == 1


def test_the_scenarios_are_listed() -> None:
    done = call("phfs", "bench", "--list")
    assert (done.returncode, done.stderr) == (0, "")
    assert "read-seq-16" in done.stdout
    assert "sequential read, 16 streams" in done.stdout
