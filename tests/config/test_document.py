"""The page of all options, and the file to begin with."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest

from phfs.config import find, load
from phfs.config.document import example, line_of, page
from phfs.config.load import gather
from phfs.config.mount import OPTIONS
from phfs.config.option import Row, flag, option_of, variable

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "configuration.md").read_text()


def test_the_page_is_of_this_table() -> None:
    assert page() == PAGE, "run: python -m phfs.config.document > docs/configuration.md"


def test_a_switch_is_off_by_default_and_samples_are_usual() -> None:
    for name in ("read_only", "noexec", "keep_dead", "foreground", "allow_other"):
        assert "* default: off" in PAGE.partition(f"### {name}\n")[2].partition("\n### ")[0]
    for line in ("memory_limit = 512", "uid = 1000", "gid = 1000"):
        assert f"\n# {line}\n" in example()


@pytest.mark.parametrize("row", OPTIONS, ids=lambda row: str(row.name))
def test_an_entry_says_how_an_option_is_written_everywhere(row: Row) -> None:
    entry = PAGE.partition(f"### {row.name}\n")[2].partition("\n### ")[0]
    about = option_of(row)
    for words in (variable(row), line_of(row), about.kind.expected, about.default_text):
        assert words in entry
    assert (flag(row) in entry) != about.secret
    if about.switch:
        assert f"`--no-{row.name.replace('_', '-')}`" in entry


def test_the_files_of_the_page_mean_what_they_say(tmp_path: Path) -> None:
    texts = re.findall(r"```toml .*?\n(.*?)```", PAGE, re.DOTALL)
    assert len(texts) == 1
    file = tmp_path / "config.toml"
    file.write_text(texts[0])
    research = load({}, {}, find({}, str(file), "research"))
    assert (research.prefix, research.metadata_ttl) == ("groups/my-group/", 5)
    published = load({}, {}, find({}, str(file), "published"))
    assert (published.prefix, published.read_only) == ("published/2026/", True)


def test_the_example_is_a_file_without_effect() -> None:
    assert tomllib.loads(example()) == {}
    assert example().isascii()


def test_every_line_of_the_example_can_be_used(tmp_path: Path) -> None:
    lines = re.findall(r"^# (\w+ = .*)$", example().partition("# [mount.")[0], re.MULTILINE)
    assert [line.split(" ")[0] for line in lines] == [row.name for row in OPTIONS]
    file = tmp_path / "config.toml"
    file.write_text("\n".join(lines) + "\n")
    file.chmod(0o600)
    given = gather(OPTIONS, {}, {}, find({}, str(file)))
    assert len(given) == len(OPTIONS)
    for row in OPTIONS:
        kind = option_of(row).kind
        if not kind.path:  # the files need not be there
            kind.parse(given[row.name].text)


def test_the_example_shows_a_named_mount(tmp_path: Path) -> None:
    part = example().partition("# [mount.")
    file = tmp_path / "config.toml"
    file.write_text((part[1] + part[2]).replace("# ", ""))
    config = load({}, {}, find({}, str(file), "research"))
    assert (config.bucket, config.prefix) == ("my-bucket", "groups/research/")
