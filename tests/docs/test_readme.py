"""The README names what is there; its commands are run by ``tests/docs/test_pages.py``."""

from __future__ import annotations

import re

from tests.architecture.source import ROOT

README = (ROOT / "README.md").read_text()


def section(heading: str) -> str:
    """The text under a heading."""
    _, _, behind = README.partition(f"\n## {heading}\n")
    return behind.partition("\n## ")[0]


def test_the_make_targets_are_there() -> None:
    makefile = (ROOT / "Makefile").read_text()
    targets = re.findall(r"make ([a-z-]+)", README)
    assert len(targets) > 2
    for target in targets:
        assert re.search(rf"^{target}:.*## ", makefile, re.MULTILINE), target


def test_the_links_lead_somewhere() -> None:
    links = re.findall(r"\]\(([^)#:]+)\)", README)
    assert len(links) > 3
    assert [link for link in links if not (ROOT / link).is_file()] == []


def test_the_options_named_exist() -> None:
    from phfs.config.mount import OPTIONS, flag

    text = section("Mount your own bucket") + section("What works and what is refused")
    named = set(re.findall(r"`(--[a-z-]+)", text)) - {"--device", "--cap-add", "--help"}
    assert len(named) > 3
    assert named <= {flag(row) for row in OPTIONS}
