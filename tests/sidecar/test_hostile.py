"""Whatever is given, it is a plan or a refusal in sentences, and secrets stay where they are."""

from __future__ import annotations

import json
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from phfs.errors import DocumentError
from phfs.sidecar.document import Document, load
from phfs.sidecar.plan import plan
from phfs.sidecar.report import as_json, as_text
from tests.sidecar.documents import dataset, group, raw

KINDS = ("pv", "nfs", "hostPath", "git", "env")

WORDS = st.sampled_from(
    ["", "x", ".", "..", "a/b", "/", "/a/../b", "a\0b", "a\nb", "\x1b[2J", "\u202e", "ä",
     "ds:rw:pv", "-o x", "true", "x" * 300, "$(id)", "`id`", "%s", "{}", "a:b", "~",
     "ext::sh -c id", "https://h/x#-x"]
)  # fmt: skip
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | WORDS | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(WORDS, inner, max_size=3),
    max_leaves=5,
)


def whole(kind: str) -> dict[str, Any]:
    """A document in which every field is given."""
    groups = [group("research", *(f"ds:rw:{one.lower()}" for one in KINDS), shared=True)]
    annotations = {"mountRoot": "/mnt", "homeSymlink": "true", "launchGroupOnly": "false"}
    data = [dataset(one.lower(), one, annotations, volumeName="v", gitsync={"secret": "s"})
            for one in KINDS]  # fmt: skip
    store = {"endpointUrl": "http://h", "secret": "s", "options": {"timeout": 5}}
    document = raw(kind, groups=groups, data=data, store=store, timezone="UTC", grantSudo=True)
    if kind == "notebook":
        document["what"]["homeClaim"] = "c"
    return document


def paths(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    items = (
        value.items()
        if isinstance(value, dict)
        else enumerate(value)
        if isinstance(value, list)
        else ()
    )
    return [path, *(found for key, inner in items for found in paths(inner, (*path, key)))]


def with_value(document: Any, path: tuple[Any, ...], value: Any) -> Any:
    if not path:
        return value
    changed = document.copy()
    changed[path[0]] = with_value(document[path[0]], path[1:], value)
    return changed


def tried(text: bytes) -> Document | DocumentError:
    try:
        return load(text, "doc.yaml")
    except DocumentError as error:
        return error


PLACES = {kind: paths(whole(kind)) for kind in ("notebook", "job", "app", "deployment")}


@given(st.sampled_from(sorted(PLACES)), st.data())
@settings(max_examples=400)
def test_any_value_in_any_place(kind: str, data: st.DataObject) -> None:
    changed = with_value(whole(kind), data.draw(st.sampled_from(PLACES[kind])), data.draw(VALUES))
    text = json.dumps(changed).encode()
    document = tried(text)
    if isinstance(document, DocumentError):
        assert all("\n" not in sentence for sentence in (document.why, *document.problems))
        return
    found = plan(document)
    json.dumps(as_json(found))
    shown = as_text(found)
    assert all(line.isprintable() for line in shown.splitlines())
    for one in found.inside:
        assert "\0" not in one.path + one.tree
        assert ".." not in (one.path + "/" + one.tree).split("/")


@given(st.binary(max_size=200) | st.text(max_size=200).map(str.encode))
@settings(max_examples=300)
def test_any_text(text: bytes) -> None:
    found = tried(text)
    assert isinstance(found, DocumentError)
    assert found.why.startswith("doc.yaml ")
