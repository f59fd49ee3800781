"""``docs/sidecar.md`` says what the code does: its example, its tables and its output."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from pydantic import BaseModel

from phfs.errors import DocumentError
from phfs.sidecar.document import Dataset, Document, load
from phfs.sidecar.options import OPTIONS_SCHEMA
from phfs.sidecar.plan import plan
from phfs.sidecar.problems import model_in
from phfs.sidecar.report import as_text
from phfs.sidecar.steps import Inside
from tests.sidecar.documents import dataset, group, planned

PAGE = (Path(__file__).parents[2] / "docs" / "sidecar.md").read_text()
HOLDERS = {"launch group": "research", "everyone": "everyone", "others": "other"}


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)


def rows(heading: str) -> list[list[str]]:
    """The table that begins with this first cell."""
    table = PAGE.partition(f"\n| {heading} |")[2].partition("\n\n")[0].splitlines()[2:]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in table]


def example() -> str:
    (text,) = blocks("yaml")
    return text


def test_the_plan_of_the_example_is_the_one_printed() -> None:
    shown = as_text(plan(load(example().encode(), "pod.yaml")))
    expected = ["$ phfs-sidecar plan pod.yaml", *(line.rstrip() for line in shown.splitlines())]
    assert blocks("console")[1].splitlines() == expected


def test_the_errors_are_those_printed() -> None:
    wrong = example().replace("user:", "usr:").replace("notebook", "notebok")
    wrong = wrong.replace("name: imagenet", "name: Imagenet")
    with pytest.raises(DocumentError) as caught:
        load(wrong.encode(), "pod.yaml")
    printed = [f"phfs-sidecar: {line}" for line in (caught.value.why, *caught.value.problems)]
    assert blocks("console")[0].splitlines() == ["$ phfs-sidecar check pod.yaml", *printed]


def fields(model: type[BaseModel], path: str = "") -> list[str]:
    found = []
    for name, field in model.model_fields.items():
        own = f"{path}{field.alias or name}"
        inner = model_in(field.annotation)
        many = "[]" if "tuple" in str(field.annotation) else ""
        if inner is None or inner is Dataset:
            found.append(own)
            continue
        if field.default is None:
            found.append(own)
        found += fields(inner, f"{own}{many}.")
    return found


def test_every_field_has_its_row() -> None:
    assert [row[0].strip("`") for row in rows("field")] == fields(Document)


def test_every_option_is_named() -> None:
    line = next(line for line in PAGE.splitlines() if line.startswith("`store.options` takes"))
    assert re.findall(r"`([a-z-]+)`", line) == list(OPTIONS_SCHEMA["properties"])


@pytest.mark.parametrize("row", rows("who has a role"), ids=lambda row: row[0])
def test_the_table_of_data_volumes(row: list[str]) -> None:
    holder, _, role = row[0].partition(" `")
    roles: dict[str, list[str]] = {name: [] for name in HOLDERS.values()}
    if role:
        roles[HOLDERS[holder]] = [f"{role.strip('`')}v"]
    groups = [group(name, *held) for name, held in roles.items()]
    for kinds, cell in zip(
        (("notebook", ""), ("notebook", "true"), ("job", ""), ("deployment", "")),
        row[1:],
        strict=True,
    ):
        volume = dataset("v", annotations={"launchGroupOnly": kinds[1]})
        plans = [planned(kinds[0], groups=groups, data=[volume])]
        if kinds[0] == "job":
            plans.append(planned("app", groups=groups, data=[volume]))
        states = {one.state for each in plans for one in each.volumes if one.name == "v"}
        assert states == {cell if cell in ("ro", "rw") else "out"}


@pytest.mark.parametrize(
    ("index", "name", "shared"), [(2, "research", False), (3, "other", True), (4, "other", False)]
)
def test_the_table_of_group_volumes(index: int, name: str, shared: bool) -> None:
    row: list[str] = rows("volume")[index]
    for kind, cell in zip(("notebook", "job", "app", "deployment"), row[1:], strict=True):
        found: Any = planned(kind, groups=[group(name, shared=shared)])
        seen = {one.path: one for one in found.inside if isinstance(one, Inside)}
        assert (f"/project/{name}" in seen) is (cell == "rw")
