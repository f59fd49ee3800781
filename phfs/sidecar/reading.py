"""From YAML text to plain values: mappings, lists, texts, numbers, truth values, nothing else.

Owns the bounds that a hostile text meets (size, depth, aliases) and the refusal of keys given
twice. Knows no field. Never shows a value: there may be secrets beside the mistake. Called by
``document``.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import yaml

from phfs.errors import DocumentError

MAX_BYTES = 32 * 1024**2
"""Ten thousand data volumes have about 5 MiB."""

MAX_VALUES = 2_000_000
"""Counted as if every alias were written out, which is what they cost later."""

MAX_DEPTH = 50

Path = tuple[str | int, ...]

_LOADER: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_TAG = "tag:yaml.org,2002:"


def read(text: bytes, name: str) -> Any:
    """The one document in ``text``. Raises ``DocumentError``; ``name`` says which text it was."""
    documents = read_all(text, name)
    if len(documents) != 1:
        found = "several documents" if documents else "no document"
        raise DocumentError(f"{name} has {found}: give one.", [])
    return documents[0]


def read_all(text: bytes, name: str) -> list[Any]:
    """All documents in ``text``. Raises ``DocumentError``; ``name`` says which text it was."""
    if len(text) > MAX_BYTES:
        raise DocumentError(f"{name} has more than {MAX_BYTES >> 20} MiB.", [])
    builder = _Builder()
    try:
        for event in _events(text):
            builder.take(event)
    except UnicodeDecodeError as error:
        raise DocumentError(f"{name} is not UTF-8: byte {error.start} is none.", []) from None
    except yaml.MarkedYAMLError as error:
        raise DocumentError(f"{name} is not YAML: {_where(error)}.", []) from None
    except yaml.YAMLError:
        raise DocumentError(
            f"{name} is not YAML: it has characters that are no text.", []
        ) from None
    except _TooMuch as error:
        raise DocumentError(f"{name} is refused: {error}.", []) from None
    if builder.problems:
        raise DocumentError(f"{name} is wrong:", builder.problems)
    return builder.documents


def shown(path: Path) -> str:
    """A path as it is written: ``data[3].metadata.name``; odd keys in brackets and quotes."""
    text = ""
    for part in path:
        if isinstance(part, int):
            text += f"[{part}]"
        elif re.fullmatch(r"[A-Za-z_][A-Za-z0-9_-]{0,79}", part):
            text += f".{part}" if text else part
        else:
            text += f"[{json.dumps(part[:80])}]"
    return text or "the document"


class _TooMuch(Exception):
    pass


def _events(text: bytes) -> Iterator[Any]:
    # Decoded here, because libyaml would also take UTF-16.
    return iter(yaml.parse(text.decode("utf-8-sig"), Loader=_LOADER))


def _where(error: yaml.MarkedYAMLError) -> str:
    mark = error.problem_mark or error.context_mark
    place = f"line {mark.line + 1}, column {mark.column + 1}: " if mark else ""
    # The error's own text would quote the line. What it says in quotes is the text's, too.
    return place + re.sub(r"'[^']*'", "a word", error.problem or "it cannot be read")


@dataclass
class _Open:
    """A mapping or list that is being read."""

    value: dict[str, Any] | list[Any]
    anchor: str | None
    before: int
    """Values counted when it began."""
    key: str | None = None
    given: set[str] = field(default_factory=set)


class _Builder:
    """Takes events one by one; no recursion, so depth costs nothing but the bound."""

    def __init__(self) -> None:
        self.documents: list[Any] = []
        self.problems: list[str] = []
        self._open: list[_Open] = []
        self._anchors: dict[str, tuple[Any, int]] = {}
        self._count = 0
        self._resolver: Any = yaml.resolver.Resolver()
        self._constructor = yaml.constructor.SafeConstructor()

    def take(self, event: Any) -> None:
        if isinstance(event, yaml.DocumentStartEvent):
            self._anchors.clear()
        elif isinstance(event, yaml.ScalarEvent):
            self._scalar(event)
        elif isinstance(event, yaml.AliasEvent):
            self._alias(event)
        elif isinstance(event, yaml.CollectionStartEvent):
            self._begin(event)
        elif isinstance(event, yaml.CollectionEndEvent):
            done = self._open.pop()
            if done.anchor is not None:
                self._anchors[done.anchor] = (done.value, self._count - done.before)
            self._add(done.value)

    def _begin(self, event: Any) -> None:
        is_map = isinstance(event, yaml.MappingStartEvent)
        if len(self._open) >= MAX_DEPTH:
            raise _TooMuch(f"it is nested more than {MAX_DEPTH} deep")
        if self._awaits_key():
            raise _TooMuch(f"{self._here()} has a key that is no text")
        if event.tag not in (None, "!", _TAG + ("map" if is_map else "seq")):
            self._problem("the tag is not taken: leave it out.")
        before = self._counted(1)
        self._open.append(_Open({} if is_map else [], event.anchor, before))

    def _scalar(self, event: Any) -> None:
        before = self._counted(1)
        # All keys are texts, as in JSON: `on:` and `1:` are what they look like.
        value = event.value if self._awaits_key() else self._value_of(event)
        if event.anchor is not None:
            self._anchors[event.anchor] = (value, self._count - before)
        plain_key = self._awaits_key() and event.value == "<<" and event.implicit[0]
        if plain_key:
            self._problem("a merge key (<<) is not taken: write the fields out.")
        self._add(value)

    def _alias(self, event: Any) -> None:
        if event.anchor not in self._anchors:
            raise _TooMuch(f"{self._here()} has an alias of what is not there before it")
        value, weight = self._anchors[event.anchor]
        self._counted(weight)
        if self._awaits_key() and not isinstance(value, str):
            raise _TooMuch(f"{self._here()} has a key that is no text")
        self._add(value)

    def _add(self, value: Any) -> None:
        if not self._open:
            self.documents.append(value)
            return
        inner = self._open[-1]
        if isinstance(inner.value, list):
            inner.value.append(value)
        elif inner.key is None:
            inner.key = value
            if value in inner.given:
                self._problem("is given twice.")
            inner.given.add(value)
        else:
            inner.value[inner.key], inner.key = value, None

    def _value_of(self, event: Any) -> Any:
        """A scalar by YAML's rules; a date stays the text it is."""
        tag = event.tag
        if tag in (None, "!"):
            tag = self._resolver.resolve(yaml.ScalarNode, event.value, event.implicit)
        kind = tag.removeprefix(_TAG)
        if kind not in ("null", "bool", "int", "float", "str", "timestamp", "value"):
            self._problem("the tag or the sign there is not taken: put the text into quotes.")
            return None
        if kind in ("str", "timestamp", "value"):
            if any("\ud800" <= character <= "\udfff" for character in event.value):
                self._problem("half a character (a surrogate) is no text.")
            return event.value
        try:
            node = yaml.ScalarNode(tag, event.value)
            return getattr(self._constructor, f"construct_yaml_{kind}")(node)
        except (ValueError, KeyError, OverflowError, IndexError):
            self._problem("the number cannot be read: is a text in quotes meant?")
            return None

    def _awaits_key(self) -> bool:
        return (
            bool(self._open)
            and isinstance(self._open[-1].value, dict)
            and (self._open[-1].key is None)
        )

    def _counted(self, more: int) -> int:
        before = self._count
        self._count += more
        if self._count > MAX_VALUES:
            raise _TooMuch(f"with its aliases written out it has over {MAX_VALUES:,} values")
        return before

    def _here(self) -> str:
        path: list[str | int] = []
        for level in self._open:
            if isinstance(level.value, list):
                path.append(len(level.value))
            elif level.key is not None:
                path.append(level.key)
        return shown(tuple(path))

    def _problem(self, sentence: str) -> None:
        self.problems.append(f"{self._here()}: {sentence}")
