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
import sys
from collections.abc import Sequence

SECONDS = 15.0


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
