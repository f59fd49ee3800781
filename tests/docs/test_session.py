"""What runs the pages notices what is wrong with them, and leaves nothing."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.docs import Block
from tests.support.docs_session import Page, PageFailed, processes_of


@pytest.fixture
def page(tmp_path: Path) -> Iterator[Page]:
    made = Page(tmp_path, {"http://127.0.0.1:9000": "http://127.0.0.1:12345"}, {"GIVEN": "1"})
    yield made
    made.close()


def block(kind: str, text: str, title: str = "") -> Block:
    return Block("page.md", 7, kind, title, text, "")


def test_blocks_share_a_shell_a_python_and_files(page: Page) -> None:
    page.run(block("sh", "cd; mkdir sub; cd sub; export A=$GIVEN; b=2\n"))
    page.run(block("toml", "url = 'http://127.0.0.1:9000'\n", title="a.toml"))
    page.run(block("toml", "home = 1\n", title="~/.config/b.toml"))
    page.run(block("console", "$ echo $A $b\n1 2\n$ cat a.toml\nurl = 'http://127.0.0.1:9000'\n"))
    page.run(
        block("python", "import os\nassert os.environ['A'] == '1'\nseen = open('a.toml').read()\n")
    )
    page.run(
        block("python", "assert 'http://127.0.0.1:12345' in seen\nopen('/tmp/c', 'w').close()\n")
    )
    page.run(block("console", "$ ls /tmp/c ~/.config\n/tmp/c\n\n~/.config:\nb.toml\nphfs\n"))
    assert (page.home / ".config/b.toml").stat().st_mode & 0o077 == 0


@pytest.mark.parametrize(
    ("kind", "text", "says"),
    [
        ("sh", "true\nfalse\ntrue\n", r"page\.md:7: a command failed\n[\s\S]*this failed: false"),
        ("sh", "exit 3\n", "a command failed"),
        ("console", "$ true\n$ echo a\nb\n", r"page\.md:9: \$ echo a\nexpected \[exit 0\]\nb\n"),
        ("console", "$ false\n", r"and was  \[exit 1\]"),
        ("console", "$ printf 'a\\nb\\nc\\n'\na\n…\nd\n", "and was"),
        ("python", "assert 1 == 2\n", r"page\.md:7: Python failed[\s\S]*AssertionError"),
        ("python", "raise SystemExit(2)\n", "Python failed"),
        ("toml", "a = \n", "this is no toml"),
        ("yaml", "a: [\n", "this is no yaml"),
        ("json", "{'a': 1}\n", "this is no json"),
        ("ini", "a = 1\n", "this is no ini"),
        ("sh", "pip install no-such-thing\n", "not installed where the pages are run"),
        ("sh", "sudo reboot\n", "not run: REASON"),
    ],
)
def test_what_is_wrong_is_told(page: Page, kind: str, text: str, says: str) -> None:
    with pytest.raises(PageFailed, match=says):
        page.run(block(kind, text))


def test_a_mount_is_shown_as_the_command_names_it(page: Page) -> None:
    page.run(block("sh", "mkdir ~/phfs\n"))
    for command, shown in (("echo ~/phfs", "~/phfs"), ("echo /phfs", "/phfs")):
        page.run(block("console", f"$ {command}\n{shown}\n"))
    for command, shown in (("echo ~/phfs", "/phfs"), ("echo /phfs", "~/phfs")):
        with pytest.raises(PageFailed, match="and was"):
            page.run(block("console", f"$ {command}\n{shown}\n"))
    for shown in ("/phfs", "~/phfs"):
        page.run(block("console", f"$ cd && ls -d $PWD/ph*\n{shown}\n"))


def test_an_environment_of_python_is_made_and_nothing_installed(page: Page) -> None:
    page.run(
        block("sh", "python3 -m venv ~/env\n~/env/bin/pip install .\npython3 -c 'import trio'\n")
    )
    with pytest.raises(PageFailed, match="not installed where the pages are run"):
        page.run(block("sh", "~/env/bin/pip install no-such-thing\n"))


def test_dots_stand_for_anything(page: Page) -> None:
    page.run(block("console", "$ printf 'a 12 b\\nc\\nd\\ne\\n'\na … b\n…\ne\n$ true\n…\n"))
    page.run(block("console", "$ cat missing\ncat: missing: No such file or directory\n[exit 1]\n"))


def test_a_file_outside_of_the_home_is_refused(page: Page) -> None:
    with pytest.raises(PageFailed, match="outside"):
        page.run(block("toml", "a = 1\n", title="/etc/no-such-directory-of-phfs/config.toml"))
    assert not Path("/etc/no-such-directory-of-phfs").exists()


def test_nothing_of_a_page_goes_on(tmp_path: Path) -> None:
    page = Page(tmp_path, {}, {})
    page.run(block("sh", "sleep 600 &\nsetsid sleep 600 > /dev/null 2>&1 &\n"))
    page.run(block("python", "import subprocess\nsubprocess.Popen(['sleep', '600'])\n"))
    assert len(processes_of(page.home)) > 3
    page.close()
    assert processes_of(page.home) == []
    assert os.listdir(tmp_path / "tmp") == []
