"""What a page's ``pip``, ``apt-get`` and ``sudo`` are: they check what is asked for and install
nothing.

``pip install 'phfs[EXTRA]'`` needs that extra to exist and everything to be installed here already;
``apt-get install`` needs each package to be one of ``scripts/packages.txt``. Anything else fails
and says that the block needs a reason why it is not run. Run as a program by ``docs_session``.
"""

from __future__ import annotations

import re
import sys
from importlib.metadata import PackageNotFoundError, metadata
from pathlib import Path

PACKAGES = Path(__file__).parents[2] / "scripts" / "packages.txt"


def wrong(program: str, words: list[str]) -> str:
    """What is wrong with a call; empty if it may stand in a page."""
    wanted = [word for word in words if not word.startswith("-") and word != "install"]
    if program == "sudo" or "install" not in words or not wanted:
        return f"a page's {program} is not run: put <!-- not run: REASON --> before the block"
    check = _not_installed if program == "pip" else _not_listed
    return "\n".join(filter(None, map(check, wanted)))


def _not_installed(requirement: str) -> str:
    name, _, extras = re.sub(r"[<>=!~; ].*", "", requirement).rstrip("]").partition("[")
    try:
        known = metadata("phfs" if name == "." else name).get_all("Provides-Extra") or []
    except PackageNotFoundError:
        return f"{name} is not installed where the pages are run"
    missing = [extra for extra in extras.split(",") if extra and extra not in known]
    return f"{name} has no extra {', '.join(missing)}" if missing else ""


def _not_listed(package: str) -> str:
    listed = re.findall(r"^[a-z0-9][^\s#]*", PACKAGES.read_text(), re.MULTILINE)
    return "" if package in listed else f"{package} is not in {PACKAGES.name}"


if __name__ == "__main__":
    problem = wrong(sys.argv[1], sys.argv[2:])
    if problem:
        sys.exit(f"{sys.argv[1]}: {problem}")
