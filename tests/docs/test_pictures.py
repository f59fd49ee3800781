"""Pictures of terminals are drawn by ``tests/support/screens.py``, and fetch nothing."""

from __future__ import annotations

import re

import pytest

from tests.architecture.source import ROOT
from tests.support.docs import pages
from tests.support.screens import IMAGES, SCREENS


def test_every_picture_of_a_terminal_can_be_drawn_again() -> None:
    assert {picture.stem for picture in IMAGES.glob("*.svg")} == set(SCREENS)


@pytest.mark.parametrize("name", sorted(SCREENS))
def test_a_picture(name: str) -> None:
    drawn = (IMAGES / f"{name}.svg").read_text()
    assert f"phfs&#160;{name}" in drawn or f"phfs {name}" in drawn
    assert re.findall(r"url\((?!#)[^)]*\)|href=", drawn) == []
    shown = [page for page in pages() if f"images/{name}.svg" in (ROOT / page).read_text()]
    assert shown != []
