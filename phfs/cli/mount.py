"""The command ``phfs-mount``: reads the options, checks the machine, serves the mount.

Exit codes: 0 mounted (with ``--foreground``: unmounted in order), 1 the mount failed, 2 usage or
configuration is wrong. The mount itself is imported last, by the process that serves it.
"""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Callable, Sequence

from phfs.cli import arguments, checks, daemon, logs
from phfs.cli.parser import UsageError, say, sentence_of
from phfs.config import MountConfig, unknown_variables
from phfs.core.names import EXPLANATIONS
from phfs.errors import ConfigError, MountError, PhfsError

PROG = arguments.PROG

logger = logging.getLogger(__name__)


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command with ``argv`` (default: the process's) and return its exit code."""
    for sentence in unknown_variables(os.environ):
        say(PROG, f"warning: {sentence}")
    try:
        config = arguments.parse(sys.argv[1:] if argv is None else argv, os.environ)
        checks.check(config, checks.this_machine())
    except UsageError as error:
        say(PROG, f"{error} See {PROG} --help.")
        return 2
    except ConfigError as error:
        say(PROG, sentence_of(error))
        return 2
    except MountError as error:
        say(PROG, sentence_of(error))
        return 1
    try:
        code, sentence = _in_foreground(config) if config.foreground else _in_background(config)
    except KeyboardInterrupt:
        return 130  # 128 + SIGINT, as shells count
    if sentence:
        say(PROG, sentence)
    return code


def _in_foreground(config: MountConfig) -> tuple[int, str]:
    logs.log_to_terminal(config.log_level)
    return outcome(lambda: _run(config, lambda: None))


def _in_background(config: MountConfig) -> tuple[int, str]:
    def serve(ready: Callable[[], None]) -> tuple[int, str]:
        logs.log_to_file(config.log_level, config.log_file)
        code, sentence = outcome(lambda: _run(config, ready))
        if sentence:
            logger.error("%s", sentence)
        return code, sentence

    # No request stays unanswered longer than the deadline, so a mount that does is broken.
    patience = config.retry_deadline + 5
    explanations = config.mountpoint / EXPLANATIONS
    return daemon.start(
        serve, lambda: os.listdir(explanations), config.mountpoint, config.log_file, patience
    )


def _run(config: MountConfig, ready: Callable[[], None]) -> int:
    from phfs.mount import run

    return run(config, ready)


def outcome(serve: Callable[[], int]) -> tuple[int, str]:
    """Serve until unmounted; exit code, and a sentence if something went wrong."""
    try:
        return serve(), ""
    except ConfigError as error:
        return 2, sentence_of(error)
    except PhfsError as error:
        return 1, sentence_of(error)
    except ImportError as error:
        return 1, _missing_library(error)
    except Exception as error:
        logger.exception("The mount ended by a defect")
        return 1, f"The mount ended by a defect of PHFS ({error!r}); the log has the details."


def _missing_library(error: ImportError) -> str:
    if "libfuse3" in str(error):
        return f"libfuse is missing ({error}): install it with apt-get install fuse3 (as root)."
    return f"PHFS is not installed completely ({error}): install it again with pip install phfs."


if __name__ == "__main__":
    sys.exit(main())
