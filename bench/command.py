"""What the commands of the bench have in common: how they end.

Owns signals, sentences for errors and exit codes. Called by each command's ``__main__``.
"""

from __future__ import annotations

import signal
from collections.abc import Callable
from types import FrameType
from typing import NoReturn

from phfs.commandline import UsageError, say, sentence_of
from phfs.errors import ConfigError, PhfsError


def end_well(prog: str, work: Callable[[], int]) -> int:
    """Do the work, which cleans up behind itself; the exit code: its own, 2 for a wrong option."""
    signal.signal(signal.SIGTERM, _interrupt)
    try:
        return work()
    except UsageError as error:
        say(prog, f"{error} See {prog} --help.")
        return 2
    except PhfsError as error:
        say(prog, sentence_of(error))
        return 2 if isinstance(error, ConfigError) else 1
    except RuntimeError as error:  # a server or a mount did not start
        say(prog, str(error))
        return 1
    except KeyboardInterrupt:
        say(prog, "Interrupted: everything is unmounted, stopped and removed.")
        return 130  # 128 + SIGINT, as shells count


def _interrupt(_number: int, _frame: FrameType | None) -> NoReturn:
    raise KeyboardInterrupt
