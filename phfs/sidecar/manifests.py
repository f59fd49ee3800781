"""Manifests of Kubernetes as plain values: read, searched for the one with a pod, written.

Knows where a pod's specification is in each kind of object and nothing of what is in it. Output is
the same for the same values. Called by ``render`` and its command.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import yaml

from phfs.errors import DocumentError
from phfs.sidecar import reading
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
    manifests = [one for one in reading.read_all(text, name) if one is not None]
    having = [n for n, one in enumerate(manifests) if isinstance(one, dict) and _kind(one)]
    if len(having) != 1:
        found = f"{len(having)} objects" if having else "no object"
        kinds = ", ".join(sorted(TEMPLATES))
        raise DocumentError(f"{name} has {found} with a pod: give one of {kinds}.", [])
    number = having[0]
    path = TEMPLATES[_kind(manifests[number])]
    problems = list(_problems(manifests[number], path))
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


def _kind(manifest: Manifest) -> str:
    kind = manifest.get("kind")
    return kind if isinstance(kind, str) and kind in TEMPLATES else ""


def _problems(manifest: Manifest, path: Sequence[str]) -> Iterable[str]:
    metadata = manifest.get("metadata")
    if not isinstance(metadata, dict) or not isinstance(metadata.get("name"), str):
        yield "metadata.name: is missing; the Secrets are named after it."
    inner: Any = manifest
    for part in (*path, "spec"):
        inner = inner.get(part) if isinstance(inner, dict) else None
    if not isinstance(inner, dict):
        yield f"{shown((*path, 'spec'))}: is missing."
        return
    yield from _wrong_lists(inner, (*path, "spec"))
    if not inner.get("containers"):
        yield f"{shown((*path, 'spec', 'containers'))}: is missing."


def _wrong_lists(spec: Manifest, path: tuple[str, ...]) -> Iterable[str]:
    for field in ("containers", "initContainers", "volumes"):
        items = spec.get(field) or []
        if not isinstance(items, list):
            yield f"{shown((*path, field))}: give a list."
            continue
        for number, item in enumerate(items):
            place = (*path, field, number)
            if not isinstance(item, dict) or not isinstance(item.get("name"), str):
                yield f"{shown((*place, 'name'))}: is missing."
                continue
            for inner in ("volumeMounts", "envFrom", "command"):
                parts = item.get(inner) or []
                kind = str if inner == "command" else dict
                if not isinstance(parts, list) or not all(isinstance(p, kind) for p in parts):
                    yield f"{shown((*place, inner))}: has a value of a wrong kind."


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
