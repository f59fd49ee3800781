"""The sidecar's container as Kubernetes is told of it, and the volumes of its pod.

Owns its command, probes, rights and bounds, and the names of the pod's volumes. Pure. Called by
``render``.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator
from dataclasses import dataclass

from phfs.sidecar.manifests import Manifest
from phfs.sidecar.pieces import HANDED
from phfs.sidecar.plan import Plan
from phfs.sidecar.settings import Settings
from phfs.sidecar.steps import Handed

NAME = "phfs-sidecar"

SHARED = "phfs-volumes"
"""The pod's shared volume, by whose pieces the others see everything."""

DOCUMENT = "pod.yaml"
"""The document's key in its Secret."""

ENDED = "/pod/end/ended"
"""The classic form's end, as the sidecar sees it."""

START_SECONDS = 300
"""A volume is waited for a minute; the image's first start on a busy node takes some, too."""

MEMORY = 256
"""MiB the container may have, if the document does not ask for more: PHFS takes half of it."""

REST = 128
"""MiB beside the data of PHFS's open files: programs, listings, git."""

MOST_NAME = 63


@dataclass(frozen=True)
class Container:
    """Of one pod. ``document``: the name of the Secret with the document. ``memory``: the limit,
    in MiB."""

    plan: Plan
    image: str
    port: int
    drain: int
    document: str
    memory: int = MEMORY

    def native(self) -> Manifest:
        """An init container that stays: it starts before the others and ends after them."""
        return {
            **self._base(),
            "restartPolicy": "Always",
            "startupProbe": {
                "exec": {"command": ["phfs-sidecar", "ready"]},
                "periodSeconds": 1,
                "timeoutSeconds": 10,
                "failureThreshold": START_SECONDS,
            },
            **self._readiness(),
        }

    def classic(self, *, until_ended: bool) -> Manifest:
        """An ordinary container. ``until_ended``: it ends when the main one has said so."""
        base = self._base()
        if until_ended:
            base["command"].append(f"--until={ENDED}")
            base["volumeMounts"].append({"name": "phfs-end", "mountPath": ENDED.rpartition("/")[0]})
        return {**base, **self._readiness()}

    def volumes(self, *, until_ended: bool) -> Iterator[Manifest]:
        """All that the pod needs for it."""
        yield {"name": SHARED, "emptyDir": {}}
        # On the node's disk, so that what was begun is known after a restart of the container.
        yield {"name": "phfs-state", "emptyDir": {}}
        yield {"name": "phfs-keys", "emptyDir": {"medium": "Memory", "sizeLimit": "1Mi"}}
        yield {
            "name": "phfs-document",
            "secret": {"secretName": self.document, "defaultMode": 0o400},
        }
        if until_ended:
            yield {"name": "phfs-end", "emptyDir": {"sizeLimit": "1Mi"}}
        for handed in self.plan.handed:
            yield {"name": _volume_name(handed), **_source(handed)}

    def _base(self) -> Manifest:
        private = str(Settings().private)
        return {
            "name": NAME,
            "image": self.image,
            "command": [
                "phfs-sidecar",
                "run",
                f"{HANDED}/document/{DOCUMENT}",
                f"--drain-seconds={self.drain}",
                f"--listen={self.port}",
            ],
            "ports": [{"name": "phfs-health", "containerPort": self.port}],
            "resources": {
                "requests": {"cpu": "50m", "memory": "64Mi"},
                "limits": {"memory": f"{self.memory}Mi"},
            },
            # Kubernetes lets only privileged containers mount for others.
            "securityContext": {
                "privileged": True,
                "runAsUser": 0,
                "runAsGroup": 0,
                "runAsNonRoot": False,
                "readOnlyRootFilesystem": True,
            },
            "volumeMounts": [
                {
                    "name": SHARED,
                    "mountPath": str(Settings().root),
                    "mountPropagation": "Bidirectional",
                },
                {"name": "phfs-state", "mountPath": private},
                {"name": "phfs-keys", "mountPath": f"{private}/keys"},
                {"name": "phfs-document", "mountPath": f"{HANDED}/document", "readOnly": True},
                *(_mount(handed) for handed in self.plan.handed),
            ],
        }

    def _readiness(self) -> Manifest:
        # No livenessProbe: the kubelet would end the sidecar in order, which takes all mounts
        # down, and a main container that runs on has bound the old ones for good.
        return {
            "readinessProbe": {
                "httpGet": {"path": "/readyz", "port": self.port},
                "periodSeconds": 10,
                "timeoutSeconds": 5,
            }
        }


def main_mounts(plan: Plan) -> Iterator[Manifest]:
    """What each main container mounts, in order."""
    for one in plan.inside:
        yield {
            "name": SHARED,
            "mountPath": one.path,
            "subPath": one.tree,
            "mountPropagation": "HostToContainer",
            **({"readOnly": True} if one.read_only else {}),
        }


def _mount(handed: Handed) -> Manifest:
    mount: Manifest = {"name": _volume_name(handed), "mountPath": handed.path}
    return mount | ({"readOnly": True} if handed.read_only else {})


def _source(handed: Handed) -> Manifest:
    match handed.kind:
        case "hostPath":
            return {"hostPath": {"path": handed.source}}
        case "store" | "git":
            # Without its Secret one volume fails, with it missing the pod would not start.
            secret = {"secretName": handed.source, "defaultMode": 0o400, "optional": True}
            return {"secret": secret}
        case _:
            return {"persistentVolumeClaim": {"claimName": handed.source}}


def _volume_name(handed: Handed) -> str:
    """A label of Kubernetes, for each its own."""
    whole = f"{handed.kind}-{handed.name}"
    plain = re.sub(r"[^a-z0-9-]+", "-", whole.lower()).strip("-")
    if plain == whole and len(plain) <= MOST_NAME - len("phfs-"):
        return f"phfs-{plain}"
    digest = hashlib.sha256(whole.encode()).hexdigest()[:8]
    return f"phfs-{plain[: MOST_NAME - len('phfs-') - 9].rstrip('-')}-{digest}"
