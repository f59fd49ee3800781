"""``phfs doctor``: what keeps a mount from working, and what to do; for a place or a mount."""

from __future__ import annotations

import argparse
import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from phfs.cli import standing
from phfs.cli.shared import add_place, place_config
from phfs.cli.standing import Standing
from phfs.commandline import Command, Parser, UsageError, say
from phfs.config import MountConfig, load
from phfs.core.names import EXPLANATIONS, printable
from phfs.errors import MountError
from phfs.system import asking

if TYPE_CHECKING:
    from phfs.doctor import MountSeen
    from phfs.doctor.examination import Finding

PROG = "phfs doctor"

INTERRUPTED = 130
"""128 + SIGINT, as shells count."""

_AMAZON = "Amazon S3"


def _add_options(parser: Parser) -> None:
    parser.add_argument(
        "directory",
        nargs="?",
        metavar="DIR",
        help="a mount that is there (default: the place that the options name)",
    )
    add_place(parser, writes=True)
    parser.add_argument("--read-only", action="store_true", help="write nothing, anywhere")
    parser.add_argument(
        "--json", action="store_true", help="one document for support; it has no secrets in it"
    )


def _run(given: argparse.Namespace) -> int:
    from phfs.doctor import Patient
    from phfs.doctor.run import run
    from phfs.doctor.show import Screen, document
    from phfs.machine import this_machine

    mount: MountSeen | None = None
    if given.directory is not None:
        config, mount = _of_mount(given)
    else:
        config = place_config(given)
    mounted_so = mount is not None and bool(mount.status.get("read_only"))
    read_only = given.read_only or config.read_only or mounted_so
    patient = Patient(config, this_machine(), mount, read_only)
    screen = Screen()
    heard: list[Finding] = []

    def hear(finding: Finding) -> None:
        heard.append(finding)
        if not given.json:
            screen.show(finding)

    try:
        examination = run(patient, hear)
    except KeyboardInterrupt:
        say(PROG, f"Interrupted; {_state_of(heard)}.")
        return INTERRUPTED
    if given.json:
        print(json.dumps(document(patient, examination), indent=2, ensure_ascii=False))
    else:
        screen.end(examination)
    return examination.code


def _state_of(heard: Sequence[Finding]) -> str:
    """What an interrupted run leaves behind."""
    from phfs.doctor.examination import Result

    last = next((one for one in heard if one.check == "clean-up"), None)
    if last is None:
        return "nothing was written"
    return last.text if last.result is Result.FAIL else "what was written is removed"


def _of_mount(given: argparse.Namespace) -> tuple[MountConfig, MountSeen]:
    """What a mount is made from, as it says itself, with the caller's keys."""
    if given.bucket or given.group or given.prefix:
        raise UsageError("DIR says which objects are meant: leave --bucket, --group, --prefix out.")
    from phfs.doctor import MountSeen

    one = _mount_at(given.directory)
    status = one.status
    bucket, _, prefix = one.mount.source.removeprefix("s3://").partition("/")
    texts = {
        "bucket": str(status.get("bucket") or bucket),
        "prefix": str(status.get("prefix") or prefix),
        "mountpoint": str(one.path),
    }
    endpoint = status.get("endpoint")
    if isinstance(endpoint, str) and endpoint != _AMAZON:
        texts["endpoint_url"] = endpoint
    own = ("region", "profile", "path_style", "ca_bundle", "credentials_file", "state_dir")
    texts |= {name: text for name in own if (text := getattr(given, name, None))}
    problem = "" if one.state == standing.HEALTHY else one.state
    seen = MountSeen(one.path, status, _failures(one), problem, one.advice)
    return load(texts, os.environ), seen


def _mount_at(directory: str) -> Standing:
    """The mount in which a directory is, which is not looked at itself: it may hang."""
    plain = Path(os.path.abspath(directory))
    found = standing.standing()
    for one in sorted(found, key=lambda one: -len(one.path.parts)):
        if any(place == plain or place in plain.parents for place in one.places):
            return one
    raise MountError(
        f"{printable(str(plain))} is not in a mount of PHFS.",
        "phfs mounts shows what there is; without DIR the options say which place is examined, as "
        "in phfs doctor --bucket my-bucket --group my-group.",
    )


def _failures(one: Standing) -> list[Mapping[str, Any]]:
    if one.state != standing.HEALTHY:
        return []
    file = one.path / EXPLANATIONS / "errors.json"
    (answer,) = asking.ask([asking.Question(file, one.mount.owner)], standing.ANSWER_SECONDS)
    try:
        told = json.loads(answer.content or b"[]")
    except ValueError:
        return []
    return [item for item in told if isinstance(item, dict)]


COMMAND = Command(
    "doctor", "Find out what keeps a mount from working, and what to do.", _add_options, _run
)
