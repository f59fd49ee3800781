"""Types at a program as a person would: starts it on a terminal and answers what it shows.

Run as a command, ``terminal.py PROGRAM [SHOWN KEYS]…``: waits until ``SHOWN`` (a regular
expression) has appeared on the screen since the last answer, then types ``KEYS`` (with Python's
escapes), and so on; then waits for the end. Its status is the program's; a program that shows
something else for ``SECONDS`` is killed. The screen goes to standard error.
"""

from __future__ import annotations

import os
import pty
import re
import select
import signal
import subprocess
import sys
import termios
import time
from collections.abc import Mapping, Sequence

SECONDS = 15.0
PATIENCE = 60.0
"""Of a ``Terminal``, for what a loaded machine takes its time for."""

_ON_TERMINAL = (
    "import fcntl, os, sys, termios\n"
    "fcntl.ioctl(0, termios.TIOCSCTTY, 0)\n"
    "os.execvp(sys.argv[1], sys.argv[1:])"
)


class Terminal:
    """A program on a terminal of its own, ``columns`` wide, with a person who acts in between.

    ``screen`` is all it has shown. ``close`` it, or use it as a context manager: the program is
    killed then if it has not ended.
    """

    def __init__(
        self, words: Sequence[str], environ: Mapping[str, str], columns: int = 120
    ) -> None:
        self._end, far = os.openpty()
        termios.tcsetwinsize(far, (40, columns))
        self.screen = ""
        self.process = subprocess.Popen(
            [sys.executable, "-c", _ON_TERMINAL, *words],
            env={**environ, "TERM": "xterm", "COLUMNS": str(columns)},
            stdin=far,
            stdout=far,
            stderr=far,
            start_new_session=True,
        )
        os.close(far)

    def __enter__(self) -> Terminal:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def type(self, keys: bytes) -> None:
        """Press keys; ``b"\\x03"`` is Ctrl-C."""
        os.write(self._end, keys)

    def wait_for(self, pattern: str) -> None:
        """Wait until a regular expression is found in what is shown from now on."""
        since, give_up = len(self.screen), time.monotonic() + PATIENCE
        while not re.search(pattern, self.screen[since:]):
            assert self._look(give_up), f"{pattern!r} is not shown:\n{self.screen}"

    def wait(self) -> int:
        """Wait for the end; the exit code."""
        give_up = time.monotonic() + PATIENCE
        while self._look(give_up):
            """Or it would wait for room on the screen."""
        return self.process.wait(PATIENCE)

    def close(self) -> None:
        """End it."""
        self.process.kill()
        self.process.wait()
        os.close(self._end)

    def _look(self, give_up: float) -> bool:
        if not select.select([self._end], [], [], max(0.0, give_up - time.monotonic()))[0]:
            return False
        try:
            shown = os.read(self._end, 65536)
        except OSError:  # Linux says EIO when the last program has closed the terminal
            return False
        self.screen += shown.decode(errors="replace")
        return True


def type_at(program: str, answers: Sequence[tuple[str, bytes]]) -> int:
    """Run a shell command on a terminal, a simple one; its exit status."""
    child, terminal = pty.fork()
    if child == 0:
        os.execvpe("bash", ["bash", "-c", program], {**os.environ, "TERM": "vt100"})
    screen = b""
    for shown, keys in answers:
        since = len(screen)
        while not re.search(shown.encode(), screen[since:]):
            more = _read(terminal)
            if not more:
                break
            screen += more
        else:
            os.write(terminal, keys)
            continue
        sys.stderr.buffer.write(screen)
        print(f"\n{program!r} did not show {shown!r}", file=sys.stderr)
        os.kill(child, signal.SIGKILL)
        break
    while more := _read(terminal):
        screen += more
    sys.stderr.buffer.write(screen)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def _read(terminal: int) -> bytes:
    """What the program shows next; nothing at its end or after ``SECONDS``."""
    if not select.select([terminal], [], [], SECONDS)[0]:
        return b""
    try:
        return os.read(terminal, 65536)
    except OSError:  # Linux says EIO when the last program has closed the terminal
        return b""


def main(program: str, *words: str) -> int:
    """The command line."""
    keys = [word.encode().decode("unicode_escape").encode() for word in words[1::2]]
    return type_at(program, list(zip(words[::2], keys, strict=True)))


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
