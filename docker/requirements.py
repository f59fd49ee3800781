"""Prints what a project needs, and its extras need, one requirement a line.

    requirements.py pyproject.toml [EXTRA]...

The image installs these before the source is there, so that a change of the source does not
install them again.
"""

from __future__ import annotations

import sys
import tomllib
from pathlib import Path


def main(document: str, *extras: str) -> None:
    """Print the requirements of the project in ``document``."""
    project = tomllib.loads(Path(document).read_text())["project"]
    needed = list(project["dependencies"])
    for extra in extras:
        needed += project["optional-dependencies"][extra]
    print("\n".join(needed))


if __name__ == "__main__":
    main(*sys.argv[1:])
