"""Which options of ``phfs-mount`` a document may set, checked by the options' own table.

What the plan decides itself (the bucket, the place, who owns it) is not among them. Called by
``agreement`` and ``plan``.
"""

from __future__ import annotations

from collections.abc import Mapping
from difflib import get_close_matches
from typing import Any

from phfs.config import kinds
from phfs.config.mount import OPTIONS, option_of

TUNABLE = (
    "dir-markers",
    "dir-mode",
    "drain-seconds",
    "file-mode",
    "log-level",
    "memory-limit",
    "metadata-ttl",
    "part-size",
    "rename-limit",
    "retry-deadline",
    "sse",
    "sse-kms-key",
    "storage-class",
    "timeout",
)

_TABLE = {
    name: option_of(row) for row in OPTIONS if (name := row.name.replace("_", "-")) in TUNABLE
}

OPTIONS_SCHEMA: dict[str, Any] = {
    "additionalProperties": False,
    "properties": {name: {"type": ["string", "number", "boolean"]} for name in sorted(_TABLE)},
}


def problem_of(name: str, value: object) -> str | None:
    """What is wrong with an option, as the sentence behind its path; None if nothing is."""
    if name not in _TABLE:
        near = get_close_matches(name, _TABLE, n=1)
        return "there is no such option to set here" + (f"; is {near[0]} meant?" if near else ".")
    kind = _TABLE[name].kind
    if kind is kinds.MODE and not isinstance(value, str):
        # YAML has read 0644 as an octal number by now, and 644 as a decimal one.
        return f'give {kind.expected}, in quotes: "0644".'
    try:
        kind.parse(text_of(value))
    except ValueError:
        return f"give {kind.expected}."
    return None


def text_of(value: object) -> str:
    """A value as it is given on the command line. Raises ``ValueError`` for what cannot be."""
    if isinstance(value, bool):
        return "on" if value else "off"
    if isinstance(value, (str, int, float)):
        return str(value)
    raise ValueError("no single value")


def arguments(options: Mapping[str, object]) -> tuple[tuple[str, str], ...]:
    """Checked options by name, as texts, in the order of their names."""
    return tuple((name, text_of(options[name])) for name in sorted(options))
