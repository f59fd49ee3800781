"""The mount of PHFS in a pod: ``phfs-mount`` as a process, started again whenever it has ended.

Owns that process and its command line. A crash of what serves is healed by ``phfs-mount`` itself;
here it is healed that ``phfs-mount`` died. A dead mount is never taken away while the pod lives:
the next one is made upon it, so that whoever has bound its root sees the new one. Called by
``runner``.
"""

from __future__ import annotations

import json
import logging
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import trio

from phfs.errors import VolumeError
from phfs.sidecar import forked, publishing
from phfs.sidecar.keycopy import KeyCopy
from phfs.sidecar.outcome import Outcome
from phfs.sidecar.settings import Settings, Timeline
from phfs.sidecar.steps import MountPhfs
from phfs.sidecar.tail import Tail
from phfs.system import mounts
from phfs.system.privileges import Identity

log = logging.getLogger(__name__)

LOOK_SECONDS = 2.0
"""How long a Secret that was replaced may go unnoticed."""

POLL_SECONDS = 0.05

STEADY_SECONDS = 60.0
"""A mount that has served for so long is started again at once."""

END_SECONDS = 15.0
"""How much longer than the drain an end may take before it is forced."""

_OWN_KEYS = ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_PROFILE",
             "PHFS_ACCESS_KEY_ID", "PHFS_SECRET_ACCESS_KEY", "PHFS_SESSION_TOKEN",
             "PHFS_PROFILE")  # fmt: skip
"""What in the sidecar's environment would stand beside a Secret."""


class PhfsMount:
    """One mount. ``report`` is told of each change; ``keep`` does it all."""

    def __init__(self, step: MountPhfs, settings: Settings, owner: Identity, shown: Path) -> None:
        """``owner``: whose the files are; ``shown``: a file that the mount shows in ``.phfs``."""
        self._step = step
        self._settings = settings
        self._owner = owner
        self._shown = shown
        self._process: subprocess.Popen[bytes] | None = None
        self._served_from: float | None = None
        self._stop = trio.Event()
        self._nudge = trio.Event()
        self._ended: trio.Event | None = None
        self.path = settings.root / step.path
        self.end: tuple[int, str] = (0, "")
        """Exit code and sentence of the last process that served."""
        self.is_trying = False
        """Whether the bare directory has to be empty now."""
        self._keys = None
        if step.secret is not None:
            directory = settings.private / "keys" / step.path.replace("/", "-")
            self._keys = KeyCopy(Path(step.secret), directory, settings.server)

    async def keep(self, report: Callable[[Outcome], None]) -> None:
        """Mount, and mount again, until ``stop``."""
        self._ended = trio.Event()
        waits = Timeline(first=self._settings.retry_seconds, longest=self._settings.longest_retry)
        failures = 0
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._follow_keys)
            while not self._stop.is_set():
                self._nudge = trio.Event()
                self._served_from = None
                error = await self._serve_once(report)
                if self._stop.is_set():
                    break
                report(Outcome(in_place=False, error=error))
                served = self._served_for()
                failures = 1 if served else failures + 1
                is_steady = served >= STEADY_SECONDS
                with trio.move_on_after(0 if is_steady else waits.after(failures)):
                    await self._nudge.wait()
            nursery.cancel_scope.cancel()
        self._ended.set()

    async def stop(self) -> None:
        """End it in order: what is open has the drain's time to be finished; then by force."""
        self._stop.set()
        self._nudge.set()
        self.hurry()
        with trio.move_on_after(self._drain + END_SECONDS) as patience:
            if self._ended is not None:
                await self._ended.wait()
        if patience.cancelled_caught and self._process is not None:
            with suppress(ProcessLookupError):
                os.killpg(self._process.pid, signal.SIGKILL)
            self.end = (3, "phfs-mount did not end in time and was killed.")
        if self._keys is not None:
            self._keys.remove()

    def hurry(self) -> None:
        """Ask for the end, once more."""
        if self._process is not None and self._process.poll() is None:
            self._process.send_signal(signal.SIGTERM)

    @property
    def _drain(self) -> float:
        return float(dict(self._step.options).get("drain-seconds", self._settings.drain_seconds))

    # -- one process ---------------------------------------------------------------------------

    def _served_for(self) -> float:
        """For how many seconds the last process has served, 0 if it never did."""
        began = self._served_from
        return 0.0 if began is None else trio.current_time() - began

    async def _serve_once(self, report: Callable[[Outcome], None]) -> VolumeError:
        def ready() -> None:
            self._served_from = trio.current_time()
            report(Outcome(in_place=True))

        self.is_trying = True
        try:
            return await self._serve(ready)
        except OSError as error:
            return VolumeError(f"phfs-mount cannot be started: {error}.")
        except VolumeError as error:
            return error
        finally:
            self.is_trying = False

    async def _serve(self, ready: Callable[[], None]) -> VolumeError:
        """Run phfs-mount to its end; why it ended. Raises ``VolumeError`` and ``OSError``."""
        await self._wait_for_the_last()
        if self._stop.is_set():
            raise VolumeError("The sidecar is ending.")
        if self._keys is not None:
            self._keys.refresh()
        self._clear_notice()
        process = subprocess.Popen(
            self._words(),
            env=self._environment(),
            cwd="/",
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            start_new_session=True,
        )
        self._process = process
        assert process.stderr is not None
        tail = Tail(process.stderr.fileno())
        try:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(tail.pass_on)
                nursery.start_soon(self._watch, process, ready)
                if self._stop.is_set():
                    self.hurry()
                await _ended(process)
                nursery.cancel_scope.deadline = trio.current_time() + 1
                await tail.finished.wait()
                nursery.cancel_scope.cancel()
        finally:
            if process.poll() is None:
                process.terminate()
            process.stderr.close()
        self.end = (process.returncode, tail.sentence if process.returncode else "")
        return _why(process.returncode, tail.sentence)

    async def _wait_for_the_last(self) -> None:
        """A mount of an earlier run may still be saving what was open: it ends by itself."""
        what = f"Asking the mount that is at {self.path} already"
        bound = mounts.ANSWER_SECONDS + 2
        with trio.move_on_after(self._drain + END_SECONDS):
            while mounts.mounts_at(self.path) and not self._stop.is_set():
                if await forked.call(lambda: mounts.is_dead(self.path), bound, what):
                    return
                await trio.sleep(0.5)
            return
        raise VolumeError(
            f"At {self.path} a mount of an earlier run is still served.",
            "Its process has to end; it is tried again by itself.",
        )

    def _clear_notice(self) -> None:
        """Nothing may be hidden by a mount but what we have put there ourselves."""
        if mounts.mounts_at(self.path):
            return
        for notice in (publishing.VOLUMES, f".{publishing.VOLUMES}-*"):
            for file in self.path.glob(notice):
                file.unlink(missing_ok=True)
        if any(self.path.iterdir()):
            raise VolumeError(
                f"In /{self._step.path} are files that were written while it was not in place, and "
                "that it would hide.",
                "Move them to the home directory; it comes by itself then.",
            )

    async def _watch(self, process: subprocess.Popen[bytes], ready: Callable[[], None]) -> None:
        while True:
            await trio.sleep(POLL_SECONDS)
            if not mounts.mounts_at(self.path):
                continue
            with suppress(OSError, VolumeError):
                status = await forked.call(
                    lambda: status_of(self.path), self._settings.step_seconds, "Asking the mount"
                )
                if status.get("supervisor_pid") == process.pid:
                    ready()
                    return

    async def _follow_keys(self) -> None:
        said = ""
        while self._keys is not None:
            await trio.sleep(LOOK_SECONDS)
            try:
                if self._keys.refresh():
                    self._nudge.set()
                said = ""
            except (VolumeError, OSError) as error:
                why = str(error)
                if why != said:
                    log.warning("%s The keys of before are used on.", why)
                said = why

    def _words(self) -> list[str]:
        step, settings = self._step, self._settings
        options = {
            "drain-seconds": f"{settings.drain_seconds:g}",
            **dict(step.options),
            "group": step.group,
            "run-as": str(settings.server),
            "uid": str(self._owner.uid),
            "gid": str(self._owner.gid),
            "state-dir": str(settings.private / "mount"),
            "show-file": str(self._shown),
            "log-format": settings.log_format,
        }
        if self._keys is not None:
            options["credentials-file"] = str(self._keys.file)
        switches = ["--foreground", "--supervise", "--keep-dead", "--allow-other"]
        # With --keep-dead the end of the sidecar, however it comes, is the mount's end.
        return [
            *(sys.executable, "-m", "phfs.cli.mount"),
            *(f"--{name}={text}" for name, text in sorted(options.items())),
            *switches,
            *(["--read-only"] if step.read_only else []),
            step.bucket,
            str(self.path),
        ]

    def _environment(self) -> dict[str, str]:
        given = dict(os.environ)
        if self._keys is not None:
            given = {name: text for name, text in given.items() if name not in _OWN_KEYS}
        return given


def status_of(path: Path) -> dict[str, Any]:
    """What a mount says of itself. May hang; raises ``OSError``."""
    try:
        found = json.loads((path / ".phfs/status.json").read_text())
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


def _why(code: int, sentence: str) -> VolumeError:
    if sentence:
        return VolumeError(sentence, "")
    how = f"was killed by signal {-code}" if code < 0 else f"ended with code {code}"
    return VolumeError(f"phfs-mount {how}.", "It is started again by itself.")


async def _ended(process: subprocess.Popen[bytes]) -> None:
    handle = os.pidfd_open(process.pid)
    try:
        await trio.lowlevel.wait_readable(handle)
    finally:
        trio.lowlevel.notify_closing(handle)
        os.close(handle)
    process.wait()
