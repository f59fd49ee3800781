"""The command ``phfs-mount``: reads the options, checks the machine, serves the mount.

Exit codes: 0 mounted (with ``--foreground``: unmounted in order), 1 the mount failed, 2 usage or
configuration is wrong, 3 it ended before everything was saved. The mount itself is imported last,
by the process that serves it.
"""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Callable, Sequence

from phfs.cli import arguments, checks, daemon, duty, logs, supervisor
from phfs.commandline import UsageError, say, sentence_of
from phfs.config import MountConfig, unknown_variables
from phfs.config.start import Start
from phfs.core.names import EXPLANATIONS
from phfs.errors import ConfigError, MountError, PhfsError, Unfinished
from phfs.machine import this_machine
from phfs.system import descriptors, privileges, service

PROG = arguments.PROG

logger = logging.getLogger(__name__)


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command with ``argv`` (default: the process's) and return its exit code."""
    remarks = [f"warning: {sentence}" for sentence in unknown_variables(os.environ)]
    try:
        config = arguments.parse(sys.argv[1:] if argv is None else argv, os.environ)
    except (UsageError, ConfigError) as error:
        wrong = sentence_of(error) if isinstance(error, ConfigError) else _with_help(error)
        for sentence in (*remarks, wrong):
            say(PROG, sentence)
        return 2
    if config.foreground:
        logs.log_to_terminal(config.log_level, config.log_format)
    for sentence in remarks:
        _tell(config, logging.WARNING, sentence)
    try:
        for sentence in checks.check(config, this_machine()):
            _tell(config, logging.WARNING, sentence)
    except (ConfigError, MountError) as error:
        _tell(config, logging.ERROR, sentence_of(error))
        return 2 if isinstance(error, ConfigError) else 1
    try:
        code, sentence = _in_foreground(config) if config.foreground else _in_background(config)
    except KeyboardInterrupt:
        return 130  # 128 + SIGINT, as shells count
    if sentence:
        _tell(config, logging.ERROR, sentence)
    return code


def _with_help(error: UsageError) -> str:
    return f"{error} See {PROG} --help."


def _tell(config: MountConfig, level: int, sentence: str) -> None:
    """Say it where who started the mount looks: in the terminal's words, or as a line of the log
    for a program that reads nothing else."""
    if config.foreground and config.log_format == "json":
        logger.log(level, "%s", sentence.removeprefix("warning: "))
    else:
        say(PROG, sentence)


def _in_foreground(config: MountConfig) -> tuple[int, str]:
    if config.keep_dead:
        # Whoever keeps a stack of mounts has to end them. Said here, because the checks before
        # have acted as another user, upon which the kernel forgets it.
        privileges.end_with_parent(os.getppid())
    return _watched(config, lambda ready, start: outcome(lambda: _run(config, ready, start)))(
        _tell_manager
    )


def _tell_manager() -> None:
    try:
        service.tell_ready(os.environ)
    except OSError as error:
        logger.warning("whoever is to be told by %s is not there: %s", service.VARIABLE, error)


def _in_background(config: MountConfig) -> tuple[int, str]:
    identity = duty.identity_of(config)

    def serve_logged(ready: Callable[[], None], start: Start) -> tuple[int, str]:
        logs.log_to_file(config.log_level, config.log_file, config.log_format)
        code, sentence = outcome(lambda: _run(config, ready, start))
        if sentence:
            logger.error("%s", sentence)
        return code, sentence

    def serve(ready: Callable[[], None]) -> tuple[int, str]:
        logs.log_beside(config.log_level, config.log_file, identity, config.log_format)
        return _watched(config, serve_logged)(ready)

    # No request stays unanswered longer than the deadline, so a mount that does is broken.
    patience = config.retry_deadline + 5
    explanations = config.mountpoint / EXPLANATIONS
    return daemon.start(
        serve,
        lambda: os.listdir(explanations),
        config.mountpoint,
        config.log_file,
        patience,
        identity,
    )


def _watched(config: MountConfig, serve: supervisor.Serve) -> daemon.Serve:
    """``serve``, in a process of its own if somebody has to watch over it."""
    if config.supervised or config.run_as is not None:
        return lambda ready: supervisor.run(duty.duty_of(config, serve), ready)
    return lambda ready: serve(ready, Start(device=config.descriptor))


def _run(config: MountConfig, ready: Callable[[], None], start: Start) -> int:
    descriptors.take_all()
    from phfs.cli import leaving
    from phfs.mount import run

    return run(config, ready, start, lambda unsaved: leaving.tell(unsaved, config))


def outcome(serve: Callable[[], int]) -> tuple[int, str]:
    """Serve until unmounted; exit code, and a sentence if something went wrong."""
    try:
        return serve(), ""
    except ConfigError as error:
        return 2, sentence_of(error)
    except Unfinished as error:
        return supervisor.CUT_SHORT, sentence_of(error)
    except PhfsError as error:
        return 1, sentence_of(error)
    except ImportError as error:
        return 1, _missing_library(error)
    except Exception as error:
        logger.exception("The mount ended by a defect")
        # Not its repr: that of an error of encoding has all of the text, which may be a key.
        said = f"{type(error).__name__}: {error}"
        return 1, f"The mount ended by a defect of PHFS ({said}); the log has the details."


def _missing_library(error: ImportError) -> str:
    if "libfuse3" in str(error):
        return f"libfuse is missing ({error}): install it with apt-get install fuse3 (as root)."
    return (
        f"PHFS is not installed completely ({error}): install it again with pip install "
        "--force-reinstall . in its repository."
    )


if __name__ == "__main__":
    sys.exit(main())
