"""``phfs`` ended by Ctrl-C before it has begun to work: no traceback, and 130."""

from __future__ import annotations

import subprocess
import sys

import pytest

PATIENCE = 60.0

INTERRUPTED_AT = """
import signal, sys

class Interrupts:
    def find_spec(self, name, path=None, target=None):
        if name == sys.argv[1]:
            signal.raise_signal(signal.SIGINT)

signal.signal(signal.SIGINT, signal.default_int_handler)
sys.meta_path.insert(0, Interrupts())
from phfs.cli.main import main
sys.exit(main(sys.argv[2:]))
"""


@pytest.mark.parametrize("module", ["phfs.cli.commands", "phfs.config", "phfs.cli.shared", "trio"])
@pytest.mark.parametrize(
    "words",
    [
        "cp /etc/hostname phfs:///x",
        "sync /etc phfs:///x",
        "mv phfs:///x phfs:///y",
        "doctor",
    ],
)
def test_interrupted_while_it_imports(module: str, words: str) -> None:
    done = subprocess.run(
        [sys.executable, "-c", INTERRUPTED_AT, module, *words.split()],
        env={
            "PHFS_CONFIG": "/dev/null",
            "PHFS_BUCKET": "b",
            "PHFS_GROUP": "g",
            "PHFS_ENDPOINT_URL": "http://127.0.0.1:1",
            "PHFS_ACCESS_KEY_ID": "a",
            "PHFS_SECRET_ACCESS_KEY": "b",
        },
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
    )
    assert (done.returncode, done.stdout, done.stderr) == (130, "", "")
