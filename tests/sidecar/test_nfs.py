"""Volumes of kind nfs on a kernel without NFS, and what is said of failures; see ``test_nfs_guest``
of ``tests/real`` for a kernel that has it."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import pytest
import trio

from phfs.errors import VolumeError
from phfs.sidecar.nfs import Mounted, is_in_place, keep_mounted, mount_nfs, silence, unmount
from phfs.sidecar.nfswords import refused, silent
from phfs.sidecar.steps import MountNfs

STEP = MountNfs(
    volume="datasets/pictures", why="", server="127.0.0.1", export="/pictures",
    path="datasets/pictures", read_only=True,
)  # fmt: skip


@pytest.mark.parametrize(
    ("words", "why"),
    [
        ("mount.nfs: No such device", "kernel of this node has no NFS client"),
        ("mount: unknown filesystem type 'nfs'", "kernel of this node has no NFS client"),
        ("mount.nfs: Failed to resolve server x: Name or service not known", "name is unknown"),
        ("mount.nfs: Connection refused", "refuses connections"),
        ("mount.nfs: Connection timed out", "does not answer"),
        ("mount.nfs: No route to host", "does not answer"),
        ("mount.nfs: access denied by server while mounting x:/y", "does not let this node"),
        ("mount.nfs: mounting x:/y failed, reason given by server: No such file or directory",
         "exports no such path"),
        ("mount.nfs: mount point /a/b does not exist", "place to mount it at is missing"),
        ("mount.nfs: requested NFS version or transport protocol is not supported", "no NFS 4"),
        ("mount.nfs: Operation not permitted", "may not mount here"),
        ("mount.nfs: something \x1bnew", "mount.nfs says: mount.nfs: something  new"),
        ("", "mount.nfs says: nothing"),
    ],
)  # fmt: skip
def test_a_failure_is_a_sentence(words: str, why: str) -> None:
    error = refused("files.example:/pictures", words)
    assert error.why.startswith("files.example:/pictures cannot be mounted")
    assert why in error.why
    assert error.advice


def test_silence_is_a_sentence() -> None:
    error = silent("files.example:/pictures", 15)
    assert error.why == (
        "files.example:/pictures cannot be mounted: the server does not answer within 15 seconds."
    )


async def test_what_is_there_answers(tmp_path: Path) -> None:
    assert await silence(tmp_path, 60) is None
    assert await silence(tmp_path / "nothing", 60) == "No such file or directory"


async def test_only_mounts_of_nfs_are_taken_away(tmp_path: Path) -> None:
    assert not is_in_place(STEP, tmp_path)
    await unmount(Path("/proc"))
    assert Path("/proc/self").exists()


@pytest.mark.real
async def test_without_nfs_in_the_kernel_or_a_server_it_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "datasets/pictures").mkdir(parents=True)
    with pytest.raises(VolumeError) as caught:
        await mount_nfs(STEP, tmp_path, 60)
    here = "nodev\tnfs4" in Path("/proc/filesystems").read_text()
    expected = "the server refuses connections" if here else "the kernel of this node has no NFS"
    assert caught.value.why.startswith(f"127.0.0.1:/pictures cannot be mounted: {expected}")


async def test_attempts_go_on_and_each_failure_is_reported(tmp_path: Path) -> None:
    """mount.nfs fails because there is no place to mount at, or is not there itself."""
    reports: list[Mounted] = []
    enough = trio.Event()

    def report(state: Mounted) -> None:
        reports.append(state)
        if len(reports) == 3:
            enough.set()

    async with trio.open_nursery() as nursery:
        nursery.start_soon(partial(keep_mounted, STEP, tmp_path, report, seconds=60, look=0.05))
        with trio.fail_after(60):
            await enough.wait()
        nursery.cancel_scope.cancel()
    assert {state.in_place for state in reports} == {False}
    assert all(state.error is not None and state.silent_since is None for state in reports)


async def test_files_in_its_place_are_not_hidden(tmp_path: Path) -> None:
    place = tmp_path / "datasets/pictures"
    place.mkdir(parents=True)
    (place / "mine.txt").write_text("x")
    with pytest.raises(VolumeError, match="files that were written while it was not there"):
        await mount_nfs(STEP, tmp_path, 60)
    assert (place / "mine.txt").read_text() == "x"
