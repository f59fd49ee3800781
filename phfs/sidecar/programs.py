"""Programs of others, each in a session of its own, bounded in time and in what it may say.

Owns their processes: whatever happens, they have been killed when ``run`` returns. What hangs in
the kernel (mount(2), stat(2) of a dead NFS server) is only ever done in one of them, because a
thread that hangs there cannot be ended. Called by what fetches, mounts and unmounts.
"""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass

import trio

from phfs.system.privileges import Identity

PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

END_SECONDS = 5.0
"""How long a killed process is waited for. One that the kernel does not let go is left behind."""

HELD_SECONDS = 1.0
"""How long the output of a process that has ended is waited for: a child of it may hold it open."""

FIRST_TO_GO = 500
"""oom_score_adj: when memory runs out, what works for strangers is ended before a mount is."""

OUTPUT_BYTES = 256 * 1024


@dataclass(frozen=True)
class Ended:
    """How a program ended: ``code`` is None if it had to be killed, negative for a signal."""

    code: int | None
    out: str
    err: str

    @property
    def is_done(self) -> bool:
        """Whether it did what it was asked to."""
        return self.code == 0


async def run(
    words: Sequence[str],
    *,
    seconds: float,
    identity: Identity | None = None,
    environment: Mapping[str, str] | None = None,
    directory: str = "/",
) -> Ended:
    """Run a program to its end, and no longer than ``seconds``; then its session is killed.

    With an ``identity`` it is that user for good, without any capability. It has ``environment``
    and PATH, nothing of ours; of its output the first 256 KiB are kept. Raises ``OSError`` if it
    cannot be started.
    """
    if identity is not None:
        words = (*_lowered(identity), *words)
    # In this thread, not in a worker: the signal that setpriv asks for comes with the end of the
    # thread that has started the process.
    process = subprocess.Popen(
        words,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        cwd=directory,
        env={"PATH": PATH, "LC_ALL": "C", **(environment or {})},
        start_new_session=True,
        umask=0o022,
    )
    assert process.stdout is not None
    assert process.stderr is not None
    out, err = bytearray(), bytearray()
    in_time = False
    try:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(_keep, process.stdout.fileno(), out)
            nursery.start_soon(_keep, process.stderr.fileno(), err)
            with trio.move_on_after(seconds):
                await _ended(process)
                in_time = True
            _kill_session(process)
            nursery.cancel_scope.deadline = trio.current_time() + HELD_SECONDS
    finally:
        _kill_session(process)
        with trio.CancelScope(shield=True, deadline=trio.current_time() + END_SECONDS):
            await _ended(process)
        process.poll()
        process.stdout.close()
        process.stderr.close()
    return Ended(
        process.returncode if in_time else None,
        out.decode(errors="replace"),
        err.decode(errors="replace"),
    )


def _lowered(identity: Identity) -> tuple[str, ...]:
    return (
        "choom",
        f"--adjust={FIRST_TO_GO}",
        "--",
        "setpriv",
        f"--reuid={identity.uid}",
        f"--regid={identity.gid}",
        "--clear-groups",
        "--inh-caps=-all",
        "--bounding-set=-all",
        "--no-new-privs",
        "--pdeathsig=TERM",
        "--",
    )


async def _ended(process: subprocess.Popen[bytes]) -> None:
    """It is not reaped: until then its number, which is that of its session, is nobody else's."""
    pidfd = os.pidfd_open(process.pid)
    try:
        await trio.lowlevel.wait_readable(pidfd)
    finally:
        trio.lowlevel.notify_closing(pidfd)
        os.close(pidfd)


def _kill_session(process: subprocess.Popen[bytes]) -> None:
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGKILL)


async def _keep(descriptor: int, kept: bytearray) -> None:
    """Read to the end, so that nobody waits for a reader, and keep the beginning."""
    async with trio.lowlevel.FdStream(os.dup(descriptor)) as stream:
        async for data in stream:
            kept += data[: OUTPUT_BYTES - len(kept)]
