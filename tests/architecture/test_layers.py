"""Imports point down only, and each library is known to few layers."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from tests.architecture.source import dotted, imports, layer, library, modules

BELOW = {
    "": set[str](),  # the package itself, which holds the version
    "errors": set[str](),
    "commandline": {"errors"},
    "first_reason": {"errors"},
    "machine": {"config", "system"},
    "allocator": set[str](),
    "config": {"errors"},
    "core": {"errors"},
    "system": set[str](),
    "s3": {"core", "errors", "config"},
    "vfs": {"s3", "core", "errors", "config"},
    "fuse": {"vfs", "s3", "core", "system", "errors", "config"},
    "mount": {
        "allocator",
        "config",
        "core",
        "errors",
        "first_reason",
        "fuse",
        "s3",
        "system",
        "vfs",
    },
    "cli": {
        "bench",
        "commandline",
        "config",
        "core",
        "demo",
        "doctor",
        "errors",
        "files",
        "first_reason",
        "machine",
        "mount",
        "provision",
        "s3",
        "sweep",
        "system",
        "top",
        "uploads",
    },
    # Reaches a group's objects by s3fs, by a mount's names, keys and errnos.
    "fsspec": {"config", "core", "errors", "fuse", "s3", "system"},
    # Sees a mount as a directory that tells of itself.
    "top": {"core", "errors"},
    # Sees a group's files through the store port, as a mount does.
    "files": {"s3", "core", "system", "errors", "config"},
    # Lists uploads bucket-wide where a store lists them in no other way, which no mount may.
    "uploads": {"s3", "core", "errors", "config"},
    # Administers a store, and finds the administrator's keys as a mount finds its own.
    "provision": {"s3", "errors", "config"},
    # Deletes through the store port, in which nothing outside a prefix can be named.
    "sweep": {"s3", "core", "errors", "config"},
    # Starts phfs-mount as a process, as a user would: these see no layer from inside.
    "demo": {"errors"},
    # Looks at every part a mount is made of but the file system, and tries one as a process.
    "doctor": {"s3", "core", "system", "config", "errors", "machine"},
    "sidecar": {"commandline", "config", "errors", "system"},
    # Runs in a Jupyter server, which sees a mount as a directory.
    "jupyter": {"system"},
    # Sees a mount as a directory and a process, and the store as others see it.
    "bench": {"errors", "config"},
}
"""What each layer may import, beside itself and the version."""

LIBRARIES = {
    "s3": {
        "awscrt",
        "boto3",
        "botocore",
        "cachetools",
        "outcome",
        "trio",
        "urllib3",
    },
    "vfs": {"cachetools", "trio"},
    "fuse": {"pyfuse3", "trio"},
    "mount": {"trio"},
    "files": {"trio"},
    "cli": {"rich", "shtab", "trio"},
    "sweep": {"trio"},
    "top": {"rich"},
    "fsspec": {"aiobotocore", "botocore", "fsspec", "s3fs"},
    "jupyter": {"jupyter_server", "tornado", "traitlets"},
    "demo": {"boto3", "botocore", "moto", "rich"},
    "doctor": {"rich", "trio"},
    "uploads": {"boto3", "botocore"},
    "provision": {"boto3", "botocore", "minio", "urllib3"},
    "sidecar": {"prometheus_client", "pydantic", "trio", "yaml"},
    "bench": {"boto3", "botocore", "matplotlib", "pyarrow", "rich"},
}
"""The libraries a layer may import; a layer that is not named imports the standard library only."""

ONLY_IN: dict[str, str | tuple[str, ...]] = {
    "pyfuse3": "phfs/fuse/",
    "errno": "phfs/fuse/errno.py",
    "subprocess": (
        "phfs/bench/",
        "phfs/demo/",
        "phfs/doctor/trial.py",
        "phfs/sidecar/phfsmount.py",
        "phfs/sidecar/programs.py",
        "phfs/system/mounts.py",
    ),
}
"""Modules that one place knows."""


def test_every_layer_has_its_rule() -> None:
    layers = {layer(dotted(module)) for module in modules()}
    assert layers <= set(BELOW), "a layer without a rule"
    assert {"config", "core", "s3", "vfs", "fuse", "cli"} <= layers


def test_the_rules_have_no_cycle() -> None:
    settled: set[str] = set()
    waiting = dict(BELOW)
    while waiting:
        ready = [name for name, below in waiting.items() if below <= settled]
        assert ready, f"these import each other: {sorted(waiting)}"
        settled.update(ready)
        for name in ready:
            del waiting[name]


def importing(wrong: Callable[[Path, str], bool]) -> list[str]:
    """Every import of the package that is ``wrong``, by its module and the name it imports."""
    return [
        f"{module}:{line} imports {name}"
        for module in modules()
        for name, line in imports(module)
        if wrong(module, name)
    ]


def test_imports_point_down() -> None:
    def wrong(module: Path, name: str) -> bool:
        own = layer(dotted(module))
        return name.partition(".")[0] == "phfs" and layer(name) not in {*BELOW[own], own, ""}

    assert importing(wrong) == []


def test_libraries_stay_in_their_layers() -> None:
    def wrong(module: Path, name: str) -> bool:
        return library(name) not in {None, *LIBRARIES.get(layer(dotted(module)), ())}

    assert importing(wrong) == []


def test_some_modules_are_known_to_one_place() -> None:
    def wrong(module: Path, name: str) -> bool:
        return name in ONLY_IN and not str(module).startswith(ONLY_IN[name])

    assert importing(wrong) == []


def test_no_module_imports_itself_by_a_circle() -> None:
    """Inside a layer, too: a cycle is two modules that are one."""
    known = {dotted(module): module for module in modules()}
    below = {
        name: {found.module for found in imports(module) if found.module in known} - {name}
        for name, module in known.items()
    }
    while leaves := {name for name, needs in below.items() if not needs}:
        below = {name: needs - leaves for name, needs in below.items() if name not in leaves}
    assert below == {}
