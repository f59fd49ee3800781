"""The command ``phfs-sidecar``: a family of subcommands, each a module of ``sidecar.commands``.

Exit codes: those of the subcommand; 2 if there is no such one, or its document is wrong.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence

from phfs.commandline import Family
from phfs.sidecar.commands import COMMANDS

PHFS_SIDECAR = Family(
    "phfs-sidecar",
    "Puts the volumes of a pod in place: the group's objects, homes, data volumes.",
    COMMANDS,
)


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command with ``argv`` (default: the process's) and return its exit code."""
    return PHFS_SIDECAR.main(argv)


if __name__ == "__main__":
    sys.exit(main())
