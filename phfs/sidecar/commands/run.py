"""``phfs-sidecar run DOC``: puts a pod's volumes in place, and keeps them until told to end."""

from __future__ import annotations

import argparse
import logging
from pathlib import Path

from phfs.commandline import Command, Parser, UsageError, sentence_of
from phfs.errors import ConfigError, DocumentError, PhfsError
from phfs.sidecar.commands.given import add_document, document_of

log = logging.getLogger(__name__)

PRIVATE = Path("/run/phfs-sidecar")


def add_private(parser: Parser) -> None:
    """The option ``--private``."""
    parser.expected["--private"] = "the path of a directory"
    parser.add_argument(
        "--private",
        type=Path,
        default=PRIVATE,
        metavar="DIR",
        help=f"the sidecar's own directory, which no other container sees (default: {PRIVATE})",
    )


def _add_options(parser: Parser) -> None:
    add_document(parser)
    add_private(parser)
    for flag, metavar, expected, default, words in (
        ("--root", "DIR", "the path of a directory", "/volumes", "the pod's shared directory"),
        ("--listen", "[ADDRESS:]PORT", "a port, or off", "9807", "where health is asked for"),
        ("--drain-seconds", "SECONDS", "a number of seconds", "25",
         "how long after SIGTERM open files may still be finished"),
        ("--step-seconds", "SECONDS", "a number of seconds", "60",
         "how long one step may take, and a volume is waited for"),
        ("--retry-seconds", "SECONDS", "a number of seconds", "10",
         "how soon a failed volume is tried again; later more seldom"),
    ):  # fmt: skip
        parser.expected[flag] = expected
        parser.add_argument(
            flag, metavar=metavar, default=default, help=f"{words} (default: {default})"
        )
    parser.expected["--until"] = "the path of a file"
    parser.add_argument("--until", type=Path, metavar="FILE", help="end when there is this file")
    parser.expected["--log-format"] = "text or json"
    parser.add_argument(
        "--log-format", choices=("text", "json"), default="json", help="how lines of the log look"
    )


def _run(given: argparse.Namespace) -> int:
    from phfs.sidecar import jsonlog

    if given.log_format == "text":
        return _run_logged(given)
    jsonlog.log_to_terminal(given.log_format)
    try:
        return _run_logged(given)
    except PhfsError as error:
        failure = error
    # Every line is an object, also the last ones.
    sentences = [sentence_of(failure)]
    if isinstance(failure, DocumentError):
        sentences += failure.problems
    for sentence in sentences:
        log.error("%s", sentence, extra=jsonlog.about("", failure.why, failure.advice))
    return 2 if isinstance(failure, ConfigError) else 1


def _run_logged(given: argparse.Namespace) -> int:
    address, port = _listen(given.listen)
    drain, step, retry = (
        _seconds(name, getattr(given, name))
        for name in ("drain_seconds", "step_seconds", "retry_seconds")
    )
    document = document_of(given.document)
    from phfs.sidecar import jsonlog
    from phfs.sidecar.plan import plan
    from phfs.sidecar.run import run
    from phfs.sidecar.settings import Settings

    settings = Settings(
        root=Path(given.root).resolve(),
        private=given.private.absolute(),
        address=address,
        port=port,
        until=given.until,
        log_format=given.log_format,
        drain_seconds=drain,
        step_seconds=step,
        retry_seconds=retry,
    )
    jsonlog.log_to_terminal(settings.log_format)
    return run(plan(document), settings)


def _listen(text: str) -> tuple[str, int | None]:
    if text == "off":
        return "", None
    address, _, port = text.rpartition(":")
    if not (port.isascii() and port.isdigit() and int(port) < 65_536):
        raise UsageError(
            f"--listen {text!r} is wrong: give a port, ADDRESS:PORT, or off for no port."
        )
    return address.strip("[]") or "0.0.0.0", int(port)  # noqa: S104 - the kubelet is outside


def _seconds(name: str, text: str) -> float:
    try:
        number = float(text)
    except ValueError:
        number = -1.0
    if not 0 <= number <= 3600:
        flag = f"--{name.replace('_', '-')}"
        raise UsageError(f"{flag} {text!r} is wrong: give a number of seconds from 0 to 3600.")
    return number


COMMAND = Command(
    "run",
    "Put a pod's volumes in place and keep them there.",
    _add_options,
    _run,
)
