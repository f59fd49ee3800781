"""What is said while a mount ends, and that saying it does no harm."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from pathlib import Path

import pytest
import trio
from trio.testing import MockClock

from phfs.cli import leaving
from phfs.config import MountConfig
from phfs.core.unsaved import Unsaved

FILE = Unsaved("/a", sent=0, known=1024**2, seconds=1.0, closing=False)


@pytest.fixture
def config(tmp_path: Path) -> MountConfig:
    return MountConfig(bucket="b", mountpoint=tmp_path, prefix="p/", foreground=True)


async def test_nothing_is_said_before_there_is_something(
    autojump_clock: MockClock, config: MountConfig, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "phfs")
    files: list[Unsaved] = []
    async with trio.open_nursery() as nursery:
        nursery.start_soon(leaving.tell, lambda: files, config)
        await trio.sleep(10)
        assert caplog.messages == []
        files.append(FILE)
    assert caplog.messages == ["not saved yet: /a: 0 B of 1 MiB are sent, a program has it open"]


async def test_many_files_are_counted(
    config: MountConfig, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "phfs")
    await leaving.tell(lambda: [FILE] * (leaving.MOST_LINES + 3), config)
    assert len(caplog.messages) == leaving.MOST_LINES + 1
    assert caplog.messages[-1] == "not saved yet: 3 files more"


async def test_a_terminal_that_is_closed_ends_the_telling_alone(config: MountConfig) -> None:
    def gone() -> Sequence[Unsaved]:
        raise OSError(5, "Input/output error")

    await leaving.tell(gone, config)


@pytest.mark.expects_log
async def test_a_defect_in_it_does_not_reach_the_end(
    config: MountConfig, caplog: pytest.LogCaptureFixture
) -> None:
    def broken() -> Sequence[Unsaved]:
        raise ZeroDivisionError

    await leaving.tell(broken, config)
    assert caplog.messages == ["what is left cannot be shown"]
