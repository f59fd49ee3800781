"""``python -m bench.growth``: how cost grows with sizes, numbers, readers and knobs.

Owns the command line. Mounts and store run on this machine and are taken down again, also when the
run is interrupted.
"""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path

from rich.console import Console
from rich.text import Text

from bench.command import end_well
from bench.document import console, publish
from bench.growth.ground import ground
from bench.growth.pictures import picture
from bench.growth.point import Answer, Scale, Topic
from bench.growth.report import file_name, grid, judgements, parts, verdicts, write
from bench.growth.topics import TOPICS, chosen
from phfs.bench.output import writable
from phfs.commandline import Parser, UsageError

PROG = "python -m bench.growth"


def main() -> int:
    """Measure and judge; 0, or 1 if a rule is broken, 2 for a wrong option."""
    return end_well(PROG, lambda: _run(_options().read(sys.argv[1:]), console()))


def _options() -> Parser:
    parser = Parser(PROG, "Measure how the cost of a mount grows.")
    names = [topic.name for topic in TOPICS]
    parser.expected["--only"] = ", ".join(names[:-1]) + f" or {names[-1]}"
    parser.add_argument(
        "--only",
        action="append",
        choices=names,
        default=[],
        help="measure this only; may be repeated",
    )
    parser.add_argument("--quick", action="store_true", help="smaller amounts, in 90 seconds")
    parser.expected["--output"] = "the path of a directory"
    parser.add_argument(
        "--output",
        type=Path,
        default=Path("bench-results"),
        metavar="DIR",
        help="where growth.json goes (default: bench-results)",
    )
    parser.add_argument(
        "--docs", action="store_true", help="write the tables and plots into docs, too"
    )
    return parser


def _run(given: argparse.Namespace, screen: Console) -> int:
    if given.docs and (given.quick or given.only):
        raise UsageError("--docs needs a whole run, without --quick and --only.")
    output, scale = writable(given.output), Scale(given.quick)
    made = time.strftime("%Y-%m-%d %H:%M:%S %z")
    answers = _measure(chosen(given.only), scale, screen)
    found = judgements(answers)
    if found:
        screen.print(verdicts(found).table("Rules"))
    file = output / "growth.json"
    write(answers, made, file, quick=scale.quick)
    screen.print(Text(f"Written to {file}"))
    if given.docs:
        pictures = {file_name(answer.topic.name): picture(answer) for answer in answers}
        publish(parts(answers, made), pictures)
    return 0 if all(one.holds for one in found) else 1


def _measure(topics: list[Topic], scale: Scale, screen: Console) -> list[Answer]:
    answers = []
    objects = [each for topic in topics for each in topic.objects(scale)]
    with ground(objects) as place:
        for topic in topics:
            with screen.status(topic.title):
                answer = Answer(topic, list(topic.measure(place, scale)))
            screen.print(grid(answer).table(topic.title))
            answers.append(answer)
    return answers


if __name__ == "__main__":
    sys.exit(main())
