"""YAML to plain values: bounds, keys given twice, nothing shown of what is in the text."""

from __future__ import annotations

import pytest

from phfs.errors import DocumentError
from phfs.sidecar import reading
from phfs.sidecar.reading import read, shown


def refused(text: bytes | str) -> str:
    with pytest.raises(DocumentError) as caught:
        read(text if isinstance(text, bytes) else text.encode(), "doc.yaml")
    return "\n".join([caught.value.why, *caught.value.problems])


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("a: 1\nb: [x, yes, ~, 1.5, 'yes']", {"a": 1, "b": ["x", True, None, 1.5, "yes"]}),
        ("day: 2026-01-02", {"day": "2026-01-02"}),
        ("on: 1\n2: x\nnull: y", {"on": 1, "2": "x", "null": "y"}),
        ("a: &x {k: 1}\nb: *x", {"a": {"k": 1}, "b": {"k": 1}}),
        ('{"json": ["\\u00e4"]}', {"json": ["ä"]}),
        ("\ufeffa: =", {"a": "="}),
        ("a: !!str 1", {"a": "1"}),
    ],
)
def test_values(text: str, value: object) -> None:
    assert read(text.encode(), "doc.yaml") == value


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("", "doc.yaml has no document: give one."),
        ("a\n---\nb", "doc.yaml has several documents: give one."),
        (b"\xff\xfe", "doc.yaml is not UTF-8: byte 0 is none."),
        ("a: \x00", "doc.yaml is not YAML: it has characters that are no text."),
        ("[1", "doc.yaml is not YAML: line "),
        ("? [1]\n: 2", "the document has a key that is no text"),
        ("a: &k [1]\nb: {*k : 2}", "b has a key that is no text"),
        ("a: *x", "a has an alias of what is not there before it"),
        ("a: &a [*a]", "a[0] has an alias of what is not there before it"),
        ("<<: {a: 1}", "a merge key (<<) is not taken"),
        ("a: !!python/object/apply:os.system [x]", "a: the tag is not taken"),
        ("a: !!python/name:os.system x", "a: the tag or the sign there is not taken"),
        ("a: !!binary aGk=", "a: the tag or the sign there is not taken"),
        ("- !!int abc", "[0]: the number cannot be read"),
        (f"a: {'9' * 6000}", "a: the number cannot be read"),
        ("[" * 60, "doc.yaml is refused: it is nested more than 50 deep"),
        ("{a: " * 60, "doc.yaml is refused: it is nested more than 50 deep"),
    ],
)
def test_what_is_no_document(text: bytes | str, problem: str) -> None:
    assert problem in refused(text)


def test_all_keys_given_twice_are_named() -> None:
    text = 'a: 1\nb: {c: 1, c: 2}\na: {x: [{d: 1, d: 2}]}\n"\\n": 1\n"\\n": 2'
    assert refused(text).splitlines() == [
        "doc.yaml is wrong:",
        "b.c: is given twice.",
        "a: is given twice.",
        "a.x[0].d: is given twice.",
        '["\\n"]: is given twice.',
    ]


def test_aliases_count_as_what_they_stand_for() -> None:
    bomb = "".join(
        f"{chr(98 + level)}: &l{level + 1} [{', '.join([f'*l{level}'] * 9)}]\n"
        for level in range(20)
    )
    assert "with its aliases written out" in refused("a: &l0 [x]\n" + bomb)


def test_a_large_text_is_not_even_parsed() -> None:
    assert "has more than 32 MiB" in refused(b"[" * (reading.MAX_BYTES + 1))


@pytest.mark.parametrize(
    "text",
    ["a: 's3cr3t", "k: s3cr3t: x", "a: *s3cr3t", "a: %s3cr3t", "a: !s3cr3t x", "- s3cr3t\nb"],
)
def test_nothing_of_the_text_is_shown(text: str) -> None:
    assert "s3cr3t" not in refused(text)


def test_paths() -> None:
    assert shown(()) == "the document"
    assert shown(("data", 3, "metadata", "name")) == "data[3].metadata.name"
    assert shown(("a.b/c", "x")) == '["a.b/c"].x'
    assert len(shown(("x" * 500,))) < 100
