"""The recipe keeps the image small, its content known and its user without rights."""

from __future__ import annotations

import re
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import NamedTuple

import pytest

ROOT = Path(__file__).resolve().parents[2]
DOCKERFILE = (ROOT / "docker/Dockerfile").read_text()


class Step(NamedTuple):
    word: str
    rest: str


def steps() -> list[Step]:
    joined = re.sub(r"\\\n", " ", re.sub(r"^\s*#.*\n", "", DOCKERFILE, flags=re.MULTILINE))
    found = []
    for line in joined.splitlines():
        word, _, rest = line.strip().partition(" ")
        if word:
            found.append(Step(word.upper(), " ".join(rest.split())))
    return found


STEPS = steps()
LAST_FROM = max(number for number, step in enumerate(STEPS) if step.word == "FROM")
FINAL = STEPS[LAST_FROM:]


def test_the_base_is_an_argument_with_a_version() -> None:
    assert STEPS[0].word == "ARG"
    name, _, default = STEPS[0].rest.partition("=")
    assert name == "BASE"
    assert re.fullmatch(r"[a-z]+:[a-z0-9.-]+", default)
    assert not default.endswith(":latest")
    bases = [step.rest.partition(" ")[0] for step in STEPS if step.word == "FROM"]
    assert bases == ["${BASE}"] * 2


@pytest.mark.parametrize("step", [step for step in STEPS if "apt-get install" in step.rest])
def test_packages_are_installed_without_company_and_leave_no_lists(step: Step) -> None:
    assert step.word == "RUN"
    assert "apt-get update" in step.rest
    assert "--no-install-recommends" in step.rest
    assert "rm -rf /var/lib/apt/lists/*" in step.rest


def test_the_image_has_no_compiler_and_no_installer() -> None:
    words = set(" ".join(step.rest for step in FINAL).split())
    assert {"gcc", "pip", "python3-venv", "python3-pip", "pkg-config"}.isdisjoint(words)
    assert not any(word.endswith("-dev") for word in words)
    assert "--without-pip" in DOCKERFILE


def test_nobody_is_root_by_default() -> None:
    users = [step.rest for step in FINAL if step.word == "USER"]
    assert users
    assert re.fullmatch(r"[1-9]\d*:[1-9]\d*", users[-1])
    assert "a-s" in " ".join(step.rest for step in FINAL), "set-user-id programs stay"


def test_nothing_comes_from_elsewhere_and_nothing_is_secret() -> None:
    assert {step.word for step in STEPS}.isdisjoint({"ADD", "MAINTAINER", "ENTRYPOINT", "VOLUME"})
    assert not re.search(r"\b(curl|wget|git clone)\b", DOCKERFILE)
    named = [step.rest.partition("=")[0] for step in STEPS if step.word in ("ARG", "ENV")]
    assert [name for name in named if re.search("KEY|SECRET|TOKEN|PASSWORD", name)] == []


def test_only_what_is_named_is_sent_to_the_builder() -> None:
    lines = (ROOT / ".dockerignore").read_text().splitlines()
    rules = [line for line in lines if line and not line.startswith("#")]
    assert rules[0] == "*"
    admitted = {rule[1:] for rule in rules if rule.startswith("!")}
    assert [name for name in admitted if not (ROOT / name).exists()] == []
    copied = [step.rest.split()[:-1] for step in STEPS if step.word == "COPY"]
    sources = {name for names in copied for name in names if not name.startswith("-")}
    assert admitted == {name for name in sources if not name.startswith("/")}


def test_the_requirements_are_those_of_the_project() -> None:
    words = [sys.executable, "docker/requirements.py", "pyproject.toml", "sidecar"]
    printed = subprocess.run(words, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    wanted = project["dependencies"] + project["optional-dependencies"]["sidecar"]
    assert printed.splitlines() == wanted
