"""Runs the examples of a Markdown document in a real shell and tells where they differ.

Owns the form of the examples. A block fenced as ``console`` shows a shell at work: a line ``$ …``
is a command (``> …`` its next line), what follows is all it prints, and ``[exit N]`` its status
when that is not 0. Words behind ``console`` are options of the mount it needs. All blocks of a
section (``## …``) that need the same mount share one shell, in a fresh directory named after the
section. Any other kind of block is an error: a document has nothing that is not run. Called by
tests, and by ``docs_session`` for the blocks of other pages.
"""

from __future__ import annotations

import os
import re
import shlex
import subprocess
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

DOCUMENTED_ROOT = "/phfs"
"""Where the documents say the mount is."""

SECONDS = 60.0
"""How long one section may take; the slowest waits a few times for the metadata's age."""

MARK = "--- end of command"
_EXIT = re.compile(r"\[exit (\d+)\]")
_SHELL_LINE = re.compile(r"^bash: line \d+: ", re.MULTILINE)
_TRACEBACK = re.compile(r"^Traceback \(most recent call last\):\n(?:[ ].*\n)*", re.MULTILINE)


class Step(NamedTuple):
    """A command and what it does; ``line`` is the command's in the document, from 1."""

    line: int
    command: str
    output: str
    status: int


class Session(NamedTuple):
    """The steps of one shell, on a mount made with ``options``."""

    directory: str
    options: tuple[str, ...]
    steps: list[Step]


def sessions(document: str) -> list[Session]:
    """The sessions of a document. Raises ``ValueError`` for a block that is none."""
    found: dict[tuple[str, tuple[str, ...]], Session] = {}
    directory = ""
    options: tuple[str, ...] = ()
    block: list[tuple[int, str]] | None = None
    for number, line in enumerate(document.splitlines(), 1):
        if block is None and line.startswith("## "):
            directory = re.sub(r"[^a-z]+", "-", line[3:].lower()).strip("-")
        elif block is None and line.startswith("```"):
            kind, *words = line[3:].split()
            if kind != "console":
                raise ValueError(f"line {number}: a block of kind {kind!r} cannot be run")
            options, block = tuple(words), []
        elif line == "```" and block is not None:
            session = found.setdefault((directory, options), Session(directory, options, []))
            session.steps.extend(steps_of(block))
            block = None
        elif block is not None:
            block.append((number, line))
        elif line.startswith("    "):
            raise ValueError(f"line {number}: an indented block cannot be run")
    if block is not None:
        raise ValueError("the last block has no end")
    return list(found.values())


def steps_of(block: list[tuple[int, str]]) -> Iterator[Step]:
    """The steps of a block's lines, which come with their numbers. Raises ``ValueError``."""
    step: Step | None = None
    for number, line in block:
        exit_line = _EXIT.fullmatch(line)
        if line.startswith("$ "):
            if step is not None:
                yield step
            step = Step(number, line[2:], "", 0)
        elif step is None:
            raise ValueError(f"line {number}: a block begins with a command")
        elif line.startswith("> ") and not step.output:
            step = step._replace(command=f"{step.command}\n{line[2:]}")
        elif exit_line is not None:
            step = step._replace(status=int(exit_line[1]))
        else:
            step = step._replace(output=f"{step.output}{line}\n")
    if step is None:
        raise ValueError("a block is empty")
    yield step


def run(session: Session, mountpoint: Path, commands: Path, tmp: Path) -> list[str]:
    """Run a session in its directory, which is there and empty; one paragraph for each step that
    did otherwise than the document says.

    ``commands`` is a directory whose programs are found first; ``tmp`` stands in for ``/tmp``.
    """
    places = {DOCUMENTED_ROOT: str(mountpoint), "/tmp": str(tmp)}
    script = "".join(
        f"eval {shlex.quote(replaced(step.command, places))}\nprintf '\\n{MARK} %d\\n' $?\n"
        for step in session.steps
    )
    ran = subprocess.run(
        ["bash", "-c", f"exec 2>&1\n{script}"],
        cwd=mountpoint / session.directory,
        env={
            **os.environ,
            "PATH": f"{commands}:{os.environ['PATH']}",
            "LC_ALL": "C.UTF-8",
            "PYTHONUNBUFFERED": "1",  # output comes in the order in which a terminal shows it
        },
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        timeout=SECONDS,
        check=False,
    )
    text = replaced(
        ran.stdout.decode(errors="replace"), {there: here for here, there in places.items()}
    )
    answers = re.findall(rf"(.*?)\n{MARK} (\d+)\n", text, re.DOTALL)
    differences = []
    for step, (raw, status) in zip(session.steps, answers, strict=True):
        output = as_shown(raw)
        if (output, int(status)) != (step.output.rstrip("\n"), step.status):
            differences.append(
                f"line {step.line}: $ {step.command}\n"
                f"expected [exit {step.status}]\n{step.output}"
                f"and was  [exit {status}]\n{output[:2000]}\n"
            )
    return differences


def replaced(text: str, places: Mapping[str, str]) -> str:
    """The text with every path that begins with a key beginning with its value."""
    pattern = "|".join(map(re.escape, places))
    return re.sub(rf"(?<![\w.~])(?:{pattern})(?![\w.])", lambda found: places[found[0]], text)


def as_shown(output: str) -> str:
    """As a person at a terminal sees it: the shell gives no line numbers; of a Python traceback
    the documents show the last line."""
    return _TRACEBACK.sub("", _SHELL_LINE.sub("bash: ", output + "\n")).rstrip("\n")
