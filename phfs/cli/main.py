"""The command ``phfs``: a family of subcommands, each a module of ``phfs.cli.commands``.

Exit codes: those of the subcommand; 2 if there is no such one; 130 after Ctrl-C, whenever it comes:
all that takes time to import is imported inside ``main``. A reader of the output that has enough of
it, as ``head`` has, is no failure.
"""

from __future__ import annotations

import io
import os
import sys
from collections.abc import Sequence

INTERRUPTED = 130
"""As shells say it of a program that ended by Ctrl-C."""


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command with ``argv`` (default: the process's) and return its exit code."""
    try:
        if isinstance(sys.stdout, io.TextIOWrapper):
            # A name must not end a listing because the terminal cannot show it.
            sys.stdout.reconfigure(errors="backslashreplace")
        code = _run(list(sys.argv[1:] if argv is None else argv))
        sys.stdout.flush()
    except KeyboardInterrupt:
        return INTERRUPTED
    except BrokenPipeError:
        # What is still in the buffer would be tried again at exit, and be told as an error.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    return code


def _run(words: list[str]) -> int:
    from phfs.cli.commands import COMMANDS
    from phfs.commandline import Family

    if _is_mounting(words) and words[0] not in {command.name for command in COMMANDS}:
        from phfs.cli import fstab

        return fstab.main(words)
    tools = "Tools beside phfs-mount, which shows a bucket's objects as a directory."
    return Family("phfs", tools, COMMANDS).main(words)


def _is_mounting(words: list[str]) -> bool:
    """Whether this is how mount.fuse3 calls the program that the type ``fuse.phfs`` names."""
    return len(words) == 4 and words[1].startswith("/") and words[2] == "-o"


if __name__ == "__main__":
    sys.exit(main())
