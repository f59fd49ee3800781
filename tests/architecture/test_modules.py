"""What every module looks like, and what ``core`` does without."""

from __future__ import annotations

import ast
import sys
from pathlib import Path

import pytest

from tests.architecture.source import ROOT, dotted, imports, layer, modules, tree

MAX_LINES = 300

ALL = modules()

CORE = [module for module in ALL if layer(dotted(module)) == "core"]

IMPURE = {
    "asyncio", "datetime", "logging", "os", "pathlib", "queue", "random", "secrets", "select",
    "shutil", "socket", "ssl", "subprocess", "tempfile", "threading", "time", "trio", "urllib",
}  # fmt: skip
"""Modules that bring a clock, chance, a thread or the outside world."""


def test_no_file_is_long() -> None:
    lines = {module: len((ROOT / module).read_text().splitlines()) for module in ALL}
    assert {module: count for module, count in lines.items() if count > MAX_LINES} == {}


def test_every_module_says_what_it_is() -> None:
    first = {module: (ast.get_docstring(tree(module)) or "").partition("\n")[0] for module in ALL}
    assert [module for module, line in first.items() if not line.endswith((".", ":"))] == []


def test_no_name_says_nothing() -> None:
    empty_words = {"utils", "util", "helpers", "helper", "common", "misc"}
    assert [module for module in ALL if empty_words & {*module.with_suffix("").parts}] == []


def test_core_is_there() -> None:
    assert len(CORE) > 3


@pytest.mark.parametrize("module", CORE, ids=str)
def test_core_never_waits(module: Path) -> None:
    waiting = (ast.AsyncFunctionDef, ast.Await, ast.AsyncFor, ast.AsyncWith)
    lines = [node.lineno for node in ast.walk(tree(module)) if isinstance(node, waiting)]
    assert lines == []


@pytest.mark.parametrize("module", CORE, ids=str)
def test_core_imports_the_pure_part_of_the_standard_library(module: Path) -> None:
    tops = {found.module.partition(".")[0] for found in imports(module)} - {"phfs"}
    assert tops <= set(sys.stdlib_module_names) - IMPURE


@pytest.mark.parametrize("module", CORE, ids=str)
def test_core_opens_nothing(module: Path) -> None:
    calls = [
        node.func.id
        for node in ast.walk(tree(module))
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name)
    ]
    assert {"open", "print", "input", "exec", "eval", "__import__"}.isdisjoint(calls)
