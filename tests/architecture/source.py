"""The package's source as the rules see it: files, what they import, what they use."""

from __future__ import annotations

import ast
import sys
from functools import cache
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parents[2]
PACKAGE = ROOT / "phfs"


class Import(NamedTuple):
    """One import: the module's dotted name, and where it stands."""

    module: str
    line: int


def modules() -> list[Path]:
    """Every module of the package, relative to the repository."""
    return sorted(path.relative_to(ROOT) for path in PACKAGE.rglob("*.py"))


@cache
def tree(module: Path) -> ast.Module:
    """The syntax tree of a module."""
    return ast.parse((ROOT / module).read_text(), str(module))


def layer(name: str) -> str:
    """The layer of a dotted module name of the package: ``phfs.vfs.reader`` is of ``vfs``."""
    _, _, below = name.partition(".")
    return below.partition(".")[0]


def dotted(module: Path) -> str:
    """The dotted name of a module's file."""
    parts = module.with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


@cache
def imports(module: Path) -> tuple[Import, ...]:
    """Every import of a module, inside functions and under ``TYPE_CHECKING`` too.

    ``from phfs.core import names`` counts as an import of ``phfs.core.names`` where that is a
    module.
    """
    found = []
    for node in ast.walk(tree(module)):
        if isinstance(node, ast.Import):
            found += [Import(alias.name, node.lineno) for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{module}:{node.lineno}: imports are absolute"
            assert node.module is not None
            found += [
                Import(_module_or_name(node.module, alias.name), node.lineno)
                for alias in node.names
            ]
    return tuple(found)


@cache
def _module_or_name(module: str, name: str) -> str:
    base = ROOT / module.replace(".", "/")
    is_module = (base / name).is_dir() or (base / f"{name}.py").is_file()
    return f"{module}.{name}" if is_module else module


def library(name: str) -> str | None:
    """The library outside Python and the package that an import is of; None if it is neither."""
    top = name.partition(".")[0]
    # Type checkers bring _typeshed along; it is never there when the program runs.
    at_home = top in {"phfs", "_typeshed"} or top in sys.stdlib_module_names
    return None if at_home else top
