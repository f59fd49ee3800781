"""What is measured, by themes; each module holds one and says what it does.

Owns the list of them and the choice by name. Called by ``own`` and the repository's ``bench``.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from difflib import get_close_matches

from phfs.bench.scenario import Size, Theme
from phfs.bench.scenarios import formats, names, points, sequential, small, tree, writing
from phfs.errors import ConfigError


def themes(size: Size) -> list[Theme]:
    """All scenarios of a size."""
    modules = (points, sequential, formats, small, writing, names, tree)
    return [module.theme(size) for module in modules]


def chosen(themes: Sequence[Theme], wanted: Collection[str]) -> list[Theme]:
    """The scenarios of these names, all if there are none.

    Raises ``ConfigError`` for a name there is not.
    """
    known = [scenario.name for theme in themes for scenario in theme.scenarios]
    for name in wanted:
        if name not in known:
            near = get_close_matches(name, known, n=1)
            hint = f"; is {near[0]} meant?" if near else ": --list shows those there are."
            raise ConfigError(f"There is no scenario {name!r}{hint}")
    if not wanted:
        return list(themes)
    kept = [
        theme._replace(scenarios=tuple(one for one in theme.scenarios if one.name in wanted))
        for theme in themes
    ]
    return [theme for theme in kept if theme.scenarios]
