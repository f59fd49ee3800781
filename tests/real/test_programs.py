"""Programs people use, on a mount: byte for byte what they do on a disk, or the contract's errno.

A program that works leaves the same tree as on a local disk, seen through the mount and through S3.
One that fails says the errno's text, has an entry in ``.phfs/errors`` and leaves no object.
"""

from __future__ import annotations

import errno
import hashlib
import os
import subprocess
import sys
import zipfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from tests.real.conftest import mounting
from tests.real.programs import ARCHIVES, COPYING, LOOKING, WRITING, Program, make_inputs
from tests.real.programs_python import LIBRARIES, STANDARD
from tests.support.minio import MinioServer
from tests.support.mounted import Mounted

pytestmark = pytest.mark.real

REPOSITORY = Path(__file__).parents[2]
SECONDS = 60.0
EVERY = list(enumerate((*COPYING, *ARCHIVES, *LOOKING, *WRITING, *STANDARD, *LIBRARIES), 1))


class Ran(NamedTuple):
    """What a command did: its status, and what it printed and complained."""

    status: int
    output: str
    complaint: str


@pytest.fixture(scope="module")
def mounted(minio: MinioServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Mounted]:
    """A mount as users have it, without options."""
    for mount_with in mounting(minio, tmp_path_factory.mktemp("programs")):
        yield mount_with()


@pytest.fixture(scope="module")
def inputs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What the programs work on, on a local disk."""
    directory = tmp_path_factory.mktemp("inputs")
    make_inputs(directory)
    with zipfile.ZipFile(directory / "tiny-1.0-py3-none-any.whl", "w") as wheel:
        wheel.writestr("tiny/__init__.py", "")
        about = "tiny-1.0.dist-info"
        wheel.writestr(f"{about}/METADATA", "Metadata-Version: 2.1\nName: tiny\nVersion: 1.0\n")
        wheel.writestr(f"{about}/WHEEL", "Wheel-Version: 1.0\nTag: py3-none-any\n")
        wheel.writestr(f"{about}/RECORD", "")
    return directory


@pytest.mark.parametrize(("number", "program"), EVERY, ids=[program.name for _, program in EVERY])
def test_a_program(
    number: int, program: Program, mounted: Mounted, inputs: Path, tmp_path: Path
) -> None:
    local, here = tmp_path / "local", mounted.path / str(number)
    for directory in (local, here):
        directory.mkdir()
        prepared = run(program.before, directory, inputs, tmp_path / f"{directory.name}-elsewhere")
        assert prepared.status == 0, prepared
    before = objects(mounted, number)
    noted = len(failures(mounted, number))
    on_disk = run(program.run, local, inputs, tmp_path / "local-elsewhere")
    assert on_disk.status == 0, on_disk
    ran = run(program.run, here, inputs, tmp_path / f"{number}-elsewhere")
    found = [failure["errno"] for failure in failures(mounted, number)[noted:]]
    if program.errno:
        text = program.says or os.strerror(getattr(errno, program.errno))
        assert (ran.status != 0, text in ran.output + ran.complaint) == (True, True), ran
        assert found[:1] == ([] if program.kernel else [program.errno])
        new = {key: data for key, data in objects(mounted, number).items() if key not in before}
        assert set(new) == set(program.leaves)
        assert {key: objects(mounted, number)[key] for key in before} == before
    else:
        assert (ran.status, ran.output) == (0, on_disk.output), ran
        assert set(found) <= {program.tries}, failures(mounted, number)
        assert tree(here) == tree(local)
        assert objects(mounted, number) == tree(local, directories=False)


def run(command: str, directory: Path, inputs: Path, scratch: Path) -> Ran:
    """Run a command of the table in ``directory``."""
    scratch.mkdir(exist_ok=True)
    ran = subprocess.run(
        ["bash", "-c", command],
        cwd=directory,
        env={
            "PATH": os.environ["PATH"],
            "HOME": str(scratch),
            "LC_ALL": "C.UTF-8",
            "TERM": "xterm",
            "PYTHONPATH": str(REPOSITORY),
            "MPLCONFIGDIR": str(inputs / "matplotlib"),
            "PY": sys.executable,
            "IN": str(inputs),
            "OUT": str(scratch),
        },
        stdin=subprocess.DEVNULL,
        capture_output=True,
        timeout=SECONDS,
        check=False,
    )
    output = ran.stdout.decode(errors="replace")
    for place, name in ((scratch, "ELSEWHERE"), (directory, "HERE")):
        output = output.replace(str(place), name)
    return Ran(ran.returncode, output, ran.stderr.decode(errors="replace"))


def tree(directory: Path, *, directories: bool = True) -> dict[str, str]:
    """The paths beneath a directory: a file's digest, ``/`` for a directory."""
    return {
        path.relative_to(directory).as_posix(): "/" if path.is_dir() else digest(path.read_bytes())
        for path in sorted(directory.rglob("*"))
        if not ignored(path.parts) and (directories or not path.is_dir())
    }


def objects(mounted: Mounted, number: int) -> dict[str, str]:
    """The objects of a program's directory as S3 has them: digests by path, without markers."""
    prefix = f"{number}/"
    keys = [key for key in mounted.keys(prefix) if not key.endswith("/")]
    return {
        key.removeprefix(prefix): digest(mounted.get(key))
        for key in keys
        if not ignored(key.split("/"))
    }


def ignored(parts: Sequence[str]) -> bool:
    """Git's own files hold times and what the disk can do: what it says is compared instead."""
    return ".git" in parts


def failures(mounted: Mounted, number: int) -> list[dict[str, Any]]:
    """What the mount noted about a program's directory, oldest first."""
    noted = reversed(mounted.errors())
    return [failure for failure in noted if failure["path"].startswith(f"/{number}/")]


def digest(content: bytes) -> str:
    """A short name of some bytes."""
    return f"{len(content)} {hashlib.sha256(content).hexdigest()[:12]}"
