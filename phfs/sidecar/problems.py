"""What is wrong with a document's fields, one sentence each: its path, and what to give instead.

Never shows a value, only paths and the names of fields. Called by ``document``.
"""

from __future__ import annotations

from collections.abc import Mapping
from difflib import get_close_matches
from typing import Any, get_args

from pydantic import BaseModel, ValidationError

from phfs.sidecar.reading import Path, shown

EXPECTED: Mapping[str, str] = {
    "string_type": "give a text (in quotes, if it looks like a number or a truth value)",
    "bool_type": "give true or false",
    "int_type": "give a whole number",
    "tuple_type": "give a list",
    "dict_type": "give a mapping",
    "model_type": "give a mapping",
}
"""By pydantic's names of errors; the types are those of the models."""


def sentences(error: ValidationError, model: type[BaseModel]) -> list[str]:
    """In the order of the document's fields."""
    found = []
    for line in error.errors(include_url=False, include_input=False):
        path = tuple(line["loc"])
        found.append(f"{shown(path)}: {_sentence(line, path, model)}")
    return found


def _sentence(line: Any, path: Path, model: type[BaseModel]) -> str:
    kind, context = line["type"], line.get("ctx", {})
    if kind == "missing":
        return "is missing."
    if kind == "extra_forbidden":
        return f"there is no such field{_nearest(path, model)}"
    if kind == "literal_error":
        return f"give {context['expected']}."
    if kind == "value_error":
        return f"{context['error']}."
    if kind in ("greater_than_equal", "less_than_equal"):
        bound = context.get("ge", context.get("le"))
        return f"give a number of {'at least' if 'ge' in context else 'at most'} {bound}."
    return f"{EXPECTED.get(kind, 'has a value of a wrong kind')}."


def _nearest(path: Path, model: type[BaseModel]) -> str:
    parent = _model_at(path[:-1], model)
    if parent is None:
        return "."
    names = [field.alias or name for name, field in parent.model_fields.items()]
    near = get_close_matches(str(path[-1]), names, n=1)
    return f"; is {near[0]} meant?" if near else f"; there are {', '.join(names)}."


def _model_at(path: Path, model: type[BaseModel]) -> type[BaseModel] | None:
    """The model whose field stands at ``path``."""
    found: type[BaseModel] | None = model
    for part in path:
        if isinstance(part, int) or found is None:
            continue
        fields = {field.alias or name: field for name, field in found.model_fields.items()}
        found = model_in(fields[part].annotation) if part in fields else None
    return found


def model_in(annotation: Any) -> type[BaseModel] | None:
    """The model in a field's type, if there is one: in ``tuple[Group, ...]`` it is ``Group``."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    models = map(model_in, get_args(annotation))
    return next((found for found in models if found is not None), None)
