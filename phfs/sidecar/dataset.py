"""What one ``Dataset`` says: its kind, where it comes from, where it is shown; or why it is wrong.

A wrong data volume never makes the document wrong: it is left out with the reason, and the others
come up. Pure. Called by ``plan``.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from phfs.config.kinds import Kind
from phfs.sidecar import repository
from phfs.sidecar.document import ABSOLUTE, OBJECT_NAME, Dataset
from phfs.sidecar.repository import Repository

ANNOTATION = "dataset.primehub.io/"

DEFAULT_ROOT = "/datasets"

KINDS = ("pv", "nfs", "hostPath", "git", "env")

WRITABLE = ("pv", "nfs", "hostPath")
"""Kinds that a role can make writable; git and env never are."""

_ROOT = re.compile(r"(/[A-Za-z0-9._-]+)+")
_SERVER = re.compile(r"[A-Za-z0-9]([A-Za-z0-9.-]{0,251}[A-Za-z0-9])?|\[[0-9A-Fa-f:.]{2,45}\]")


@dataclass(frozen=True)
class Claim:
    """Of kind pv: the name of the PersistentVolumeClaim that the pod hands over."""

    claim: str


@dataclass(frozen=True)
class HostDirectory:
    """Of kind hostPath: the node's directory that the pod hands over."""

    path: str


@dataclass(frozen=True)
class Export:
    """Of kind nfs: what a server exports."""

    server: str
    path: str


@dataclass(frozen=True)
class Clone:
    """Of kind git: a repository, and the Secret with its key or token."""

    repository: Repository
    secret: str | None


@dataclass(frozen=True)
class Variables:
    """Of kind env: values by key, never shown."""

    values: Mapping[str, str] = field(repr=False)


Source = Claim | HostDirectory | Export | Clone | Variables


@dataclass(frozen=True)
class DataVolume:
    """A data volume: ``source`` is None exactly when ``wrong`` says what is wrong with it.

    ``root``: the directory it is shown in, without a slash at the end (``""`` is the root
    directory). ``home_link``: whether ~/NAME leads to it.
    """

    name: str
    kind: str
    launch_group_only: bool = False
    root: str = DEFAULT_ROOT
    home_link: bool = False
    source: Source | None = None
    wrong: str = ""


class _Wrong(Exception):
    """The text is why the volume cannot be used, as the end of a sentence."""


def volume_of(dataset: Dataset) -> DataVolume:
    """Everything the plan needs to know of it."""
    annotations = dataset.metadata.annotations or {}
    volume = DataVolume(dataset.metadata.name, dataset.spec.type)
    try:
        volume = replace(
            volume,
            launch_group_only=_truth(annotations, "launchGroupOnly"),
            home_link=_truth(annotations, "homeSymlink"),
            root=_root(annotations.get(f"{ANNOTATION}mountRoot")),
        )
        return replace(volume, source=_source(dataset))
    except _Wrong as wrong:
        # What cannot be read must not open anything.
        return replace(volume, launch_group_only=True, wrong=str(wrong))


def _truth(annotations: Mapping[str, str], name: str) -> bool:
    text = annotations.get(ANNOTATION + name, "").strip().lower()
    if text not in ("", "true", "false"):
        raise _Wrong(f"the annotation {ANNOTATION}{name} is neither true nor false")
    return text == "true"


def _root(text: str | None) -> str:
    if not text:
        return DEFAULT_ROOT
    root = re.sub("/+", "/", text).removesuffix("/")
    parts = root.split("/")
    if root and (not _ROOT.fullmatch(root) or {".", ".."} & set(parts) or len(root) > 200):
        raise _Wrong(
            f"the annotation {ANNOTATION}mountRoot is no absolute path of letters, digits, "
            "'.', '_' and '-' without '..'"
        )
    if not text.startswith("/"):
        raise _Wrong(f"the annotation {ANNOTATION}mountRoot does not begin with '/'")
    return root


def _source(dataset: Dataset) -> Source:
    spec = dataset.spec
    if spec.type == "pv":
        return _claim(spec.volume_name or dataset.metadata.name)
    if spec.type == "nfs":
        return _export(spec.nfs.server if spec.nfs else None, spec.nfs.path if spec.nfs else None)
    if spec.type == "hostPath":
        path = spec.host_path.path if spec.host_path else None
        return HostDirectory(_absolute("spec.hostPath.path", path))
    if spec.type == "git":
        return _clone(spec.url, spec.gitsync.secret if spec.gitsync else None)
    if spec.type == "env":
        return Variables(spec.variables or {})
    raise _Wrong(f"spec.type is none of {', '.join(KINDS)}")


def _claim(name: str) -> Claim:
    if not _fits(OBJECT_NAME, f"dataset-{name}"):
        raise _Wrong(f"spec.volumeName is wrong: give {OBJECT_NAME.expected}")
    return Claim(f"dataset-{name}")


def _export(server: str | None, path: str | None) -> Export:
    wrong = []
    if not server:
        wrong.append("spec.nfs.server is missing")
    elif not _SERVER.fullmatch(server):
        wrong.append("spec.nfs.server is no host name or address")
    try:
        directory = _absolute("spec.nfs.path", path)
    except _Wrong as error:
        wrong.append(str(error))
    if wrong:
        raise _Wrong(", and ".join(wrong))
    assert server
    return Export(server, directory)


def _clone(url: str | None, secret: str | None) -> Clone:
    if not url:
        raise _Wrong("spec.url is missing")
    if secret and not _fits(OBJECT_NAME, secret):
        raise _Wrong(f"spec.gitsync.secret is wrong: give {OBJECT_NAME.expected}")
    try:
        return Clone(repository.parse(url), secret or None)
    except ValueError as error:
        raise _Wrong(f"spec.url cannot be cloned: {error}") from None


def _absolute(field_name: str, path: str | None) -> str:
    if not path:
        raise _Wrong(f"{field_name} is missing")
    shorter = path if path == "/" else path.rstrip("/")
    if shorter != "/" and not _fits(ABSOLUTE, shorter):
        raise _Wrong(f"{field_name} is no absolute path without '..' and control characters")
    return shorter


def _fits(kind: Kind, text: str) -> bool:
    try:
        kind.parse(text)
    except ValueError:
        return False
    return True
