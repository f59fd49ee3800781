"""``python -m bench.anatomy``: where the time of one read and of one small file goes.

Owns the command line, and the store and the mount, which are taken down again, also when the run is
interrupted.
"""

from __future__ import annotations

import argparse
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import NamedTuple

import boto3
import trio
from rich.console import Console
from rich.text import Text

from bench.anatomy.jobs import FILES, JOBS, NAMES, ROUNDS, Found, Job, take_apart
from bench.anatomy.report import PICTURE, grid, parts, picture, sentences
from bench.command import end_well
from bench.document import console, publish
from bench.mounts import Mounted, Origin, phfs
from phfs.bench.floor import Floor, client
from phfs.bench.output import writable
from phfs.bench.process import Process
from phfs.commandline import Parser, UsageError
from phfs.config import MountConfig
from phfs.first_reason import first_reason
from tests.support.minio import REGION, MinioServer

PROG = "python -m bench.anatomy"
PREFIX = "groups/bench/"
QUICK_FILES = 60


def main() -> int:
    """Measure and show; 0, 2 for a wrong option."""
    return end_well(PROG, lambda: _run(_options().read(sys.argv[1:]), console()))


def _options() -> Parser:
    parser = Parser(PROG, "Measure where the time of a read and of a small file goes.")
    parser.add_argument("--quick", action="store_true", help="fewer files")
    parser.expected["--tmpfs"] = "a directory on a tmpfs"
    parser.add_argument(
        "--tmpfs",
        type=Path,
        default=Path("/dev/shm"),
        metavar="DIR",
        help="where the store's data go (default: /dev/shm)",
    )
    parser.add_argument(
        "--docs", action="store_true", help="write the table and the plot into docs, too"
    )
    return parser


def _run(given: argparse.Namespace, screen: Console) -> int:
    if given.docs and given.quick:
        raise UsageError("--docs needs a whole run, without --quick.")
    count = QUICK_FILES if given.quick else FILES
    assert count % ROUNDS == 0
    made = time.strftime("%Y-%m-%d %H:%M:%S %z")
    with _world(writable(given.tmpfs)) as world, first_reason():
        results = [_take_apart(job, world, count, screen) for job in JOBS]
    screen.print(grid(results).table("Where the time goes"))
    for sentence in sentences(results):
        screen.print(Text(sentence))
    if given.docs:
        publish(parts(results, made), {PICTURE: picture(results)})
    return 0


def _take_apart(job: Job, world: _World, count: int, screen: Console) -> Found:
    with screen.status(job.name):
        process = Process(world.mount.pid)
        return trio.run(take_apart, job, world.configs, world.mount.path, process, count)


class _World(NamedTuple):
    """A mount, and two configurations for the same thing without one."""

    mount: Mounted
    configs: tuple[MountConfig, MountConfig]


@contextmanager
def _world(tmpfs: Path) -> Iterator[_World]:
    """MinIO with the jobs' files, and a mount of it."""
    with ExitStack() as closing:
        closing.callback(signal.signal, signal.SIGINT, signal.getsignal(signal.SIGINT))
        directory = Path(tempfile.mkdtemp(prefix="phfs-anatomy-", dir=tmpfs))
        closing.callback(shutil.rmtree, directory, ignore_errors=True)
        server = MinioServer(directory)
        closing.callback(server.close)
        _put_files(server)
        keys = (server.access_key, server.secret_key)
        origin = Origin(server.endpoint_url, server.bucket, PREFIX, *keys)
        mount = Mounted(phfs(), origin, directory / "phfs")
        closing.callback(mount.close)
        bare, taken_apart = (_config(origin, directory / name) for name in ("bare", "apart"))
        yield _World(mount, (bare, taken_apart))


def _put_files(server: MinioServer) -> None:
    session = boto3.session.Session(server.access_key, server.secret_key, region_name=REGION)
    floor = Floor(client(session, server.endpoint_url), server.bucket, PREFIX)
    for job in JOBS:
        block = bytes(job.size)
        floor.put_all((f"{job.directory}/{name}", block) for name in NAMES)


def _config(origin: Origin, directory: Path) -> MountConfig:
    directory.mkdir()
    return MountConfig(
        bucket=origin.bucket,
        mountpoint=directory,
        prefix=origin.prefix,
        endpoint_url=origin.endpoint_url,
        access_key_id=origin.access_key,
        secret_access_key=origin.secret_key,
        state_dir=directory,
    )


if __name__ == "__main__":
    sys.exit(main())
