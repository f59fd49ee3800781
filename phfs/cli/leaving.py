"""What a person sees while a mount ends: which files are on their way, and how far they are.

Owns what is said on a terminal, with ``bars``, and in a log. Decides nothing: what is waited for,
how long and what is given up are the mount's own. Called by ``mount``, which hands it to the
process that serves; runs there beside the end, is cancelled when there is nothing to wait for.
"""

from __future__ import annotations

import logging
import sys
from collections.abc import Callable, Sequence

import trio

from phfs.cli.bars import bars
from phfs.config import MountConfig
from phfs.core.unsaved import Unsaved, line_of

log = logging.getLogger(__name__)

LOOK_SECONDS = 0.2
"""Between two looks at what is left."""

MOST_LINES = 20
"""Files that are named one by one; the others are counted."""

Look = Callable[[], Sequence[Unsaved]]


def on_screen(config: MountConfig) -> bool:
    """Whether a person looks at the mount's own terminal."""
    return config.foreground and config.log_format == "text" and sys.stderr.isatty()


async def tell(unsaved: Look, config: MountConfig) -> None:
    """Say what is waited for, until cancelled; nothing as long as there is nothing."""
    try:
        while not unsaved():
            await trio.sleep(LOOK_SECONDS)
        if on_screen(config):
            await _draw(unsaved, config.drain_seconds)
        else:
            write_lines(unsaved())
    except OSError:
        return  # the terminal was closed
    except Exception:
        # What was to be saved must not suffer from how it is shown.
        log.exception("what is left cannot be shown")


def write_lines(files: Sequence[Unsaved]) -> None:
    """A line of the log for each file."""
    for one in files[:MOST_LINES]:
        log.info("not saved yet: %s", line_of(one))
    if len(files) > MOST_LINES:
        log.info("not saved yet: %d files more", len(files) - MOST_LINES)


async def _draw(unsaved: Look, seconds: float) -> None:
    heading = (
        "Some files are not saved yet: they are waited for. Ctrl-C again gives them up; what is "
        f"left after {seconds:g} seconds is lost (--drain-seconds gives more)."
    )
    with bars(heading) as draw:
        while True:
            draw(unsaved())
            await trio.sleep(LOOK_SECONDS)
