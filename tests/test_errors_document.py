"""``docs/errors.md`` explains every errno a program can get from the mount, under its own text."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from phfs.fuse.errno import ANSWERS, TABLE

DOCUMENT = (Path(__file__).parents[1] / "docs" / "errors.md").read_text()
ERRNOS = {found.name: found for found in TABLE.values()}


@pytest.mark.parametrize("name", sorted(ERRNOS))
def test_it_is_explained(name: str) -> None:
    found = ERRNOS[name]
    if name in ANSWERS:
        assert f"*{found.text}* (`{name}`)" in DOCUMENT
    else:
        assert f"### {found.text} (`{name}`, errno {found.number})\n" in DOCUMENT


def test_nothing_is_explained_that_does_not_happen() -> None:
    explained = set(re.findall(r"^### .*\(`(E[A-Z]+)`", DOCUMENT, re.MULTILINE))
    by_the_kernel = {"ENODEV", "ENOTCONN"}
    assert explained - by_the_kernel <= set(ERRNOS)
