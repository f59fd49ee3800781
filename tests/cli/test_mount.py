"""What the end of a mount means for the exit code and the user."""

from __future__ import annotations

import subprocess
import sys

import pytest

from phfs.cli.mount import outcome
from phfs.errors import AccessDenied, ConfigError, MountError

NO_LIBFUSE = (
    "libfuse is missing (libfuse3.so.3: no file): install it with apt-get install fuse3 (as root)."
)
NO_TRIO = (
    "PHFS is not installed completely (No module named 'trio'): install it again with pip install "
    "--force-reinstall . in its repository."
)


def raising(error: Exception) -> tuple[int, str]:
    def serve() -> int:
        raise error

    return outcome(serve)


@pytest.mark.parametrize("code", [0, 1])
def test_the_end_of_a_mount_is_its_exit_code(code: int) -> None:
    assert outcome(lambda: code) == (code, "")


@pytest.mark.parametrize(
    ("error", "code", "sentence"),
    [
        (ConfigError("--region is wrong."), 2, "--region is wrong."),
        (MountError("No such bucket.", "Make one."), 1, "No such bucket. Make one."),
        (AccessDenied("Listing is not allowed.", "Ask."), 1, "Listing is not allowed. Ask."),
        (ImportError("libfuse3.so.3: no file"), 1, NO_LIBFUSE),
        (ModuleNotFoundError("No module named 'trio'"), 1, NO_TRIO),
    ],
)
def test_errors_become_code_and_sentence(error: Exception, code: int, sentence: str) -> None:
    assert raising(error) == (code, sentence)


@pytest.mark.expects_log
def test_a_defect_is_told_and_logged_whole(caplog: pytest.LogCaptureFixture) -> None:
    code, sentence = raising(ZeroDivisionError("division by zero"))
    assert code == 1
    assert "ZeroDivisionError: division by zero" in sentence
    assert "Traceback" in caplog.text


def test_the_process_that_serves_may_open_all_the_files_it_may_come_to_have() -> None:
    script = """
import resource, sys, types
hard = min(300, resource.getrlimit(resource.RLIMIT_NOFILE)[1])
resource.setrlimit(resource.RLIMIT_NOFILE, (64, hard))
from phfs.cli import mount
def run(*_):
    assert resource.getrlimit(resource.RLIMIT_NOFILE) == (hard, hard)
    return 42
sys.modules["phfs.mount"] = types.SimpleNamespace(run=run)
sys.exit(mount._run(None, None, None))
"""
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, timeout=50, check=False
    )
    assert (done.returncode, done.stderr) == (42, "")
