"""``python -m bench.sidecar``: how long until a pod of ten volumes may start; plan and render, too.

Owns the command line and the pod. Everything runs on this machine, with a MinIO and a git daemon,
and is taken down again, also when the run is interrupted. Root's: it mounts.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import Any

from rich.console import Console

from bench.command import end_well
from bench.document import Grid, conditions, console, publish
from phfs.commandline import Parser
from tests.sidecar.documents import dataset, group, raw
from tests.support.git_server import Origin, git_daemon
from tests.support.minio import MinioServer
from tests.support.sidecar import PROGRAM, Pod, pod

PROG = "python -m bench.sidecar"

READY_SECONDS = 3.0
"""Ten volumes in place, from the start of the process."""

QUICK_SECONDS = 0.5
"""``plan`` and ``render``."""

POD_YAML = """\
apiVersion: v1
kind: Pod
metadata: {name: notebook}
spec:
  containers:
  - {name: main, image: "localhost/notebook:1"}
"""

VOLUMES = ("a", "b", "c", "d", "e")


def main() -> int:
    """Measure; 0, or 1 if a promise is not kept, 2 for a wrong option."""
    return end_well(PROG, lambda: _run(_options().read(sys.argv[1:]), console()))


def _options() -> Parser:
    parser = Parser(PROG, "Measure how long a pod's volumes take to be in place.")
    parser.expected["--rounds"] = "a number"
    parser.add_argument("--rounds", type=int, default=7, metavar="N", help="how often (default: 7)")
    parser.add_argument(
        "--docs", action="store_true", help="write the table into docs/performance.md, too"
    )
    return parser


def _run(given: argparse.Namespace, screen: Console) -> int:
    made = time.strftime("%Y-%m-%d %H:%M:%S %z")
    with ground() as (document, prepare):
        took = {
            "ten volumes in place": [_until_ready(document, prepare) for _ in range(given.rounds)],
            "plan": [_command(document, "plan") for _ in range(given.rounds)],
            "render": [_command(document, "render") for _ in range(given.rounds)],
        }
    promised = (READY_SECONDS, QUICK_SECONDS, QUICK_SECONDS)
    grid = Grid(
        ("", "median s", "slowest s", "promised s"),
        [
            (what, f"{median(times):.2f}", f"{max(times):.2f}", f"{most:g}")
            for (what, times), most in zip(took.items(), promised, strict=True)
        ],
    )
    screen.print(grid.table("The sidecar"))
    if given.docs:
        publish({"sidecar": f"{conditions(made)}\n\n{grid.markdown()}"}, {})
    kept = zip(took.values(), promised, strict=True)
    return 0 if all(median(times) < most for times, most in kept) else 1


@contextmanager
def ground() -> Iterator[tuple[dict[str, Any], Callable[[Pod], None]]]:
    """The servers; the document, and what hands its volumes over to a pod."""
    with TemporaryDirectory(prefix="phfs-bench-") as name:
        place = Path(name)
        minio = MinioServer(place)
        Origin(place / "origin").commit({"train.py": "print(1)\n"})
        keys = minio.group_keys(minio.bucket, "research")

        def prepare(made: Pod) -> None:
            made.hand_over(
                "store",
                "keys",
                {"access-key-id": keys.access_key, "secret-access-key": keys.secret_key},
            )
            made.hand_over("home", "user")
            made.hand_over("group", "research")
            for volume in VOLUMES:
                made.hand_over("pv", volume)

        try:
            with git_daemon(place) as url:
                yield _document(minio, f"{url}/origin"), prepare
        finally:
            minio.close()


def _document(minio: MinioServer, url: str) -> dict[str, Any]:
    data = [
        *(dataset(name, "pv", {"homeSymlink": "true"}) for name in VOLUMES),
        dataset("code", "git", url=url),
        dataset("tokens", "env"),
    ]
    roles = [f"ds:rw:{one['metadata']['name']}" for one in data]
    store = {"bucket": minio.bucket, "endpointUrl": minio.endpoint_url, "secret": "keys"}
    return raw(
        "notebook",
        groups=[group("research", *roles, shared=False)],
        data=data,
        store=store,
        homeClaim="home",
    )


def _until_ready(document: dict[str, Any], prepare: Callable[[Pod], None]) -> float:
    with pod() as made:
        prepare(made)
        began = time.monotonic()
        made.start(document)
        made.wait_until_settled()
        took = time.monotonic() - began
        failed = [one for one in made.states().values() if one["being"] == "failed"]
        if failed or made.told_to_end() != 0:
            raise RuntimeError(f"The sidecar failed: {failed or made.log}")
    return took


def _command(document: dict[str, Any], name: str) -> float:
    with TemporaryDirectory(prefix="phfs-bench-") as place:
        file, more = Path(place, "doc.yaml"), Path(place, "pod.yaml")
        file.write_text(json.dumps(document))
        more.write_text(POD_YAML)
        words = [str(PROGRAM), name, str(file), *([str(more)] if name == "render" else [])]
        began = time.monotonic()
        done = subprocess.run(words, capture_output=True, text=True, timeout=60, check=False)
        took = time.monotonic() - began
    if done.returncode != 0:
        raise RuntimeError(done.stderr)
    return took


if __name__ == "__main__":
    sys.exit(main())
