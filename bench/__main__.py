"""``python -m bench``: PHFS, its peers and the bare store against one MinIO, in one run.

Owns the command line. Everything runs on this machine and is taken down again, also when the run is
interrupted. With ``--quick`` the ratios are compared with those of ``baseline.json``.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Collection, Sequence
from pathlib import Path

from bench import comparison, fresh
from bench.command import end_well
from bench.document import publish
from bench.held import own_network
from bench.mounts import Kind, kinds
from bench.world import LINKS, World, held, running
from phfs.bench import guard
from phfs.bench.figures import Figure, figures
from phfs.bench.measure import FLOOR, Bench
from phfs.bench.output import writable, write
from phfs.bench.record import Run
from phfs.bench.report import Screen
from phfs.bench.scenario import Size, Theme
from phfs.bench.scenarios import chosen, themes
from phfs.bench.targets import PHFS, verdicts
from phfs.cli.commands.bench import add_measuring_options
from phfs.commandline import Parser
from phfs.errors import PhfsError

PROG = "python -m bench"
BASELINE = Path(__file__).with_name("baseline.json")

_EPILOG = """\
Without --link and --subject all are measured; with --quick the link of 10 ms and no peers, and the
ratios are compared with those that are kept: exit code 1 if one fell by more than a fifth.

  make bench QUICK=1
  make bench ARGS="--scenario read-seq-1 --link direct --rounds 9\""""

QUICK_LINKS = ["direct", "10ms"]
QUICK_SUBJECTS = [PHFS, FLOOR]


def main() -> int:
    """Measure and report; 0, or 1 if PHFS failed or has become slower, 2 for a wrong option."""
    return end_well(PROG, lambda: _run(_options().read(sys.argv[1:]), Screen()))


def _options() -> Parser:
    parser = Parser(PROG, "Measure PHFS, its peers and the bare store in one run.", _EPILOG)
    add_measuring_options(parser)
    for flag, expected, names in (
        ("--link", "over this link only; may be repeated", list(LINKS)),
        ("--subject", "measure this only; may be repeated", [*_names(kinds()), FLOOR]),
    ):
        parser.expected[flag] = ", ".join(names[:-1]) + f" or {names[-1]}"
        parser.add_argument(flag, action="append", choices=names, default=[], help=expected)
    parser.expected["--tmpfs"] = "a directory on a tmpfs"
    parser.add_argument(
        "--tmpfs",
        type=Path,
        default=Path("/dev/shm"),
        metavar="DIR",
        help="where the store's data go (default: /dev/shm)",
    )
    parser.expected["--baseline"] = "a file"
    parser.add_argument(
        "--baseline",
        type=Path,
        default=BASELINE,
        metavar="FILE",
        help="where the ratios are kept that a quick run is compared with",
    )
    parser.add_argument(
        "--save-baseline",
        action="store_true",
        help="keep the ratios of this run, instead of comparing with those that are kept",
    )
    parser.add_argument(
        "--docs", action="store_true", help="write the tables into docs/performance.md, too"
    )
    return parser


def _run(given: argparse.Namespace, screen: Screen) -> int:
    size = Size.of(quick=given.quick, rounds=given.rounds)
    if given.list:
        screen.scenarios(chosen(_all_themes(size, None), given.scenario))
        return 0
    chosen(_all_themes(size, None), given.scenario)  # refuses before anything is started
    output = writable(given.output or Path("bench-results"))
    tmpfs = writable(given.tmpfs)
    links = _links(given, screen)
    subjects = given.subject or (QUICK_SUBJECTS if given.quick else [*_names(kinds()), FLOOR])
    with running(tmpfs, links, _installed(subjects, screen), floor=FLOOR in subjects) as world:
        with screen.live():
            known = _measure(world, size, given.scenario, screen)
        judged = verdicts(known)
        screen.verdicts(judged)
        run = Run(known, judged, quick=given.quick, rounds=size.turns - 1)
        screen.say(f"Written to {write(run, output)}")
        if given.docs:
            publish(comparison.parts(run), comparison.pictures(run))
        failed = [one for one in known if one.subject == PHFS and one.error]
        if given.save_baseline:
            guard.save(given.baseline, known, run.machine)
        elif given.quick and _has_fallen(world, size, guard.load(given.baseline), known, screen):
            return 1
    return 1 if failed else 0


def _links(given: argparse.Namespace, screen: Screen) -> list[str]:
    """Those asked for; of all, those for which there are the rights."""
    links: list[str] = given.link or (QUICK_LINKS if given.quick else list(LINKS))
    if held(links):
        try:
            own_network()
        except PhfsError as error:
            if given.link:
                raise
            screen.say(f"{', '.join(held(links))} is left out. {error}")
            return [name for name in links if name not in held(links)]
    return links


def _measure(world: World, size: Size, names: Collection[str], screen: Screen) -> list[Figure]:
    wanted = chosen(_all_themes(size, world), names)
    return figures(Bench(world.subjects, world.place, screen).run(wanted, size.turns))


def _has_fallen(
    world: World, size: Size, kept: guard.Ratios, known: Sequence[Figure], screen: Screen
) -> bool:
    """Compare with what is kept; whatever seems to have fallen is measured again, longer."""
    if not kept:
        screen.say("No ratios are kept to compare with: --save-baseline keeps those of a run.")
    suspects = {fall.scenario for fall in guard.falls(kept, known)}
    if not suspects:
        return False
    screen.say(f"Measured once more, with more rounds: {', '.join(sorted(suspects))}")
    longer = size._replace(turns=3 * size.turns)
    with screen.live():
        again = _measure(world, longer, suspects, screen)
    fallen = guard.falls(kept, again)
    screen.falls(fallen)
    return bool(fallen)


def _all_themes(size: Size, world: World | None) -> list[Theme]:
    return [*themes(size), fresh.theme(world.mounts if world else {}, size)]


def _installed(subjects: Collection[str], screen: Screen) -> list[Kind]:
    wanted = [kind for kind in kinds() if kind.name in subjects]
    for kind in wanted:
        if kind.program is None:
            screen.say(f"{kind.name} is not installed and is left out.")
    return [kind for kind in wanted if kind.program is not None]


def _names(of: Sequence[Kind]) -> list[str]:
    return [kind.name for kind in of]


if __name__ == "__main__":
    sys.exit(main())
