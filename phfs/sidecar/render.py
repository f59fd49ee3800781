"""The sidecar added to a pod: its container, the volumes, the probes, what the others mount.

Pure: manifests in, manifests out, the same for the same. What an earlier rendering has added is
taken away first, so doing it again changes nothing. Names that begin with ``phfs-`` are ours; what
a pod has besides stays as it is. The document and the variables go into Secrets, because tokens may
be in them. Called by the command ``render``.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from phfs.errors import DocumentError
from phfs.sidecar import manifests, wrapping
from phfs.sidecar.access import unknown_roles
from phfs.sidecar.container import DOCUMENT, MEMORY, REST, Container, main_mounts
from phfs.sidecar.document import Document
from phfs.sidecar.home import JOVYAN
from phfs.sidecar.manifests import Found, Manifest, listed, mapped
from phfs.sidecar.plan import Plan, plan
from phfs.sidecar.reading import shown
from phfs.sidecar.settings import Settings

RENDERED = "phfs/sidecar"
"""The annotation of a pod that has the sidecar; its value is the form."""

KIND = "phfs/kind"
"""The label with the pod's kind; docker/kubernetes/network.yaml selects pods by it."""

PREFIX = "phfs-"

MOST_SECRET = 1024**2
"""Bytes of all values of a Secret together, as the API server counts them."""

USUAL_GRACE = 30
"""Kubernetes' own: as long as the main containers may take before the sidecar is told to end."""

MARGIN = 20
"""More seconds for the sidecar than its drain: for the mount's end and the unmounting."""


@dataclass(frozen=True, kw_only=True)
class Choices:
    """``image``: of the sidecar. ``classic``: an ordinary container, for Kubernetes before 1.29 and
    podman. ``port``: for health, another one for each pod that has the node's network."""

    image: str
    classic: bool = False
    port: int = 9807


def render(document: Document, found: Found, choices: Choices) -> list[Manifest]:
    """The Secrets, then the manifests with the sidecar in the pod.

    Raises ``DocumentError`` with one sentence for each place where it cannot be added.
    """
    result = copy.deepcopy(found)
    planned = plan(document)
    names = _Names(found.name)
    _take_away(result)
    secrets = list(_secrets(document, planned, names, result.namespace))
    problems = [*_problems(result, planned, choices), *_too_large(*secrets)]
    if problems:
        raise DocumentError(f"The sidecar cannot be added to {found.name}:", problems)
    drain, memory = _drain(document), _memory(document)
    sidecar = Container(planned, choices.image, choices.port, drain, names.document, memory)
    _add(result, planned, choices, names, sidecar)
    others = [one for one in result.manifests if not names.is_ours(one)]
    return [*secrets, *others]


@dataclass(frozen=True)
class _Names:
    """The Secrets' names, from that of the object with the pod."""

    base: str

    @property
    def document(self) -> str:
        return f"{self.base}-phfs-document"

    @property
    def environment(self) -> str:
        return f"{self.base}-phfs-env"

    def is_ours(self, manifest: Manifest) -> bool:
        name = (manifest.get("metadata") or {}).get("name")
        return manifest.get("kind") == "Secret" and name in (self.document, self.environment)


def _secrets(
    document: Document, planned: Plan, names: _Names, namespace: str | None
) -> Iterator[Manifest]:
    variables = {one.name: one.value for one in planned.environment}
    text = manifests.dump([handed_over(document)]).removeprefix("---\n")
    for name, data in ((names.document, {DOCUMENT: text}), (names.environment, variables)):
        metadata = {"name": name} | ({"namespace": namespace} if namespace else {})
        yield {
            "apiVersion": "v1",
            "kind": "Secret",
            "metadata": metadata,
            "type": "Opaque",
            "stringData": data,
        }


def handed_over(document: Document) -> Manifest:
    """The document as its pod gets it: without the data volumes that none of the user's groups has
    a role for, which are none of the pod's business. The plan is the same but for these."""
    named = set(unknown_roles(document.who.groups, ()))
    given: Manifest = document.model_dump(mode="json", by_alias=True, exclude_unset=True)
    if "data" in given:
        given["data"] = [one for one in given["data"] if one["metadata"]["name"] in named]
    return given


def _drain(document: Document) -> int:
    given = document.store.options.get("drain-seconds", Settings().drain_seconds)
    return int(-(-float(given) // 1))


def _memory(document: Document) -> int:
    return max(MEMORY, int(document.store.options.get("memory-limit", 0)) + REST)


# -- what an earlier rendering has added ---------------------------------------------------------


def _take_away(found: Found) -> None:
    metadata = found.template.get("metadata") or {}
    annotations = metadata.get("annotations") or {}
    if annotations.pop(RENDERED, None) is None:
        return
    spec = found.spec
    for field in ("initContainers", "containers", "volumes"):
        _keep(spec, field, lambda one: not _is_ours(one["name"]))
    for container in (*(spec.get("initContainers") or ()), *(spec.get("containers") or ())):
        _keep(container, "volumeMounts", lambda one: not _is_ours(one.get("name")))
        _keep(container, "envFrom", lambda one: not _is_our_source(one, found.name))
        if container.get("command"):
            container["command"] = wrapping.unwrapped(container["command"])


def _keep(of: Manifest, field: str, kept: Callable[[Manifest], bool]) -> None:
    """Leave these of a list; what was empty before stays as it is."""
    if of.get(field):
        of[field] = [one for one in of[field] if kept(one)]
        if not of[field]:
            del of[field]


def _is_ours(name: object) -> bool:
    return isinstance(name, str) and name.startswith(PREFIX)


def _is_our_source(source: Manifest, base: str) -> bool:
    return bool((source.get("secretRef") or {}).get("name") == _Names(base).environment)


# -- what stands in the way ----------------------------------------------------------------------


def _problems(found: Found, planned: Plan, choices: Choices) -> Iterator[str]:
    spec, path = found.spec, (*found.path, "spec")
    if spec.get("hostUsers") is False:
        yield (
            f"{shown((*path, 'hostUsers'))}: is false; volumes that are mounted in the pod are "
            "not seen in a user namespace. Leave it out."
        )
    for field in ("initContainers", "containers", "volumes"):
        for number, one in enumerate(spec.get(field) or ()):
            if _is_ours(one["name"]):
                place = shown((*path, field, number, "name"))
                yield f"{place}: {one['name']!r} is the sidecar's, as all that begins with {PREFIX}"
    if not spec.get("containers"):
        yield f"{shown((*path, 'containers'))}: has none but the sidecar's; give the pod's own."
        return
    for number, container in enumerate(spec["containers"]):
        yield from _in_the_way(container, (*path, "containers", number), planned)
    if choices.classic and _ends(spec) and len(spec["containers"]) > 1:
        yield (
            f"{shown((*path, 'containers'))}: has {len(spec['containers'])} containers; in the "
            "classic form a pod that ends has one. Leave --classic out."
        )
    for number, wrapped in enumerate(_wrapped(spec, planned, choices)):
        if wrapped and not spec["containers"][number].get("command"):
            yield (
                f"{shown((*path, 'containers', number, 'command'))}: is missing; something has "
                "to be put in front of it. Write out what the image would start."
            )


def _in_the_way(container: Manifest, path: tuple[Any, ...], planned: Plan) -> Iterator[str]:
    for number, mount in enumerate(container.get("volumeMounts") or ()):
        theirs = str(mount.get("mountPath", "")).rstrip("/") or "/"
        for ours in reversed(planned.inside):
            is_same = theirs == ours.path
            # A mount point for it would have to be made there.
            is_within = theirs.startswith(f"{ours.path}/") and (
                ours.read_only or ours.volume == "phfs"
            )
            if is_same or is_within:
                place = shown((*path, "volumeMounts", number, "mountPath"))
                what = ours.volume or ours.tree
                yield (
                    f"{place}: the pod's volume {mount.get('name')!r} is at {theirs!r}, where the "
                    f"sidecar shows {what!r} ({ours.path}). Mount it elsewhere."
                )
                break


def _too_large(document: Manifest, environment: Manifest) -> Iterator[str]:
    for secret, advice in (
        (environment, "Give the env volumes of the user's groups fewer or shorter variables."),
        (document, "Give the user fewer groups, or the data volumes shorter fields."),
    ):
        size = sum(len(text.encode()) for text in secret["stringData"].values())
        if size > MOST_SECRET:
            yield (
                f"the Secret {secret['metadata']['name']}: would have {size:,} bytes, more than "
                f"the {MOST_SECRET:,} that Kubernetes takes. {advice}"
            )
            # The variables are in the document, too.
            return


def _ends(spec: Manifest) -> bool:
    return spec.get("restartPolicy") in ("Never", "OnFailure")


def _wrapped(spec: Manifest, planned: Plan, choices: Choices) -> Iterator[bool]:
    """For each main container: whether something is put in front of its command."""
    for number, _ in enumerate(spec["containers"]):
        yield choices.classic or (number == 0 and _keeps_artifacts(planned))


def _keeps_artifacts(planned: Plan) -> bool:
    values = {one.name: one.value for one in planned.environment if not one.volume}
    return planned.kind == "job" and values.get("PHJOB_ARTIFACT_ENABLED") == "true"


# -- what is added -------------------------------------------------------------------------------


def _add(found: Found, planned: Plan, choices: Choices, names: _Names, sidecar: Container) -> None:
    spec, ends = found.spec, _ends(found.spec)
    metadata = mapped(found.template, "metadata")
    mapped(metadata, "annotations")[RENDERED] = "classic" if choices.classic else "native"
    mapped(metadata, "labels")[KIND] = planned.kind
    least = USUAL_GRACE + sidecar.drain + MARGIN
    grace = spec.get("terminationGracePeriodSeconds")
    spec["terminationGracePeriodSeconds"] = max(least, grace or 0)
    for number, container in enumerate(spec["containers"]):
        if planned.kind == "job":
            container.setdefault("workingDir", JOVYAN)
        listed(container, "volumeMounts").extend(main_mounts(planned))
        listed(container, "envFrom").insert(0, {"secretRef": {"name": names.environment}})
        if number == 0 and _keeps_artifacts(planned):
            container["command"] = wrapping.keeping_artifacts(container["command"])
        if choices.classic:
            _wrap(container, spec.get("restartPolicy"), ends=ends)
    listed(spec, "volumes").extend(sidecar.volumes(until_ended=choices.classic and ends))
    if choices.classic:
        spec["containers"].insert(0, sidecar.classic(until_ended=ends))
    else:
        listed(spec, "initContainers").insert(0, sidecar.native())


def _wrap(container: Manifest, policy: object, *, ends: bool) -> None:
    command = container["command"]
    if not ends:
        container["command"] = wrapping.waiting(command)
        return
    container["command"] = wrapping.waiting_and_saying(command, after_failure=policy == "Never")
    container["volumeMounts"].append(
        {"name": "phfs-end", "mountPath": wrapping.ENDED.rpartition("/")[0]}
    )
