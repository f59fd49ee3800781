"""Runs in the guest of ``nfs_guest.py``: mounts volumes with the sidecar's own modules, and tells.

Every message is a line of JSON behind an ``@``; a line on its standard input lets it go on.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
import traceback
from functools import partial
from pathlib import Path

import trio

from phfs.errors import VolumeError
from phfs.sidecar import nfs
from phfs.sidecar.nfs import Mounted
from phfs.sidecar.steps import MountNfs

ROOT = Path("/volumes")
INSIDE = Path("/run/inside")
"""What a main container has bound of ROOT's directory ``rw`` before anything was mounted there."""


def tell(name: str, **facts: object) -> None:
    print("@" + json.dumps({"name": name, **facts}), flush=True)


async def go_on() -> None:
    await trio.to_thread.run_sync(sys.stdin.readline)


def step(name: str, export: str = "/export", *, read_only: bool = False) -> MountNfs:
    return MountNfs(volume=name, why="", server="10.0.2.2", export=export, path=name,
                    read_only=read_only)  # fmt: skip


async def attempt(name: str, volume: MountNfs, seconds: float) -> None:
    before, error = time.monotonic(), None
    try:
        await nfs.mount_nfs(volume, ROOT, seconds)
    except VolumeError as caught:
        error = caught.why
    tell(name, error=error, seconds=time.monotonic() - before)


def prepare() -> None:
    for words in (
        ["mount", "-t", "tmpfs", "tmpfs", str(ROOT)],
        ["mount", "--make-rshared", str(ROOT)],
    ):
        ROOT.mkdir(exist_ok=True)
        subprocess.run(words, check=True)
    for name in ("rw", "ro", "none", "late"):
        (ROOT / name).mkdir()
    INSIDE.mkdir(parents=True)
    subprocess.run(["mount", "--bind", str(ROOT / "rw"), str(INSIDE)], check=True)
    subprocess.run(["mount", "--make-rslave", str(INSIDE)], check=True)


def options(path: Path) -> list[str]:
    lines = Path("/proc/self/mountinfo").read_text().splitlines()
    found = [line for line in lines if line.split()[4] == str(path)]
    return [line.split()[5] + "," + line.split()[-1] for line in found]


def written(path: Path) -> str:
    try:
        path.write_text("x")
    except OSError as error:
        return str(error.strerror)
    return "written"


async def main() -> None:
    prepare()
    tell("up")
    reports = partial(_report, "report")
    async with trio.open_nursery() as nursery:
        volume = step("rw")
        nursery.start_soon(partial(nfs.keep_mounted, volume, ROOT, reports, seconds=10, look=1))
        await go_on()  # the server is there
        while not nfs.is_in_place(volume, ROOT):
            await trio.sleep(0.1)
        (INSIDE / "from-guest").write_text("written in the guest")
        tell("mounted", options=options(ROOT / "rw"), read=(INSIDE / "from-host").read_text())

        await nfs.mount_nfs(step("ro", read_only=True), ROOT, 60)
        read = (ROOT / "ro/from-host").read_text()
        said = written(ROOT / "ro/forbidden")
        tell("read only", options=options(ROOT / "ro"), read=read, write=said)
        await attempt("no export", step("none", "/nothing", read_only=True), 60)

        await go_on()  # the server is dead
        writer = await trio.lowlevel.open_process(
            ["sh", "-c", ("i=0; while [ $i -lt 20 ]; do echo $i; i=$((i+1)); done"
                         f" >{INSIDE}/over-the-gap && sync {INSIDE}/over-the-gap")]
        )  # fmt: skip
        tell("writing")
        ended = await writer.wait()
        tell("written", code=ended)

        await go_on()  # the server hangs
        await attempt("hangs", step("late"), 5)
        nursery.cancel_scope.cancel()
    before = time.monotonic()
    for name in ("rw", "ro"):
        await nfs.unmount(ROOT / name)
    left = [name for name in ("rw", "ro", "late") if options(ROOT / name)]
    inside = len(options(INSIDE))
    tell("unmounted", seconds=time.monotonic() - before, left=left, inside=inside)


def _report(name: str, state: Mounted) -> None:
    error = state.error.why if state.error else None
    tell(name, in_place=state.in_place, error=error, silent=state.silent_since is not None,
         load=os.getloadavg()[0])  # fmt: skip


if __name__ == "__main__":
    try:
        trio.run(main)
    except BaseException as defect:
        traceback.print_exc()
        tell("defect", error=repr(defect))
        raise
