"""Watches over the process that serves a mount: starts it, and again when it has died.

Owns that process: its fork, the signals it is passed, how long it may take to end, and what its
death is called. Stays small for as long as the mount lasts, so it imports nothing that knows a
store or FUSE. Knows no option; ``cli.duty`` makes what it needs of them. Called by ``cli.mount``.

::

    caller ── supervisor ── process of the mount
              (leads a session of its own, when in the background)
"""

from __future__ import annotations

import logging
import os
import select
import signal
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple, NoReturn

from phfs.cli.inbox import STOP_SIGNALS, Inbox
from phfs.config.start import Start
from phfs.errors import MountError
from phfs.system import privileges

log = logging.getLogger(__name__)

Serve = Callable[[Callable[[], None], Start], tuple[int, str]]
"""Serves the mount, calls its first argument once it does; at the end returns exit code and
sentence."""

CUT_SHORT = 3
"""Exit code of a mount that a signal ended before everything was saved."""

STEADY_SECONDS = 5.0
"""A process that has served for so long is followed at once by another when it dies; one that dies
sooner, again and again, is waited for."""

FIRST_WAIT = 0.25
LONGEST_WAIT = 10.0
"""Seconds before another start, doubled each time: a start costs a second of a core."""

HURRY_SECONDS = 5.0
"""How long the process may take to end after a second signal."""

MOST_CRASHES = 20
"""Deaths the next process is told of."""

_ADVICE = {
    signal.SIGKILL: (
        "If nobody killed it, the kernel did so for lack of memory (dmesg names it): give the "
        "container more memory, or mount with a smaller --memory-limit."
    )
}
_DEFECT = "This is a defect of PHFS, or somebody ended it: report it with the mount's log."


@dataclass(frozen=True)
class Duty:
    """What is to be watched over. ``seconds`` is how long an end in order may take."""

    serve: Serve
    attach: Callable[[], int | None]
    """Mounts in place of what is dead there, where the process cannot do so itself; the descriptor
    it is to serve."""
    answer: Callable[[], None]
    """Called once the process serves what ``attach`` has mounted. Raises ``MountError``."""
    clear: Callable[[], None]
    """Takes away at the end what the last process has left mounted."""
    seconds: float
    restart: bool = True
    identity: privileges.Identity | None = None
    """Whom the process acts as, if not as its parent."""


class _End(NamedTuple):
    """How a process ended. ``code`` below 0: killed by that signal. ``served``: for how many
    seconds, None if it never did."""

    code: int
    sentence: str
    served: float | None

    @property
    def in_order(self) -> bool:
        return self.code in (0, CUT_SHORT, *(-number for number in STOP_SIGNALS))

    def words(self) -> str:
        """What happened to it, as the end of a sentence."""
        if self.code >= 0:
            return f"ended with code {self.code}: {self.sentence}".removesuffix(": ")
        return f"was killed by signal {-self.code} ({signal.Signals(-self.code).name})"


def run(duty: Duty, ready: Callable[[], None]) -> tuple[int, str]:
    """Serve until the mount is unmounted or a signal comes; ``ready`` is called each time it is
    served. Returns exit code and sentence."""
    privileges.name_process("phfs-supervisor")
    with Inbox() as inbox:
        return _Watch(duty, inbox, ready).run()


class _Watch:
    def __init__(self, duty: Duty, inbox: Inbox, ready: Callable[[], None]) -> None:
        self._duty = duty
        self._inbox = inbox
        self._ready = ready
        self._crashes: list[MountError] = []
        self._deaths = 0
        self._died = 0.0
        self._stopping = False
        self._too_slow = False
        self._kill_at: float | None = None

    def run(self) -> tuple[int, str]:
        good, in_a_row = False, 0
        while True:
            end = self._serve_once()
            good = good or end.served is not None
            if self._stopping or end.in_order or not good or not self._duty.restart:
                self._clear()
                return self._result(end, good=good)
            in_a_row = 0 if (end.served or 0.0) >= STEADY_SECONDS else in_a_row
            wait = min(FIRST_WAIT * 2 ** (in_a_row - 1), LONGEST_WAIT) if in_a_row else 0.0
            in_a_row += 1
            self._note(end, wait)
            # The dead mount stays until the next one is made: its errors are better than a bare
            # directory, in which programs would write to the local disk.
            if self._inbox.read(timeout=wait):
                self._clear()
                return 0, ""

    def _result(self, end: _End, *, good: bool) -> tuple[int, str]:
        if end.in_order and end.code >= 0:
            return end.code, end.sentence
        if self._too_slow:
            return CUT_SHORT, "The mount did not end in time after a signal and was killed."
        if end.code < 0 and good and end.in_order:
            return 0, ""
        if end.code < 0:
            return 1, f"The mount's process {end.words()}{'' if good else ' before it served'}."
        return end.code, end.sentence

    def _note(self, end: _End, wait: float) -> None:
        """Remember a death, for the log and for whoever asks the mount."""
        self._died = time.monotonic()
        when = time.strftime("%Y-%m-%dT%H:%M:%S%z")
        later = f"in {wait:g} seconds" if wait else "at once"
        log.error("the mount's process %s; it is started again %s", end.words(), later)
        if end.served is None and self._crashes:
            return  # it says why the mount is away, not why it went
        self._deaths += 1
        self._crashes.append(
            MountError(
                f"The mount's process {end.words()} at {when}. What was open then has to be opened "
                "again; what no close or fsync had saved is lost.",
                _ADVICE.get(signal.Signals(-end.code), _DEFECT) if end.code < 0 else _DEFECT,
            )
        )
        del self._crashes[:-MOST_CRASHES]

    def _clear(self) -> None:
        try:
            self._duty.clear()
        except OSError as error:
            log.warning("the dead mount cannot be taken away: %s", error.strerror)

    # -- one process ---------------------------------------------------------------------------

    def _serve_once(self) -> _End:
        try:
            device = self._duty.attach()
        except MountError as error:
            return _End(1, f"{error.why} {error.advice}".strip(), None)
        start = Start(device, os.getpid(), tuple(self._crashes), self._deaths)
        said, process = self._fork(start)
        if device is not None:
            os.close(device)  # else nobody would notice the other's death: all would wait for ever
        handle = os.pidfd_open(process)
        try:
            return self._follow(process, handle, said)
        finally:
            os.close(handle)
            os.close(said)

    def _follow(self, process: int, handle: int, said: int) -> _End:
        """Wait for the end of the process; pass signals on meanwhile."""
        text, served_from = "", None
        sources = {handle, said, self._inbox.fileno()}
        while True:
            left = None if self._kill_at is None else max(0.0, self._kill_at - time.monotonic())
            found = select.select(sources, [], [], left)[0]
            if not found:
                os.kill(process, signal.SIGKILL)
                self._kill_at, self._too_slow = None, True
            if self._inbox.fileno() in found:
                for number in self._inbox.read():
                    self._pass_on(process, number)
            if said in found:
                more = os.read(said, 65536).decode(errors="replace")
                text += more
                if not more:
                    sources.discard(said)
                if served_from is None and text.startswith("ready\n"):
                    served_from, refusal = time.monotonic(), self._announce()
                    if refusal:
                        os.kill(process, signal.SIGKILL)
                        served_from, text = None, f"ready\n1 {refusal}"
            elif handle in found:
                return self._ended(process, text, served_from)

    def _announce(self) -> str:
        try:
            self._duty.answer()
        except MountError as error:
            return error.why
        if self._crashes:
            took = time.monotonic() - self._died
            log.warning("the mount is served again, %.1f seconds after its process died", took)
        self._ready()
        return ""

    def _pass_on(self, process: int, number: int) -> None:
        patience = HURRY_SECONDS if self._stopping else self._duty.seconds
        latest = time.monotonic() + patience
        # Whoever sends signals without end must not put the end off with them.
        self._kill_at = latest if self._kill_at is None else min(self._kill_at, latest)
        self._stopping = True
        os.kill(process, number)

    def _ended(self, process: int, text: str, served_from: float | None) -> _End:
        code = os.waitstatus_to_exitcode(os.waitpid(process, 0)[1])
        served = None if served_from is None else time.monotonic() - served_from
        last = text.removeprefix("ready\n").strip()
        told, _, sentence = last.partition(" ")
        return _End(int(told) if told.isdigit() and code <= 0 else code, sentence, served)

    def _fork(self, start: Start) -> tuple[int, int]:
        read_end, write_end = os.pipe()
        # A signal between here and the child's first steps would be read by neither of them.
        signal.pthread_sigmask(signal.SIG_BLOCK, STOP_SIGNALS)
        process = os.fork()
        if process == 0:
            _serve_in_child(self._duty, self._inbox, start, write_end)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, STOP_SIGNALS)
        os.close(write_end)
        return read_end, process


def _serve_in_child(duty: Duty, inbox: Inbox, start: Start, tell: int) -> NoReturn:
    code = 1
    try:
        inbox.leave()
        _close_all_but(tell, start.device)
        # What a terminal sends to all at once is passed on once.
        os.setpgid(0, 0)
        privileges.name_process("phfs-mount")
        if duty.identity is not None:
            privileges.become(duty.identity)
        if privileges.end_with_parent(start.supervisor or 0):
            code, sentence = duty.serve(lambda: _say(tell, "ready"), start)
            _say(tell, f"{code} {' '.join(sentence.split())}")
    except OSError as error:
        _say(tell, f"1 The mount's process cannot be what it has to be ({error}).")
    finally:
        os._exit(code)


def _say(tell: int, line: str) -> None:
    os.write(tell, line.encode() + b"\n")


def _close_all_but(*kept: int | None) -> None:
    last = 2
    for number in sorted(number for number in kept if number is not None):
        os.closerange(last + 1, number)
        last = number
    os.closerange(last + 1, os.sysconf("SC_OPEN_MAX"))
