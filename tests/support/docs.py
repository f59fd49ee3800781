"""What the documents show to be typed: every block of every page, and whether it is run.

Owns the form of a page. A fenced block says what it is:

=========  ==========================================================================
sh         commands; one that fails ends the page
console    commands with what they print (``$ …``, see ``console``); a line ``…`` stands for any
           lines, ``…`` in a line for anything
python     is run by one Python for the whole page, in the shell's directory and environment
toml, yaml, json, ini
           are read; with ``title="FILE"`` written to that file for the blocks below
text       is no command
=========  ==========================================================================

A block that cannot be run here has the reason on the line before it: ``<!-- not run: reason -->``.
Indented blocks say nothing of themselves and are an error. Called by tests; ``docs_session`` runs
the blocks.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from textwrap import dedent
from typing import NamedTuple

from tests.architecture.source import ROOT

COMMANDS = frozenset({"sh", "console", "python"})
FILES = frozenset({"toml", "yaml", "json", "ini"})
KINDS = COMMANDS | FILES | {"text"}

RUN_ELSEWHERE = {
    "docs/how-to/notebook.md": "tests/real/test_jupyter.py",
    "docs/semantics.md": "tests/real/test_semantics.py",
    "docs/sidecar.md": "tests/sidecar/test_pages.py",
}
"""Pages whose every block is compared by a test of their own."""

_FENCE = re.compile(r"^(?P<indent> *)(?P<fence>`{3,}|~{3,})(?P<info>.*)$")
_NOT_RUN = re.compile(r"^ *<!-- not run: (?P<reason>.+) -->$")
_TITLE = re.compile(r'title="([^"]*)"')
_HOLDS_INDENTED = re.compile(r"^ *(?:[*+-] |\d+[.)] |!!! |\?\?\?\+? |===\+? |\[\^)")


class Block(NamedTuple):
    """One block; ``page`` from the repository's root, ``line`` that of its fence, from 1.
    ``title`` is the file it is, ``not_run`` the reason why it is not run; both may be empty."""

    page: str
    line: int
    kind: str
    title: str
    text: str
    not_run: str

    @property
    def place(self) -> str:
        """Where a reader finds it."""
        return f"{self.page}:{self.line}"


def pages() -> list[str]:
    """Every page there is, from the repository's root, in order."""
    documents = sorted((ROOT / "docs").rglob("*.md"))
    return ["README.md", *(str(page.relative_to(ROOT)) for page in documents)]


def blocks(page: str) -> list[Block]:
    """The blocks of a page. Raises ``ValueError`` with the place of what is none."""
    return list(_blocks(page, (ROOT / page).read_text()))


def _blocks(page: str, text: str) -> Iterator[Block]:
    lines = text.splitlines()
    at = 0
    while at < len(lines):
        fence = _FENCE.match(lines[at])
        if fence is None:
            _refuse_indented(page, lines, at)
            at += 1
            continue
        end = at + 1
        while end < len(lines) and lines[end].strip() != fence["fence"]:
            end += 1
        if end == len(lines):
            raise ValueError(f"{page}:{at + 1}: the block has no end")
        reason = _NOT_RUN.match(lines[at - 1]) if at else None
        body = dedent("\n".join(lines[at + 1 : end]) + "\n")
        yield _block(f"{page}:{at + 1}", fence["info"], body, reason["reason"] if reason else "")
        at = end + 1


def _block(place: str, info: str, text: str, not_run: str) -> Block:
    page, _, line = place.rpartition(":")
    kind = re.split(r"[\s{]", info.strip().removeprefix("{ .") + " ", maxsplit=1)[0]
    title = _TITLE.search(info)
    if kind not in KINDS:
        raise ValueError(
            f"{place}: a block is fenced as one of {', '.join(sorted(KINDS))}, not {kind!r}"
        )
    return Block(page, int(line), kind, title[1] if title else "", text, not_run)


def _refuse_indented(page: str, lines: list[str], at: int) -> None:
    """Raise ``ValueError`` if an indented block begins at a line: one that is not in a list, a
    note or a tab."""
    if not lines[at].startswith("    ") or (at and lines[at - 1].strip()):
        return
    holder = next((it for it in reversed(lines[:at]) if it and not it.startswith("  ")), "")
    if not _HOLDS_INDENTED.match(holder):
        raise ValueError(f"{page}:{at + 1}: a block is fenced (```sh), not indented")
