"""What fields of a document must not say together.

Looks at plain values that may have any shape, so that everything wrong is found in one go, also
beside fields of a wrong type (which ``document`` names). Called by ``document``.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from phfs.sidecar.options import problem_of
from phfs.sidecar.reading import Path, shown

KINDS = ("notebook", "job", "app", "deployment")

ONLY_FOR = {"safeMode": "notebook", "homeClaim": "notebook", "artifacts": "job"}
"""Fields of ``what`` that make sense in one kind of pod."""


def disagreements(raw: Any) -> list[str]:
    """One sentence for each, with the path of the field to change."""
    return [
        *_groups(_at(raw, "who", "groups"), _at(raw, "who", "launchGroup")),
        *_pod(_at(raw, "what")),
        *_options(_at(raw, "store", "options")),
        *_twice(_list(_at(raw, "data")), ("metadata", "name"), ("data",)),
    ]


def _groups(groups: Any, launch_group: Any) -> Iterator[str]:
    if not isinstance(groups, list):
        return
    yield from _twice(groups, ("name",), ("who", "groups"))
    names = {name for group in groups if isinstance(name := _at(group, "name"), str)}
    if isinstance(launch_group, str) and launch_group not in names:
        yield "who.launchGroup: give the name of one of who.groups."


def _pod(what: Any) -> Iterator[str]:
    kind = _at(what, "kind")
    for name, only in ONLY_FOR.items():
        if kind in KINDS and kind != only and _at(what, name) not in (None, False):
            yield f"what.{name}: only a {only} has it; leave it out."
    if kind in ("job", "app") and _at(what, "name") is None:
        yield f"what.name: is missing; a {kind} needs it."


def _options(options: Any) -> Iterator[str]:
    for name, value in options.items() if isinstance(options, dict) else ():
        sentence = problem_of(name, value)
        if sentence is not None:
            yield f"{shown(('store', 'options', name))}: {sentence}"


def _twice(items: list[Any], names: tuple[str, ...], path: Path) -> Iterator[str]:
    first: dict[str, int] = {}
    for number, item in enumerate(items):
        name = _at(item, *names)
        if not isinstance(name, str):
            continue
        if name in first:
            place = shown((*path, first[name], *names))
            yield f"{shown((*path, number, *names))}: is the name at {place}, too."
        first.setdefault(name, number)


def _at(raw: Any, *names: str) -> Any:
    for name in names:
        raw = raw.get(name) if isinstance(raw, dict) else None
    return raw


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []
