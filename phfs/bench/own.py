"""``phfs bench DIR``: a mount that is there already, beside its store where keys are found.

Owns the finding of the mount, of the keys, and the directory that everything happens in; it is gone
in the end, also when the run is interrupted. Called by ``cli``.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import NamedTuple, NoReturn

import boto3
from boto3.exceptions import Boto3Error
from botocore.exceptions import BotoCoreError, ClientError

from phfs.bench.figures import figures
from phfs.bench.floor import Floor, client
from phfs.bench.measure import FLOOR, MARGIN_SECONDS, Bench, Subject
from phfs.bench.output import writable, write
from phfs.bench.place import DirectoryPlace, Place, StorePlace
from phfs.bench.process import Process
from phfs.bench.record import Run
from phfs.bench.report import Screen
from phfs.bench.scenario import Size
from phfs.bench.scenarios import chosen, themes
from phfs.bench.targets import PHFS
from phfs.errors import PhfsError

LONGEST_TTL = 10.0
"""Seconds; for a mount that believes names for longer, waiting for it to forget takes too long."""

NAME = "phfs-bench-"


class OwnMount(NamedTuple):
    """What ``.phfs/status.json`` says of a mount; ``endpoint_url`` is None for Amazon's."""

    root: Path
    bucket: str
    prefix: str
    endpoint_url: str | None
    pid: int
    ttl: float


def measure_own(
    directory: Path, *, names: Sequence[str], size: Size, output: Path | None, screen: Screen
) -> int:
    """Measure inside ``directory`` and show the tables; 0, 1 if something failed, 130 after Ctrl-C.

    Raises ``PhfsError`` with one sentence for what is in the way.
    """
    wanted = chosen(themes(size), names)
    if output is not None:
        writable(output)
    mount = find_mount(directory)
    signal.signal(signal.SIGTERM, _interrupt)
    try:
        with _own_directory(mount, directory) as own:
            floor = _floor(mount, own, screen)
            place: Place = StorePlace(floor) if floor else DirectoryPlace(own)
            link = str(mount.root)
            process = Process(mount.pid)
            subjects = [
                Subject(PHFS, link, own, process=process if process.is_named("phfs") else None)
            ]
            if floor:
                subjects.append(Subject(FLOOR, link, store=floor))
            try:
                with screen.live():
                    bench = Bench(subjects, place, screen, ttl=mount.ttl)
                    known = figures(bench.run(wanted, size.turns))
            finally:
                place.remove()
    except KeyboardInterrupt:
        screen.say("Interrupted: what was written is removed.")
        return 130  # 128 + SIGINT, as shells count
    if output is not None:
        run = Run(known, [], quick=size.quick, rounds=size.turns - 1)
        screen.say(f"Written to {write(run, output)}")
    return 1 if any(figure.error for figure in known) else 0


def find_mount(directory: Path) -> OwnMount:
    """The mount that a directory is in. Raises ``PhfsError``."""
    if not directory.is_dir():
        raise PhfsError(f"{directory} is not a directory.", "Give one inside a mount of PHFS.")
    inside = directory.resolve()
    for root in (inside, *inside.parents):
        try:
            status = json.loads((root / ".phfs/status.json").read_text())
        except (OSError, ValueError):
            continue
        return _checked(root, status)
    raise PhfsError(
        f"{directory} is not inside a mount of PHFS.",
        "Mount with phfs-mount first, and give the mount point or a directory below it.",
    )


def _checked(root: Path, status: Mapping[str, object]) -> OwnMount:
    """What is needed of a mount's status. Raises ``PhfsError`` if it cannot be measured."""
    limits = status["limits"]
    assert isinstance(limits, dict)
    ttl = float(limits["metadata_ttl_seconds"])
    if status["read_only"]:
        raise PhfsError(
            f"The mount at {root} is read-only, and files must be written to be measured.",
            "Mount it without --read-only.",
        )
    if ttl > LONGEST_TTL:
        raise PhfsError(
            f"The mount at {root} believes names for {ttl:g} seconds.",
            f"Mount it with --metadata-ttl {LONGEST_TTL:g} or less to measure it.",
        )
    endpoint = str(status["endpoint"])
    return OwnMount(
        root,
        str(status["bucket"]),
        str(status["prefix"]),
        endpoint if "://" in endpoint else None,
        int(str(status["pid"])),
        ttl,
    )


@contextmanager
def _own_directory(mount: OwnMount, directory: Path) -> Iterator[Path]:
    """A new directory on the mount; removed in the end, which no signal interrupts."""
    try:
        own = Path(tempfile.mkdtemp(prefix=NAME, dir=directory.resolve()))
    except OSError as error:
        raise PhfsError(
            f"Nothing can be written in {directory} ({error.strerror}).",
            "Give another directory of the mount.",
        ) from None
    try:
        yield own
    finally:
        before = signal.signal(signal.SIGINT, signal.SIG_IGN)
        # What was removed past the mount is seen after this.
        time.sleep(mount.ttl + MARGIN_SECONDS)
        shutil.rmtree(own, ignore_errors=True)
        signal.signal(signal.SIGINT, before)
    if own.exists():
        raise PhfsError(f"{own} could not be removed.", "Remove it with rm -r.")


def _floor(mount: OwnMount, own: Path, screen: Screen) -> Floor | None:
    """The store below the directory, if keys are found and good for it."""
    prefix = f"{mount.prefix}{own.relative_to(mount.root)}/"
    environ = os.environ
    try:
        session = boto3.session.Session(
            environ.get("PHFS_ACCESS_KEY_ID"),
            environ.get("PHFS_SECRET_ACCESS_KEY"),
            environ.get("PHFS_SESSION_TOKEN"),
            environ.get("PHFS_REGION"),
            profile_name=environ.get("PHFS_PROFILE"),
        )
        made = client(session, mount.endpoint_url, environ.get("PHFS_CA_BUNDLE"))
        floor = Floor(made, mount.bucket, prefix)
        floor.list()
    except (BotoCoreError, Boto3Error, ClientError) as error:
        screen.say(
            f"The store itself is not measured, because it cannot be reached with the keys that "
            f"are found ({error}); the figures are the mount's alone."
        )
        return None
    return floor


def _interrupt(_number: int, _frame: FrameType | None) -> NoReturn:
    raise KeyboardInterrupt
