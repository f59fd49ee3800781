"""``python -m bench.copying``: ``phfs cp`` beside ``aws s3 cp`` and rclone, without any mount.

Owns a MinIO on a tmpfs, the files, and the order: all programs in turn within each round, so that
what else the machine does hits them alike. Prints a table in Markdown: the median seconds, the
processor's seconds and the peak resident memory of the program itself. ``aws`` is looked for in
``$PHFS_AWS``, on PATH and in ``~/.cache/phfs/awscli/bin``; a program that is not there is left out.
"""

from __future__ import annotations

import argparse
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import NamedTuple

from tests.support.minio import REGION, MinioServer

MEBIBYTE = 1024**2

SMALL_FILE = 16 * 1024

PREFIX = "groups/bench"

LOOK_SECONDS = 0.005


class Run(NamedTuple):
    """One call: seconds, seconds of the processor, peak resident memory in KiB."""

    wall: float
    cpu: float
    resident: int


class Program(NamedTuple):
    """A program that copies: ``words`` gives its command line for a path here, a path in the group,
    whether up, and whether a directory."""

    name: str
    words: Callable[[str, str, bool, bool], list[str]]


def programs(bucket: str) -> list[Program]:
    """Those that are on this machine."""
    phfs = str(Path(sys.executable).parent / "phfs")
    found = [
        Program(
            "phfs cp",
            lambda here, there, up, tree: (
                [phfs, "cp", "-q", *(["-r"] if tree else [])]
                # In later rounds the target is there: what is in the directory goes into it.
                + (
                    [here + "/." * tree, f"phfs:///{there}"]
                    if up
                    else [f"phfs:///{there}" + "/." * tree, here]
                )
            ),
        )
    ]
    cached = Path.home() / ".cache/phfs/awscli/bin/aws"
    aws = (
        os.environ.get("PHFS_AWS")
        or shutil.which("aws")
        or (str(cached) if cached.exists() else "")
    )
    address = f"s3://{bucket}/{PREFIX}/"
    if aws:
        found.append(
            Program(
                "aws s3 cp",
                lambda here, there, up, tree: (
                    [aws, "s3", "cp", "--only-show-errors", *(["--recursive"] if tree else [])]
                    + ([here, address + there] if up else [address + there, here])
                ),
            )
        )
    rclone = shutil.which("rclone", path=f"{Path(sys.executable).parent}:{os.environ['PATH']}")
    if rclone:
        place = f"bench:{bucket}/{PREFIX}/"
        found.append(
            Program(
                "rclone",
                lambda here, there, up, tree: (
                    [rclone, "copy" if tree else "copyto", "-q", "--ignore-times"]
                    + ([here, place + there] if up else [place + there, here])
                ),
            )
        )
    return found


def environ(server: MinioServer, home: Path) -> Mapping[str, str]:
    """What all of them are told."""
    return {
        "PATH": os.environ["PATH"],
        "HOME": str(home),
        "PHFS_ENDPOINT_URL": server.endpoint_url,
        "PHFS_BUCKET": server.bucket,
        "PHFS_GROUP": "bench",
        "AWS_ENDPOINT_URL": server.endpoint_url,
        "AWS_ACCESS_KEY_ID": server.access_key,
        "AWS_SECRET_ACCESS_KEY": server.secret_key,
        "AWS_DEFAULT_REGION": REGION,
        "RCLONE_CONFIG": os.devnull,
        "RCLONE_CONFIG_BENCH_TYPE": "s3",
        "RCLONE_CONFIG_BENCH_PROVIDER": "Minio",
        "RCLONE_CONFIG_BENCH_ENV_AUTH": "true",
        "RCLONE_CONFIG_BENCH_ENDPOINT": server.endpoint_url,
    }


def timed(words: list[str], told: Mapping[str, str], directory: Path) -> Run:
    """Run a program to its end. Raises ``RuntimeError`` if it fails."""
    began = time.monotonic()
    with tempfile.TemporaryFile() as said:
        process = subprocess.Popen(
            words, cwd=directory, env=dict(told), stdin=subprocess.DEVNULL, stderr=said
        )
        peak = 0
        while True:
            # The kernel's own figure at the end begins with what this process has.
            peak = max(peak, _resident(process.pid))
            ended, status, used = os.wait4(process.pid, os.WNOHANG)
            if ended:
                break
            time.sleep(LOOK_SECONDS)
        wall = time.monotonic() - began
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode:
            said.seek(0)
            raise RuntimeError(f"{words} failed: {said.read().decode(errors='replace')}")
    return Run(wall, used.ru_utime + used.ru_stime, peak)


def _resident(pid: int) -> int:
    """The most memory that a process has had, in KiB; 0 when it has ended."""
    try:
        status = Path(f"/proc/{pid}/status").read_text()
        line = next(line for line in status.splitlines() if line.startswith("VmHWM:"))
    except (OSError, StopIteration):
        return 0
    return int(line.split()[1])


def measure(
    directory: Path, rounds: int, size: int, files: int
) -> dict[tuple[str, str], list[Run]]:
    """All runs by what was done and by which program."""
    runs: dict[tuple[str, str], list[Run]] = {}
    (directory / "minio").mkdir()
    (directory / "many").mkdir()
    large = directory / "large"
    with large.open("wb") as file:
        for _ in range(size // MEBIBYTE):
            file.write(os.urandom(MEBIBYTE))
    for number in range(files):
        (directory / f"many/{number:06}").write_bytes(os.urandom(SMALL_FILE))
    (directory / "one").write_bytes(b"one")
    tasks = (
        ("one small file up", "one", False, True),
        (f"{size // MEBIBYTE} MiB up", "large", False, True),
        (f"{size // MEBIBYTE} MiB down", "large", False, False),
        (f"{files:,} x 16 KiB up", "many", True, True),
        (f"{files:,} x 16 KiB down", "many", True, False),
    )
    server = MinioServer(directory / "minio")
    try:
        told = environ(server, directory)
        for turn in range(rounds + 1):  # the first warms up
            for what, name, tree, up in tasks:
                for program in programs(server.bucket):
                    there = f"{name}-{program.name.split()[0]}"
                    here = name if up else "down"
                    run = timed(program.words(here, there, up, tree), told, directory)
                    print(f"{turn} {what}, {program.name}: {run}", file=sys.stderr)
                    if turn:
                        runs.setdefault((what, program.name), []).append(run)
                    if not up:
                        _check_and_remove(directory / name, directory / "down")
    finally:
        server.close()
    return runs


def _check_and_remove(source: Path, copy: Path) -> None:
    subprocess.run(["diff", "-rq", source, copy], check=True, stdout=subprocess.DEVNULL)
    if copy.is_dir():
        shutil.rmtree(copy)
    else:
        copy.unlink()


def table(runs: Mapping[tuple[str, str], list[Run]]) -> str:
    """The medians; in brackets the seconds as a multiple of those of ``phfs cp``."""
    lines = ["| | program | seconds | processor s | peak MiB |", "|---|---|---|---|---|"]
    for (what, program), made in runs.items():
        wall = statistics.median(run.wall for run in made)
        own = statistics.median(run.wall for run in runs[what, "phfs cp"])
        cpu = statistics.median(run.cpu for run in made)
        peak = max(run.resident for run in made) / 1024
        lines.append(
            f"| {what} | {program} | {wall:.2f} ({wall / own:.2f}) | {cpu:.2f} | {peak:.0f} |"
        )
    return "\n".join(lines)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--mib", type=int, default=1024, help="size of the large file")
    parser.add_argument("--files", type=int, default=5000)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="phfs-copying-", dir="/dev/shm") as name:
        print(table(measure(Path(name), given.rounds, given.mib * MEBIBYTE, given.files)))


if __name__ == "__main__":
    main()
