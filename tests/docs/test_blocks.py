"""Every block of every page is run, or has a reason that is known here.

A block that is to be left out goes into ``NOT_RUN``, so that nobody leaves one out in passing.
"""

from __future__ import annotations

import re
from collections import Counter
from pathlib import Path

import pytest

from tests.architecture.source import ROOT
from tests.support.docs import COMMANDS, RUN_ELSEWHERE, blocks, pages
from tests.support.docs_stand_ins import wrong

NOT_RUN = {
    "README.md": 2,  # make demo and make test; phfs bench
    "docs/how-to/aws.md": 4,  # there is no account
    "docs/how-to/fstab.md": 3,  # they change the machine
    "docs/how-to/laptop.md": 1,  # systemd
    "docs/how-to/minio.md": 1,  # a MinIO runs already
    "docs/how-to/pod.md": 2,  # building the image; kubectl without a cluster
    "docs/how-to/training-data.md": 2,  # PyTorch; phfs bench
}
"""How many blocks of a page have a reason why they are not run."""

PROMPT = re.compile(r"^(?:\$|>>>|#) ", re.MULTILINE)


@pytest.mark.parametrize("page", pages())
def test_the_page_can_be_read(page: str) -> None:
    for block in blocks(page):
        assert block.text.strip(), f"{block.place} is empty"
        assert not block.not_run or block.kind != "text", f"{block.place} is never run"
        if block.kind == "text":
            assert not PROMPT.search(block.text), f"{block.place} has commands: fence it as console"


def test_what_is_not_run_is_known() -> None:
    left_out = [block for page in pages() for block in blocks(page) if block.not_run]
    reasons = "\n".join(f"{block.place}: {block.not_run}" for block in left_out)
    assert dict(Counter(block.page for block in left_out)) == NOT_RUN, reasons


def test_pages_run_by_their_own_tests_are_named_there() -> None:
    for page, test in RUN_ELSEWHERE.items():
        assert page in re.sub(r'"\s*/\s*"', "/", (ROOT / test).read_text()), test


def test_blocks_of_all_kinds_are_found() -> None:
    """Nothing is run if nothing is found."""
    found = {block.kind for page in pages() for block in blocks(page) if not block.not_run}
    assert found > COMMANDS


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("```bash\nls\n```\n", "not 'bash'"),
        ("```\nls\n```\n", "not ''"),
        ("```sh\nls\n", "has no end"),
        ("So:\n\n    ls\n", "not indented"),
    ],
)
def test_what_says_not_what_it_is_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str, says: str
) -> None:
    (tmp_path / "page.md").write_text(text)
    monkeypatch.setattr("tests.support.docs.ROOT", tmp_path)
    with pytest.raises(ValueError, match=says):
        blocks("page.md")


def test_a_block_in_a_list_and_its_reason(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    text = """* first:

    ```toml title="~/a.toml"
    a = 1
    ```

    more of it

<!-- not run: too loud -->
```sh
beep
```
"""
    (tmp_path / "page.md").write_text(text)
    monkeypatch.setattr("tests.support.docs.ROOT", tmp_path)
    first, second = blocks("page.md")
    assert (first.line, first.kind, first.title, first.text) == (3, "toml", "~/a.toml", "a = 1\n")
    assert (second.not_run, second.text) == ("too loud", "beep\n")


@pytest.mark.parametrize(
    ("call", "says"),
    [
        ("pip install 'phfs[sidecar]'", ""),
        ("pip install .[bench,demo]", ""),
        ("pip install phfs[sidecars]", "no extra sidecars"),
        ("pip install no-such-thing", "not installed"),
        ("pip uninstall phfs", "not run"),
        ("apt-get install --yes fuse3 gcc", ""),
        ("apt-get install fuse4", "not in packages.txt"),
        ("sudo rm -r /", "not run"),
    ],
)
def test_installing_is_checked_and_not_done(call: str, says: str) -> None:
    program, *words = call.replace("'", "").split()
    said = wrong(program, words)
    assert says in said
    assert bool(says) == bool(said)
