"""The command ``phfs``: a family of subcommands, each a module of ``phfs.cli.commands``.

Exit codes: those of the subcommand; 2 if there is no such one.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence

from phfs.cli.commands import COMMANDS
from phfs.commandline import Family

PHFS = Family(
    "phfs",
    "Tools beside phfs-mount, which shows a bucket's objects as a directory.",
    COMMANDS,
)


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command with ``argv`` (default: the process's) and return its exit code."""
    return PHFS.main(argv)


if __name__ == "__main__":
    sys.exit(main())
