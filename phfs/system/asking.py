"""Reads files of mounts that may hang, die or be somebody else's, within a time.

Owns the processes that ask: a read that waits for a mount cannot be interrupted, and a thread that
waits keeps its own process from ending, so each question has a process that can be left behind.
Changes nothing. Called by ``cli``, in processes of one thread.
"""

from __future__ import annotations

import os
import select
import signal
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple, NoReturn

from phfs.system.privileges import Identity

_MOST = 16 * 1024**2
"""Bytes taken of an answer."""


class Question(NamedTuple):
    """A file to be read; ``asker``: as whom, where root is who asks: a mount of FUSE lets nobody in
    but its owner, not even root."""

    file: Path
    asker: Identity | None = None


class Answer(NamedTuple):
    """``content`` of the file, or why there is none: ``failure`` in the kernel's words, both empty
    if nothing came in time. ``refused``: by somebody who lets others in, so one that is alive."""

    content: bytes | None = None
    failure: str = ""
    refused: bool = False


def ask(questions: Sequence[Question], seconds: float) -> list[Answer]:
    """The answers, in order, all questions asked at once; those that have not come after
    ``seconds`` are left out."""
    asking = [_begin(question) for question in questions]
    said = _listen([pipe for _, pipe in asking], time.monotonic() + seconds)
    return [_answer(process, pipe, said[pipe]) for process, pipe in asking]


def _listen(pipes: Sequence[int], until: float) -> dict[int, bytes]:
    """All that comes from each, up to its end; nothing where no end has come by ``until``."""
    said = dict.fromkeys(pipes, b"")
    open_ones = set(pipes)
    while open_ones:
        ready = select.select(open_ones, [], [], max(0.0, until - time.monotonic()))[0]
        if not ready:
            break
        for pipe in ready:
            more = os.read(pipe, 65536)
            said[pipe] += more
            if not more:
                open_ones.discard(pipe)
    return {pipe: b"" if pipe in open_ones else text for pipe, text in said.items()}


def _begin(question: Question) -> tuple[int, int]:
    read_end, write_end = os.pipe()
    process = os.fork()
    if process == 0:
        _ask(question, write_end)
    os.close(write_end)
    return process, read_end


def _ask(question: Question, tell: int) -> NoReturn:
    try:
        # One that is left behind must not keep the caller's pipes open.
        null = os.open(os.devnull, os.O_RDWR)
        for number in (0, 1, 2):
            os.dup2(null, number)
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, signal.SIG_DFL)
        if question.asker is not None and os.geteuid() == 0:
            os.setgroups([])
            os.setresgid(question.asker.gid, question.asker.gid, question.asker.gid)
            os.setresuid(question.asker.uid, question.asker.uid, question.asker.uid)
        with question.file.open("rb") as file:
            content = b"+" + file.read(_MOST)
    except FileNotFoundError:
        content = b"+"  # it is alive and has no such file
    except PermissionError as error:
        content = b"!" + str(error.strerror).encode()
    except OSError as error:
        content = b"-" + str(error.strerror).encode()
    with suppress(OSError):
        while content:
            content = content[os.write(tell, content) :]
    os._exit(0)


def _answer(process: int, pipe: int, said: bytes) -> Answer:
    os.close(pipe)
    with suppress(ProcessLookupError):
        os.kill(process, signal.SIGKILL)
    # One that hangs in the kernel ends when the mount does; whoever inherits it waits for it.
    with suppress(ChildProcessError):
        os.waitpid(process, 0 if said else os.WNOHANG)
    if said[:1] == b"+":
        return Answer(said[1:])
    return Answer(None, said[1:].decode(errors="replace"), said[:1] == b"!")
