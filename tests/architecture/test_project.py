"""What ``pyproject.toml`` promises: bounds for every library used, and the commands."""

from __future__ import annotations

import re
import tomllib
from importlib.metadata import entry_points
from typing import Any

import phfs
from tests.architecture.source import ROOT, dotted, imports, layer, library, modules

IMPORTED_WITH = {
    "botocore": "boto3",
    "jupyter_server": "jupyter-server",
    "outcome": "trio",
    "prometheus_client": "prometheus-client",
    "tornado": "jupyter-server",
    "traitlets": "jupyter-server",
    "urllib3": "boto3",
    "yaml": "pyyaml",
}
"""Libraries of another name, or that another one brings by its own, bounded, dependency."""


def project() -> dict[str, Any]:
    return tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]  # type: ignore[no-any-return]


def distribution(requirement: str) -> str:
    return re.split(r"[\[<>=!~; ]", requirement, maxsplit=1)[0]


def test_every_requirement_has_a_lower_bound() -> None:
    table = project()
    requirements = list(table["dependencies"])
    for extra in table["optional-dependencies"].values():
        requirements += extra
    assert len(requirements) > 10
    assert [text for text in requirements if not re.search(r">=\d", text)] == []


def test_every_library_imported_is_required() -> None:
    table = project()
    always = {distribution(text) for text in table["dependencies"]}
    extras = {
        name: {distribution(text) for text in table["optional-dependencies"][name]}
        for name in (
            "bench",
            "demo",
            "fsspec",
            "jupyter",
            "provision",
            "sidecar",
        )  # each is named as the layer that needs it
    }
    wrong = []
    for module in modules():
        required = always | extras.get(layer(dotted(module)), set())
        for name, line in imports(module):
            used = library(name)
            if used is not None and IMPORTED_WITH.get(used, used) not in required:
                wrong.append(f"{module}:{line} imports {name}")
    assert wrong == []


def test_the_commands_are_installed() -> None:
    scripts = {entry.name: entry.value for entry in entry_points(group="console_scripts")}
    for name, target in project()["scripts"].items():
        assert scripts[name] == target


def test_the_package_is_typed_and_licensed() -> None:
    assert (ROOT / "phfs/py.typed").exists()
    assert "Apache License" in (ROOT / "LICENSE").read_text()
    assert project()["license"] == {"text": "Apache-2.0"}


def test_the_changelog_begins_with_this_version() -> None:
    headings = re.findall(r"^## \[(.+?)\]", (ROOT / "CHANGELOG.md").read_text(), re.MULTILINE)
    released = [heading for heading in headings if heading != "Unreleased"]
    assert headings == ["Unreleased", *released]
    assert released == [] or released[0] == phfs.__version__
