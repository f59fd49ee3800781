"""Documents for tests: the smallest one there is, and changes to it."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from phfs.sidecar.document import Document, load
from phfs.sidecar.plan import Plan, plan

SECRET = "s3cr3t-marker"


def group(name: str, *roles: str, shared: bool | None = None, group_id: str = "") -> dict[str, Any]:
    """A group; ``shared`` is whether its volume is for all pods of its members, None: no volume."""
    volume = None if shared is None else {"launchGroupOnly": not shared}
    return {"name": name, "id": group_id, "roles": list(roles), "volume": volume}


def dataset(
    name: str, kind: str = "pv", annotations: Mapping[str, str] | None = None, **spec: Any
) -> dict[str, Any]:
    """A Dataset that is right, of any kind; ``spec`` adds to it and ``annotations`` are short."""
    usual: dict[str, dict[str, Any]] = {
        "nfs": {"nfs": {"server": "10.0.0.1", "path": "/export"}},
        "hostPath": {"hostPath": {"path": "/mnt/disk"}},
        "git": {"url": "https://git.example/team/code.git"},
        "env": {"variables": {"TOKEN": SECRET}},
    }
    return {
        "apiVersion": "primehub.io/v1alpha1",
        "kind": "Dataset",
        "metadata": {
            "name": name,
            "uid": "0b6d",
            "annotations": {
                f"dataset.primehub.io/{key}": text for key, text in (annotations or {}).items()
            },
        },
        "spec": {"displayName": name, "type": kind, **usual.get(kind, {}), **spec},
    }


def raw(
    kind: str = "notebook",
    *,
    groups: Sequence[dict[str, Any]] = (),
    data: Sequence[dict[str, Any]] = (),
    launch: str = "research",
    store: Mapping[str, Any] | None = None,
    **what: Any,
) -> dict[str, Any]:
    """A document for ``launch``, which becomes a group of its own if it is not among ``groups``."""
    names = [one["name"] for one in groups]
    return {
        "apiVersion": "phfs/v1",
        "kind": "PodVolumes",
        "who": {
            "user": "alice",
            "launchGroup": launch,
            "groups": [*groups, *([] if launch in names else [group(launch)])],
        },
        "what": {"kind": kind, **({"name": "j-1"} if kind in ("job", "app") else {}), **what},
        "store": dict(store or {}),
        "data": list(data),
    }


def loaded(document: Mapping[str, Any]) -> Document:
    """Checked, by way of its text."""
    return load(json.dumps(document).encode(), "doc.yaml")


def planned(kind: str = "notebook", **given: Any) -> Plan:
    """The plan of ``raw``."""
    return plan(loaded(raw(kind, **given)))
