"""A plan as text and as JSON, without its secrets.

The values of env volumes and what is in a git URL beside host and path never leave here. Names come
from people: in text, what is not printable is written as an escape. Called by ``commands``.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import fields
from typing import Any

from phfs.sidecar.access import State
from phfs.sidecar.plan import Plan, Volume
from phfs.sidecar.repository import Repository
from phfs.sidecar.steps import (
    Bind,
    MakeDirectory,
    MakeLink,
    MountNfs,
    MountPhfs,
    PublishEnvironment,
    Step,
    SyncGit,
)
from phfs.sidecar.variables import Variable

API_VERSION = "phfs/v1"


def as_text(plan: Plan) -> str:
    """For people: one line per volume, mount, step and variable; ends with a line break."""
    lines = [
        f"A {plan.kind} of {plan.user}, started for the group {plan.group}.",
        "",
        "Volumes",
        *_volumes(plan.volumes),
        "",
        "The main container mounts (its path, the piece of the shared volume)",
        *(
            f"  {'ro' if one.read_only else 'rw'}   {one.path:<32} {one.tree}"
            for one in plan.inside
        ),
        "",
        "The pod hands over to the sidecar",
        *(
            f"  {'ro' if one.read_only else 'rw'}   {one.path:<32} {one.kind} {one.source}"
            for one in plan.handed
        ),
        "",
        f"Steps (files belong to {plan.owner.uid}:{plan.owner.gid})",
        *(f"  {step.name:<12} {_told(step):<60} {step.why}" for step in plan.steps),
        "",
        "Environment",
        *(f"  {_shown(variable)}" for variable in plan.environment),
    ]
    if plan.notes:
        lines += ["", "Notes", *(f"  {note}" for note in plan.notes)]
    return "".join(f"{printable(line)}\n" for line in lines)


def as_json(plan: Plan) -> dict[str, Any]:
    """For programs: what ``json.dumps`` takes. The names of fields are those of the classes."""
    return {
        "apiVersion": API_VERSION,
        "kind": "Plan",
        "pod": {"kind": plan.kind, "user": plan.user, "group": plan.group},
        "owner": plan.owner._asdict(),
        "volumes": [_fields(volume) for volume in plan.volumes],
        "inside": [_fields(one) for one in plan.inside],
        "handed": [_fields(one) for one in plan.handed],
        "steps": [{"step": step.name, **_fields(step)} for step in plan.steps],
        "environment": [_variable(variable) for variable in plan.environment],
        "notes": list(plan.notes),
    }


def wrong(plan: Plan) -> list[str]:
    """One line for each volume that is out because it is set up wrongly."""
    return [printable(f"{one.kind} {one.name}: {one.why}") for one in plan.volumes if one.wrong]


def summary(plan: Plan) -> str:
    """One line: how many volumes there are in which state."""
    counts = [
        f"{number} {state}"
        for state in State
        if (number := sum(volume.state is state for volume in plan.volumes))
    ]
    return printable(f"a {plan.kind} of {plan.user} for {plan.group}, volumes: {', '.join(counts)}")


def printable(text: str) -> str:
    """Without characters that would move a terminal's cursor or begin a line."""
    if text.isprintable():
        return text
    return "".join(
        character if character.isprintable() else repr(character)[1:-1] for character in text
    )


def _volumes(volumes: Iterable[Volume]) -> Iterator[str]:
    for one in volumes:
        yield f"  {one.state:<4} {one.kind:<9} {one.name:<20} {one.path:<24} {one.why}"
        yield from (f"{'':39}{note}" for note in one.notes)


def _told(step: Step) -> str:
    match step:
        case MakeDirectory():
            return f"{step.path} ({step.uid}:{step.gid}, {step.mode:04o})"
        case Bind():
            return f"{step.source} at {step.path}, {'ro' if step.read_only else 'rw'}"
        case MountPhfs():
            access = "ro" if step.read_only else "rw"
            return f"{step.bucket}, group {step.group}, at {step.path}, {access}"
        case MountNfs():
            access = "ro" if step.read_only else "rw"
            return f"{step.server}:{step.export} at {step.path}, {access}"
        case SyncGit():
            reference = step.repository.reference or "default branch"
            return f"{step.repository.shown} ({reference}) at {step.link}, every {step.period} s"
        case PublishEnvironment():
            return f"env.sh and env.json in {step.path}"
        case MakeLink():
            return f"{step.path} -> {step.target}"


def _shown(variable: Variable) -> str:
    if variable.volume:
        return f"{variable.name} (value not shown, from {variable.volume})"
    return f"{variable.name}={variable.value}"


def _variable(variable: Variable) -> dict[str, Any]:
    value = None if variable.volume else variable.value
    return {"name": variable.name, "value": value, "volume": variable.volume}


def _fields(one: Any) -> dict[str, Any]:
    return {field.name: _plain(getattr(one, field.name)) for field in fields(one)}


def _plain(value: Any) -> Any:
    if isinstance(value, Repository):
        return {"url": value.shown, "reference": value.reference}
    return list(value) if isinstance(value, tuple) else value
