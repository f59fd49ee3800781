"""Manifests of Kubernetes as plain values: read, searched for the one with a pod, written.

Knows where a pod's specification is in each kind of object, and refuses what has another shape than
``render`` counts on. Output is the same for the same values. Called by ``render`` and its command.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import yaml

from phfs.errors import DocumentError
from phfs.sidecar import reading
from phfs.sidecar.document import SHORT_NAME
from phfs.sidecar.reading import shown

Manifest = dict[str, Any]

TEMPLATES: dict[str, tuple[str, ...]] = {
    "Pod": (),
    "PodTemplate": ("template",),
    "CronJob": ("spec", "jobTemplate", "spec", "template"),
    **dict.fromkeys(
        ("DaemonSet", "Deployment", "Job", "ReplicaSet", "ReplicationController", "StatefulSet"),
        ("spec", "template"),
    ),
}
"""By kind: where the pod's own metadata and spec are."""

MOST_NAME = 239
"""Characters of a name; Kubernetes takes 253, and names of Secrets are made from it."""

MOST_SECONDS = 2**31 - 1


@dataclass(frozen=True)
class Found:
    """The one object with a pod among ``manifests``. ``template`` has its metadata and spec, and is
    a part of ``manifests[number]``; ``path`` leads there."""

    manifests: list[Manifest]
    number: int
    path: tuple[str, ...]
    name: str
    namespace: str | None

    @property
    def template(self) -> Manifest:
        """The pod, or the template that pods are made from."""
        inner = self.manifests[self.number]
        for part in self.path:
            inner = inner[part]
        return inner

    @property
    def spec(self) -> Manifest:
        """The pod's specification."""
        spec: Manifest = self.template["spec"]
        return spec


def load(text: bytes, name: str) -> Found:
    """The manifests in YAML ``text``, one of which has a pod; ``name`` stands for it in messages.

    Raises ``DocumentError`` with one sentence for each field that is wrong.
    """
    manifests = [_unshared(one) for one in reading.read_all(text, name) if one is not None]
    having = [n for n, one in enumerate(manifests) if isinstance(one, dict) and _kind(one)]
    if len(having) != 1:
        raise DocumentError(_not_one(manifests, len(having), name), [])
    number = having[0]
    path = TEMPLATES[_kind(manifests[number])]
    problems = [*_problems(manifests[number], path), *_wrong_others(manifests, number)]
    if problems:
        raise DocumentError(f"{name} is wrong:", problems)
    metadata = manifests[number]["metadata"]
    return Found(manifests, number, path, metadata["name"], metadata.get("namespace"))


def dump(manifests: Iterable[Manifest]) -> str:
    """YAML, one document each."""
    return yaml.dump_all(
        manifests, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=100,
        explicit_start=True,
    )  # fmt: skip


def listed(spec: Manifest, field: str) -> list[Any]:
    """A list of the specification, made if it is not there."""
    if spec.get(field) is None:
        spec[field] = []
    found: list[Any] = spec[field]
    return found


def mapped(value: Manifest, field: str) -> Manifest:
    """A mapping in an object, made if it is not there."""
    if value.get(field) is None:
        value[field] = {}
    found: Manifest = value[field]
    return found


def _kind(manifest: Manifest) -> str:
    kind = manifest.get("kind")
    return kind if isinstance(kind, str) and kind in TEMPLATES else ""


def _not_one(manifests: Sequence[Any], having: int, name: str) -> str:
    if not having and any(isinstance(one, dict) and one.get("kind") == "List" for one in manifests):
        return f"{name} has its objects in a List: give the one with the pod alone."
    found = f"{having} objects" if having else "no object"
    return f"{name} has {found} with a pod: give one of {', '.join(sorted(TEMPLATES))}."


def _unshared(value: Any) -> Any:
    """A value in which each alias has become a copy, so that one can be changed alone."""
    if isinstance(value, dict):
        return {key: _unshared(inner) for key, inner in value.items()}
    return [_unshared(inner) for inner in value] if isinstance(value, list) else value


# -- shapes: whatever is looked at later has the kind that is expected ----------------------------


def _problems(manifest: Manifest, path: tuple[str, ...]) -> Iterable[str]:
    yield from _wrong_names(manifest.get("metadata"))
    template: Any = manifest
    for part in path:
        template = template.get(part) if isinstance(template, dict) else None
    spec = template.get("spec") if isinstance(template, dict) else None
    if not isinstance(spec, dict):
        yield f"{shown((*path, 'spec'))}: is missing."
        return
    yield from _wrong_metadata(template.get("metadata"), (*path, "metadata"))
    yield from _wrong_lists(spec, (*path, "spec"))
    if not spec.get("containers"):
        yield f"{shown((*path, 'spec', 'containers'))}: is missing."
    grace = spec.get("terminationGracePeriodSeconds", 0)
    if grace is not None and not (type(grace) is int and 0 <= grace <= MOST_SECONDS):
        place = shown((*path, "spec", "terminationGracePeriodSeconds"))
        yield f"{place}: give a whole number of seconds."


def _wrong_others(manifests: Sequence[Any], number: int) -> Iterable[str]:
    for count, one in enumerate(manifests, 1):
        if count == number + 1:
            continue
        if not isinstance(one, dict):
            yield f"object {count}: give a mapping."
        elif not isinstance(one.get("metadata"), dict | None):
            yield f"object {count}, metadata: give a mapping."


def _wrong_names(metadata: Any) -> Iterable[str]:
    given = metadata if isinstance(metadata, dict) else {}
    name, namespace = given.get("name"), given.get("namespace")
    if not isinstance(name, str):
        yield "metadata.name: is missing; the Secrets are named after it."
    elif not re.fullmatch(rf"{SHORT_NAME}(\.{SHORT_NAME})*", name) or len(name) > MOST_NAME:
        yield (
            f"metadata.name: give at most {MOST_NAME} small letters, digits, '-' and '.', "
            "beginning and ending with a letter or digit."
        )
    if namespace is not None and not (
        isinstance(namespace, str) and re.fullmatch(SHORT_NAME, namespace)
    ):
        yield "metadata.namespace: give at most 63 small letters, digits and '-'."


def _wrong_metadata(metadata: Any, path: tuple[str, ...]) -> Iterable[str]:
    if not isinstance(metadata, dict | None):
        yield f"{shown(path)}: give a mapping."
        return
    for field in ("annotations", "labels"):
        if not isinstance((metadata or {}).get(field), dict | None):
            yield f"{shown((*path, field))}: give a mapping."


def _wrong_lists(spec: Manifest, path: tuple[str, ...]) -> Iterable[str]:
    for field in ("containers", "initContainers", "volumes"):
        items = spec.get(field)
        if not isinstance(items, list | None):
            yield f"{shown((*path, field))}: give a list."
            continue
        for number, item in enumerate(items or ()):
            place = (*path, field, number)
            if not isinstance(item, dict) or not isinstance(item.get("name"), str):
                yield f"{shown((*place, 'name'))}: is missing."
            elif field != "volumes":
                yield from _wrong_container(item, place)


def _wrong_container(container: Manifest, path: tuple[str | int, ...]) -> Iterable[str]:
    for field, kind in (("volumeMounts", dict), ("envFrom", dict), ("command", str)):
        parts = container.get(field)
        if parts is None:
            continue
        if not isinstance(parts, list) or not all(isinstance(part, kind) for part in parts):
            yield f"{shown((*path, field))}: has a value of a wrong kind."
        elif field == "envFrom":
            for number, source in enumerate(parts):
                if not isinstance(source.get("secretRef"), dict | None):
                    yield f"{shown((*path, field, number, 'secretRef'))}: give a mapping."


class _Dumper(yaml.SafeDumper):
    """Texts of several lines as such; nothing by reference."""

    def ignore_aliases(self, data: Any) -> bool:  # noqa: ARG002
        return True

    def increase_indent(self, flow: bool = False, indentless: bool = False) -> None:  # noqa: ARG002, FBT001, FBT002
        super().increase_indent(flow, indentless=False)


def _text(dumper: yaml.SafeDumper, text: str) -> yaml.ScalarNode:
    style = "|" if "\n" in text else None
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style=style)


_Dumper.add_representer(str, _text)
