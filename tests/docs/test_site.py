"""The site is built without a warning, and is whole without a network."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.architecture.source import ROOT
from tests.support.docs import pages

_FETCHED = re.compile(
    r'<(?:script|img|iframe|source)[^>]*\ssrc="([^"]+)"'
    r'|<link[^>]*\srel="(?:stylesheet|icon|preconnect)"[^>]*\shref="([^"]+)"'
    r'|<link[^>]*\shref="([^"]+)"[^>]*\srel="(?:stylesheet|icon|preconnect)"'
)
_ELSEWHERE = re.compile(r"^(?:https?:)?//")


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The built site."""
    directory = tmp_path_factory.mktemp("site")
    done = subprocess.run(
        [Path(sys.executable).parent / "mkdocs", "build", "--strict", "--site-dir", directory],
        cwd=ROOT,
        env={**os.environ, "NO_MKDOCS_2_WARNING": "1", "NO_COLOR": "1"},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    said = done.stdout + done.stderr
    assert done.returncode == 0, said
    assert [line for line in said.splitlines() if not line.startswith("INFO ")] == []
    return directory


def html(site: Path) -> list[Path]:
    found = sorted(site.rglob("*.html"))
    assert len(found) > 20
    return found


def test_every_page_is_there(site: Path) -> None:
    documents = [page for page in pages() if page.startswith("docs/")]
    for page in documents:
        target = site / page.removeprefix("docs/").replace("README.md", "index.md")
        assert target.with_suffix(".html").is_file(), page


def test_nothing_is_fetched_from_elsewhere(site: Path) -> None:
    wrong = []
    for page in html(site):
        for places in _FETCHED.findall(page.read_text()):
            place = next(filter(None, places))
            if _ELSEWHERE.match(place) or (
                # Where the page that is shown for a wrong address is, is not known.
                page.name != "404.html" and not (page.parent / place).is_file()
            ):
                wrong.append(f"{page.relative_to(site)}: {place}")
    assert wrong == []


def test_it_can_be_searched_without_a_server(site: Path) -> None:
    assert "Illegal" in (site / "search/search_index.js").read_text()
    assert '<script src="assets/iframe-worker.js">' in (site / "index.html").read_text()


def test_every_link_within_it_leads_to_something(site: Path) -> None:
    """Anchors, too, which MkDocs checks only where it has made them itself."""
    anchors = {page: set(re.findall(r'\sid="([^"]+)"', page.read_text())) for page in html(site)}
    wrong = []
    for page in anchors:
        if page.name == "404.html":
            continue
        for link in re.findall(r'<a[^>]*\shref="([^"]+)"', page.read_text()):
            file, _, anchor = link.partition("#")
            if re.match(r"[a-z]+:", link):
                continue
            target = (page.parent / file).resolve() if file else page
            target = target / "index.html" if target.is_dir() else target
            if not target.is_file() or (anchor and anchor not in anchors.get(target, {anchor})):
                wrong.append(f"{page.relative_to(site)}: {link}")
    assert wrong == []
