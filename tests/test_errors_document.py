"""``docs/errors.md`` explains every errno a program can get from the mount, under its own text."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from phfs.fuse.errno import ANSWERS, TABLE
from tests.real.programs import ARCHIVES, COPYING, LOOKING, WRITING
from tests.real.programs_python import LIBRARIES, STANDARD

ROOT = Path(__file__).parents[1]
DOCUMENT = (ROOT / "docs" / "errors.md").read_text()
ERRNOS = {found.name: found for found in TABLE.values()}
BY_THE_KERNEL = {"ENODEV", "ENOTCONN"}
PROGRAMS = {
    program.name: program
    for program in (*COPYING, *ARCHIVES, *LOOKING, *WRITING, *STANDARD, *LIBRARIES)
}
"""Programs that ``tests/real/test_programs.py`` runs on a mount."""


def seen() -> list[tuple[str, str, list[str]]]:
    """The rows of "I see": the text, the errno's name and the programs in backquotes, as the tables
    of programs call them. What no test runs has no backquotes."""
    _, _, table = DOCUMENT.partition("| I see |")
    rows = [line.split("|")[1:4] for line in table.partition("\n\n")[0].splitlines()[2:]]
    return [
        (
            re.sub(r"[\[*]|\].*", "", text).strip(),
            "".join(re.findall(r"`(E[A-Z]+)`", name)),
            [found for found in re.findall(r"`([^`]+)`", by) if found in PROGRAMS],
        )
        for text, name, by in rows
    ]


@pytest.mark.parametrize("name", sorted(ERRNOS))
def test_it_is_explained(name: str) -> None:
    found = ERRNOS[name]
    if name in ANSWERS:
        assert f"*{found.text}* (`{name}`)" in DOCUMENT
    else:
        assert f"### {found.text} (`{name}`, errno {found.number})\n" in DOCUMENT


def test_nothing_is_explained_that_does_not_happen() -> None:
    explained = set(re.findall(r"^### .*\(`(E[A-Z]+)`", DOCUMENT, re.MULTILINE))
    assert explained - BY_THE_KERNEL <= set(ERRNOS)


def test_every_text_is_in_the_list_of_what_one_sees() -> None:
    texts = {name: text for text, name, _ in seen() if name}
    rows = {(name, text) for text, name, _ in seen()}
    for name, found in ERRNOS.items():
        if name not in ANSWERS:
            assert (name, found.text) in rows
    assert set(texts) - BY_THE_KERNEL <= set(ERRNOS)


def test_the_programs_it_names_show_that_text() -> None:
    """``test_programs`` runs them, and compares what they print with the errno's text."""
    for text, name, programs in seen():
        for program in programs:
            row = PROGRAMS[program]
            assert row.errno == name, program
            assert row.says == (text if text != ERRNOS[name].text else ""), program
    named = {program for _, _, programs in seen() for program in programs}
    refused = {name for name, program in PROGRAMS.items() if program.errno}
    assert len(named & refused) > len(refused) // 2


def test_the_programs_it_says_work_do() -> None:
    _, _, text = DOCUMENT.partition("\nThese work, ")
    paragraph, _, _ = text.partition("\n\n")
    on_their_way, _, as_they_are = paragraph.partition(". ")
    met = dict(re.findall(r"`([^`]+)`[^`]*\(`(E[A-Z]+)`\)", on_their_way))
    assert met == {"git init": "EOPNOTSUPP", "vi with a swap file": "ESPIPE"}
    assert {name: PROGRAMS[name].tries for name in met} == met
    works = re.findall(r"`([^`]+)`", as_they_are)
    assert len(works) > 5
    assert [name for name in works if PROGRAMS[name].errno or PROGRAMS[name].tries] == []


def test_the_sentences_of_a_refused_mount_are_its_own() -> None:
    _, _, text = DOCUMENT.partition("\n## It cannot be mounted\n")
    sentences = re.findall(r'^\| "([^"]+)" \|', text, re.MULTILINE)
    assert len(sentences) > 4
    sources = [path.read_text() for path in (ROOT / "phfs").rglob("*.py")]
    said = re.sub(r'"\s+f?"', "", "\n".join(sources)).replace("{device}", "/dev/fuse")
    assert [it for it in sentences if it not in said] == []
