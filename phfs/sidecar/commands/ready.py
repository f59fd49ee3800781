"""``phfs-sidecar ready``: whether the pod may start, for a probe."""

from __future__ import annotations

import argparse

from phfs.commandline import Command, Parser
from phfs.errors import MountError
from phfs.sidecar.commands.run import add_private


def _run(given: argparse.Namespace) -> int:
    from phfs.sidecar import state
    from phfs.sidecar.standing import Being

    said = state.read_running(given.private)
    if said.beat > state.SILENT_SECONDS:
        raise MountError(f"The sidecar has been silent for {said.beat:.0f} seconds.")
    if said.is_ending:
        raise MountError("The sidecar is ending.")
    if said.waited_for:
        raise MountError(f"Still being put in place: {', '.join(said.waited_for)}.")
    failed = [one.id for one in said.standings if one.being is Being.FAILED]
    print(f"ready; not in place: {', '.join(failed)}" if failed else "ready")
    return 0


def _add_options(parser: Parser) -> None:
    add_private(parser)


COMMAND = Command(
    "ready",
    "Exit with 0 when every volume is in place, or has failed for now.",
    _add_options,
    _run,
)
