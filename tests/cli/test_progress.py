"""A bar is drawn where somebody looks, and not for what ends at once."""

from __future__ import annotations

import io
import re
import sys
import threading
import time

import pytest

from phfs.cli.progress import Bar

DEADLINE = 60.0
NEVER = 86_400.0


class OnTerminal(io.StringIO):
    """A stream that says it is a terminal."""

    def isatty(self) -> bool:
        return True


def somebody_looks(monkeypatch: pytest.MonkeyPatch) -> OnTerminal:
    """Standard error on a terminal."""
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "120")
    stream = OnTerminal()
    monkeypatch.setattr(sys, "stderr", stream)
    return stream


def wait_for(stream: io.StringIO, text: str) -> str:
    """What is drawn, once ``text`` is among it."""
    until = time.monotonic() + DEADLINE
    while text not in (drawn := re.sub(r"\x1b\[[\d;?]*[A-Za-z]", "", stream.getvalue())):
        assert time.monotonic() < until, drawn
        threading.Event().wait(0.02)
    return drawn


def test_files_have_bytes_and_other_things_a_number(monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = somebody_looks(monkeypatch)
    with Bar("Copying", patience=0.0) as bar:
        bar.expect(3, 4 * 2**20)
        bar.end()
        bar.move(2**20)
        assert "1.0/4.0 MiB" in wait_for(terminal, "1/3 files")
        bar.say("said meanwhile")
        wait_for(terminal, "said meanwhile\n")
    terminal = somebody_looks(monkeypatch)
    with Bar("Removing", "objects", sized=False, patience=0.0) as bar:
        bar.expect(4_000)
        bar.end(1_000)
        assert " byte" not in wait_for(terminal, "Removing").partition("Removing")[2]
        wait_for(terminal, "1,000/4,000 objects")


def test_what_ends_at_once_has_no_bar(monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = somebody_looks(monkeypatch)
    with Bar("Removing", "objects", sized=False, patience=NEVER) as bar:
        bar.expect(2)
        bar.end(2)
        bar.say("a line")
    assert terminal.getvalue() == "a line\n"


@pytest.mark.parametrize("wanted", [True, False])
def test_where_nobody_looks_nothing_is_drawn(monkeypatch: pytest.MonkeyPatch, wanted: bool) -> None:
    """``wanted`` in a pipe, or not wanted on a terminal."""
    stream: io.StringIO = somebody_looks(monkeypatch)
    if wanted:
        stream = io.StringIO()
        monkeypatch.setattr(sys, "stderr", stream)
    with Bar("Copying", wanted=wanted, patience=0.0) as bar:
        bar.expect(1, 1)
        bar.move(1)
        bar.end()
        assert bar._timer.ident is None, "nobody waits to draw"
    assert stream.getvalue() == ""
