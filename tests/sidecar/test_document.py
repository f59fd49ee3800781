"""Documents: what is wrong is named by its path, all of it at once, and never by its value."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from phfs.config import kinds
from phfs.errors import DocumentError
from phfs.sidecar.document import OBJECT_NAME, USER, load, schema
from tests.sidecar.documents import SECRET, dataset, group, loaded, raw

PUBLISHED = Path(__file__).parents[2] / "docs" / "sidecar.schema.json"


def problems(document: object) -> list[str]:
    with pytest.raises(DocumentError) as caught:
        load(json.dumps(document).encode(), "doc.yaml")
    assert caught.value.why == "doc.yaml is wrong:"
    return list(caught.value.problems)


def changed(path: str, value: Any, **given: Any) -> dict[str, Any]:
    document = raw(**given)
    *parents, last = path.split("/")
    place: Any = document
    for part in parents:
        place = place[int(part)] if part.isdigit() else place[part]
    place[last] = value
    return document


def test_it_is_said_that_a_user_must_not_be_empty() -> None:
    assert "must not be empty" in problems(changed("who/user", ""))[0]


def test_the_smallest_document() -> None:
    document = loaded(raw())
    assert (document.store.bucket, document.data, document.what.safe_mode) == (
        "primehub",
        (),
        False,
    )


def test_unknown_fields_of_a_dataset_are_accepted() -> None:
    odd = dataset("d", pv={"provisioning": "auto"}, enableUploadServer=None, newField=[1])
    odd["status"] = {"phase": "x"}
    odd["metadata"] |= {"annotations": None, "managedFields": [{}]}
    assert loaded(raw(data=[odd])).data[0].metadata.name == "d"


TEXT = "give a text (in quotes, if it looks like a number or a truth value)."


@pytest.mark.parametrize(
    ("path", "value", "sentence"),
    [
        ("apiVersion", "phfs/v2", "apiVersion: give 'phfs/v1'."),
        ("kind", 3, "kind: give 'PodVolumes'."),
        ("who", [], "who: give a mapping."),
        ("whom", {}, "whom: there is no such field; is who meant?"),
        ("who/user", 5, f"who.user: {TEXT}"),
        ("who/user", "a\nb", f"who.user: give {USER.expected}."),
        ("who/user", "", f"who.user: give {USER.expected}."),
        ("who/usr", "x", "who.usr: there is no such field; is user meant?"),
        ("who/launchGroup", "gone", "who.launchGroup: give the name of one of who.groups."),
        ("who/groups", {}, "who.groups: give a list."),
        ("who/groups/0/roles", "ds:x", "who.groups[0].roles: give a list."),
        ("who/groups/0/roles", [1], f"who.groups[0].roles[0]: {TEXT}"),
        ("who/groups/0/volume", {"launchgrouponly": True},
         "who.groups[0].volume.launchgrouponly: there is no such field; is launchGroupOnly meant?"),
        ("who/groups/0/volume", {"launchGroupOnly": "no"},
         "who.groups[0].volume.launchGroupOnly: give true or false."),
        ("what/kind", "pod", "what.kind: give 'notebook', 'job', 'app' or 'deployment'."),
        ("what/timezone", "../etc", "what.timezone: give a time zone, as in Asia/Taipei."),
        ("what/homeClaim", "Claim", f"what.homeClaim: give {OBJECT_NAME.expected}."),
        ("what/artifacts", {}, "what.artifacts: only a job has it; leave it out."),
        ("store/bucket", "s3://x", f"store.bucket: give {kinds.BUCKET.expected}."),
        ("store/secret", 4, f"store.secret: {TEXT}"),
        ("store/caBundle", "/a/../b", "store.caBundle: give an absolute path without '..'."),
        ("store/options", {"timeout": -1},
         "store.options.timeout: give a number of seconds from 0.1 to 3600."),
        ("store/options", {"time-out": 1},
         "store.options.time-out: there is no such option to set here; is timeout meant?"),
        ("store/options", {"uid": 0}, "store.options.uid: there is no such option to set here."),
        ("store/options", {"file-mode": 420},
         'store.options.file-mode: give permission bits in octal, as in 0644, in quotes: "0644".'),
        ("store/options", {"timeout": []},
         "store.options.timeout: give a number of seconds from 0.1 to 3600."),
        ("data/0/spec/type", None, f"data[0].spec.type: {TEXT}"),
        ("data/0/spec/variables", {"A": 1}, f"data[0].spec.variables.A: {TEXT}"),
        ("data/0/kind", "Secret", "data[0].kind: give 'Dataset'."),
    ],
)  # fmt: skip
def test_each_wrong_field_is_named(path: str, value: Any, sentence: str) -> None:
    assert problems(changed(path, value, data=[dataset("d")])) == [sentence]


@pytest.mark.parametrize(
    "name",
    [
        "",
        ".",
        "..",
        "a/b",
        "../x",
        "a\0",
        "a\nb",
        "A",
        "ä",
        "-a",
        "a-",
        "a..b",
        "a_b",
        "x" * 254,
        "a ",
    ],
)
def test_names_that_no_object_has(name: str) -> None:
    (sentence,) = problems(raw(data=[dataset("x"), dataset(name)]))
    assert sentence.startswith("data[1].metadata.name: give small letters")


@pytest.mark.parametrize("name", ["", ".", "..", "a/b", "a\0", "a\nb", "x" * 400])
def test_names_that_no_group_has(name: str) -> None:
    (sentence,) = problems(raw(groups=[group(name)]))
    assert sentence.startswith("who.groups[0].name: give a group's name")


def test_everything_wrong_is_said_at_once() -> None:
    document = raw(
        "job",
        groups=[group("a"), group("b"), group("a")],
        data=[dataset("d"), dataset("e"), dataset("d"), dataset("X")],
        launch="a",
        safeMode=True,
        name=None,
    )
    document["store"]["bucket"] = 3
    document["data"][1]["spec"] = 3
    found = problems(document)
    assert sorted(sentence.partition(": ")[0] for sentence in found) == [
        "data[1].spec",
        "data[2].metadata.name",
        "data[3].metadata.name",
        "store.bucket",
        "what.name",
        "what.safeMode",
        "who.groups[2].name",
    ]


@pytest.mark.parametrize("document", [[], 3, None, "x", {}, {"who": {"groups": [3]}, "data": [[]]}])
def test_any_shape_is_refused_in_sentences(document: object) -> None:
    assert problems(document)


def test_no_value_is_ever_shown() -> None:
    document = raw(data=[dataset("d", "env", variables={"A": [SECRET]}), dataset("e", "git")])
    document["data"][1]["spec"]["url"] = [SECRET]
    document["who"]["user"] = [SECRET]
    document["store"] |= {"endpointUrl": f"http://u:{SECRET}@h", "options": {"sse": SECRET}}
    found = problems(document)
    assert len(found) == 5
    assert SECRET not in "".join(found)


def test_the_schema_is_published() -> None:
    """Made by: python -m tests.sidecar.test_document"""
    assert json.loads(PUBLISHED.read_text()) == schema()


@pytest.mark.parametrize("kind", ["notebook", "job", "app", "deployment"])
def test_the_schema_takes_what_is_right(kind: str) -> None:
    document = raw(
        kind,
        groups=[group("research", "ds:d", shared=True), group("everyone")],
        data=[dataset(each.lower(), each) for each in ("pv", "nfs", "hostPath", "git", "env")],
        store={"endpointUrl": "http://minio:9000", "options": {"timeout": 5}},
    )
    loaded(document)
    jsonschema.Draft202012Validator.check_schema(schema())
    jsonschema.validate(document, schema())


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("whom", 1),
        ("who/user", 1),
        ("what/kind", "x"),
        ("store/options", {"uid": 1}),
        ("who", None),
    ],
)
def test_the_schema_refuses_what_is_wrong(path: str, value: Any) -> None:
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(changed(path, value), schema())


if __name__ == "__main__":
    PUBLISHED.write_text(json.dumps(schema(), indent=2) + "\n")
