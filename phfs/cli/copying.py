"""What ``phfs cp``, ``mv`` and ``sync`` share: options, the store, signals, what is printed.

Owns their exit codes: 0 if all was done, 1 if something failed, 130 after Ctrl-C. Called by
``commands``.
"""

from __future__ import annotations

import argparse
import json
import signal
import sys
import time
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING

from phfs.cli.progress import Bar
from phfs.cli.shared import add_place, place_config
from phfs.cli.shown import add_json, counted, name_of, size_of
from phfs.commandline import Parser, UsageError, say, sentence_of
from phfs.core.names import printable
from phfs.errors import PhfsError

if TYPE_CHECKING:
    import trio

    from phfs.config import MountConfig
    from phfs.files.group import Group
    from phfs.files.outcome import Outcome
    from phfs.files.transfer import Tally
    from phfs.files.within import Given

INTERRUPTED = 128

LEAST_MEMORY = 16

_DONE = {
    "upload": "copied",
    "download": "copied",
    "copy": "copied",
    "skip": "left",
    "remove": "removed",
    "fail": "failed",
}


def add_copying(parser: Parser, arguments: str) -> None:
    """Add the options that the three share; ``arguments`` is what the usage says of the others."""
    parser.usage = f"{parser.prog} [OPTION]... {arguments}"
    parser.add_argument(
        "--dry-run", action="store_true", help="print what would be done, and do nothing"
    )
    parser.add_argument("-v", "--verbose", action="store_true", help="print every file")
    parser.add_argument("-q", "--quiet", action="store_true", help="print nothing but failures")
    parser.expected["--memory-limit"] = f"a number of MiB, {LEAST_MEMORY} or more"
    parser.add_argument(
        "--memory-limit",
        dest="copy_memory",
        type=_memory,
        metavar="MIB",
        help="memory for the bytes under way, in MiB (default: 128)",
    )
    add_json(parser)
    add_place(parser, writes=True)


def _memory(text: str) -> int:
    number = int(text)
    if number < LEAST_MEMORY:
        raise ValueError(text)
    return number * 1024 * 1024


def places_of(given: argparse.Namespace, command: str) -> tuple[MountConfig, list[Given], Given]:
    """Where the group is, the sources and the target. Raises ``UsageError``, ``ConfigError``."""
    from phfs.files.within import given as place

    if len(given.paths) < 2:
        raise UsageError(
            f"SOURCE and TARGET are needed, as in phfs {command} model.bin phfs:///models/."
        )
    config = place_config(given)
    *sources, target = [place(text, config) for text in given.paths]
    return config, sources, target


def drive(
    given: argparse.Namespace,
    config: MountConfig,
    command: str,
    work: Callable[[Group], Awaitable[Tally]],
    *,
    doing: str,
    overwrite: bool = True,
    durable: bool = False,
) -> int:
    """Do ``work`` with the group that ``config`` names, telling how it gets on; the exit code."""
    from phfs.cli.group import run_copying
    from phfs.files.group import MEMORY, Group, Memory
    from phfs.files.mounted import Views
    from phfs.s3.resumable import Records
    from phfs.s3.store import Store

    memory = Memory(given.copy_memory or MEMORY)
    with Bar(doing, wanted=not (given.json or given.quiet)) as bar:
        teller = Teller(given, command, bar)

        async def all_of_it(store: Store, records: Records) -> Tally | None:
            group = Group(
                store,
                config.prefix,
                records,
                teller,
                memory,
                config.part_size,
                overwrite=overwrite,
                durable=durable,
                views=Views(config.bucket, config.prefix),
            )
            return await _until_signal(lambda: work(group), teller)

        with teller:
            run_copying(config, all_of_it)
    teller.sum_up()
    return teller.code


async def _until_signal(work: Callable[[], Awaitable[Tally]], teller: Teller) -> Tally | None:
    """Do ``work``; SIGINT or SIGTERM ends it in order, a second one at once."""
    import trio

    tally: Tally | None = None
    with trio.open_signal_receiver(signal.SIGINT, signal.SIGTERM) as signals:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(_end_by_signal, signals, nursery.cancel_scope, teller)
            tally = await work()
            nursery.cancel_scope.cancel()
    return tally


async def _end_by_signal(signals: object, scope: trio.CancelScope, teller: Teller) -> None:
    async for number in signals:  # type: ignore[attr-defined]
        teller.interrupted = number
        for each in (signal.SIGINT, signal.SIGTERM):
            signal.signal(each, signal.SIG_DFL)
        scope.cancel()
        return


class Teller:
    """The reporter of a command: prints what fails, with ``-v`` everything, and the sums; or one
    JSON document as it comes."""

    def __init__(self, given: argparse.Namespace, command: str, bar: Bar) -> None:
        self.interrupted = 0
        self._json = bool(given.json)
        self._verbose = bool(given.verbose)
        self._quiet = bool(given.quiet)
        self._dry = bool(given.dry_run)
        self._prog = f"phfs {command}"
        self._done_word = "moved" if command == "mv" else "copied"
        self._bar = bar
        self._began = time.monotonic()
        self._counts = dict.fromkeys(_DONE.values(), 0)
        self._size = 0
        self._first = True

    @property
    def code(self) -> int:
        """The exit code."""
        if self.interrupted:
            return INTERRUPTED + self.interrupted
        return 1 if self._counts["failed"] else 0

    def __enter__(self) -> Teller:
        if self._json:
            print('{"files": [', end="")
        return self

    def __exit__(self, _: object, error: BaseException | None, __: object) -> None:
        # What the tree does not know leaves the document open: nobody takes a part for the whole.
        if self._json and (error is None or isinstance(error, PhfsError)):
            totals: dict[str, object] = {
                **self._counts,
                "bytes": self._size,
                "seconds": round(time.monotonic() - self._began, 3),
                "interrupted": bool(self.interrupted),
                "dry_run": self._dry,
            }
            if error is not None:
                totals["error"] = sentence_of(error)
            print("\n]," if not self._first else "],", json.dumps(totals)[1:])

    def found(self, files: int, size: int) -> None:
        """Lengthen the bar."""
        self._bar.expect(files, size)

    def moved(self, count: int) -> None:
        """Fill the bar."""
        self._bar.move(count)

    def say(self, sentence: str) -> None:
        """Print a sentence."""
        if not self._quiet:
            self._bar.say(f"{self._prog}: {printable(sentence)}")

    def ended(self, outcome: Outcome) -> None:
        """Count a file, and print it if that is wanted."""
        self._counts[_DONE[outcome.action]] += 1
        self._bar.end()
        if outcome.error is None and outcome.action != "skip":
            self._size += outcome.size
        if self._json:
            self._print_json(outcome)
        if outcome.error is not None:
            self._bar.say(f"{self._prog}: {printable(sentence_of(outcome.error))}")
        elif not self._json and (self._dry or self._verbose):
            arrow = f" -> {name_of(outcome.target)}" if outcome.target else ""
            note = f" ({outcome.note})" if outcome.note else ""
            line = f"{outcome.action} {name_of(outcome.source)}{arrow}{note}"
            if outcome.target == "-" and not self._dry:  # the bytes are on standard output
                self._bar.say(line)
            else:
                print(line)

    def sum_up(self) -> None:
        """Print what was done, for a person."""
        if self._json or self._quiet:
            return
        seconds = time.monotonic() - self._began
        parts = [
            f"{number:,} {word}"
            for word, number in self._counts.items()
            if number and word != "copied"
        ]
        would = "would be " if self._dry else ""
        line = f"{counted(self._counts['copied'], 'file')} {would}{self._done_word}"
        line += f", {size_of(self._size, human=True)}"
        if not self._dry and self._size:
            rate = size_of(int(self._size / max(seconds, 1e-3)), human=True)
            line += f" in {seconds:.1f} s ({rate}/s)"
        say(self._prog, "; ".join([line, *parts]) + (", interrupted." if self.interrupted else "."))

    def _print_json(self, outcome: Outcome) -> None:
        values: dict[str, object] = {
            "action": str(outcome.action),
            "source": outcome.source,
            "target": outcome.target or None,
            "bytes": outcome.size,
            "seconds": round(outcome.seconds, 3),
            "verified": outcome.verified or None,
        }
        if outcome.note:
            values["note"] = outcome.note
        if outcome.error is not None:
            values |= {"error": outcome.error.why, "advice": outcome.error.advice}
        print(
            "\n" if self._first else ",\n", json.dumps(values, ensure_ascii=False), sep="", end=""
        )
        self._first = False
        sys.stdout.flush()
