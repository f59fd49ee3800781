"""What the command costs those who do not use it, and says where its libraries are missing."""

from __future__ import annotations

import subprocess
import sys

PATIENCE = 60.0


def run(script: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", script],
        env={"PHFS_ENDPOINT_URL": "http://127.0.0.1:1", "HOME": "/nonexistent"},
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
    )


def test_a_mount_and_the_other_commands_import_nothing_of_it() -> None:
    done = run(
        "import sys\n"
        "import phfs.mount, phfs.cli.main, phfs.cli.mount\n"
        "print(sorted({'minio', 'boto3', 'argon2'} & set(sys.modules)))\n"
    )
    assert (done.returncode, done.stdout) == (0, "[]\n"), done.stderr


def test_without_its_extra_it_says_what_to_install() -> None:
    done = run(
        "import sys\n"
        "sys.modules['minio'] = None\n"
        "from phfs.cli.main import main\n"
        "sys.exit(main(['provision', 'b', '--group=g']))\n"
    )
    assert (done.returncode, done.stdout) == (2, "")
    assert "pip install 'phfs[provision]'" in done.stderr
    assert done.stderr.count("\n") == 1


def test_the_formats_of_the_command_are_those_there_are() -> None:
    from phfs.cli.commands import provision
    from phfs.provision import show

    assert provision._FORMATS == show.FORMATS
