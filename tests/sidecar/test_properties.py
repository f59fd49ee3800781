"""What holds for every document: no order matters, nothing is writable without a role."""

from __future__ import annotations

import json
from pathlib import PurePosixPath
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from phfs.sidecar.access import State
from phfs.sidecar.plan import Plan, plan
from phfs.sidecar.report import as_json, as_text
from phfs.sidecar.steps import Bind, MakeDirectory, MakeLink, MountNfs
from tests.sidecar.documents import SECRET, dataset, group, loaded, raw

PODS = ("notebook", "job", "app", "deployment")
KINDS = ("pv", "nfs", "hostPath", "git", "env", "odd")
GROUPS = ("research", "Research", "everyone", "phfs", "a_b", "a-b", "d0", "x y", "a:b")
NAMES = ("d0", "d1", "a-b", "phfs", "datasets", "user", "etc", "x.y")
ROOTS = ("", "/datasets/", "/", "/mnt", "/mnt/d0", "/datasets/d0", "/home/jovyan", "/etc",
         "/x/../y", "/phfs", "/project", "relative", "/home")  # fmt: skip
TRUTHS = ("true", "false", "", "maybe")


@st.composite
def documents(draw: st.DrawFn) -> dict[str, Any]:
    roles = st.lists(
        st.builds("{}{}".format, st.sampled_from(["ds:", "ds:rw:", ""]), st.sampled_from(NAMES)),
        max_size=6,
    )
    names = draw(st.lists(st.sampled_from(GROUPS), unique=True, min_size=1))
    groups = [
        group(name, *draw(roles), shared=draw(st.sampled_from([None, True, False])))
        for name in names
    ]
    data = [
        dataset(
            name,
            draw(st.sampled_from(KINDS)),
            {
                "launchGroupOnly": draw(st.sampled_from(TRUTHS)),
                "homeSymlink": draw(st.sampled_from(TRUTHS)),
                "mountRoot": draw(st.sampled_from(ROOTS)),
            },
        )
        for name in draw(st.lists(st.sampled_from(NAMES), unique=True))
    ]
    pod = draw(st.sampled_from(PODS))
    notebook: dict[str, Any] = {}
    if pod == "notebook":
        notebook = {"safeMode": draw(st.booleans()), "homeClaim": "claim-a"}
    return raw(pod, groups=groups, data=data, launch=names[0], **notebook)


def planned(document: dict[str, Any]) -> Plan:
    return plan(loaded(document))


@given(documents(), st.randoms(use_true_random=False))
@settings(max_examples=60)
def test_the_order_of_lists_makes_no_difference(document: dict[str, Any], chance: Any) -> None:
    other = json.loads(json.dumps(document))
    for items in (other["data"], other["who"]["groups"]):
        chance.shuffle(items)
    for one in other["who"]["groups"]:
        chance.shuffle(one["roles"])
    assert planned(other) == planned(document)


@given(documents())
@settings(max_examples=60)
def test_nothing_is_writable_without_a_role_that_says_so(document: dict[str, Any]) -> None:
    found, who = planned(document), document["who"]
    own = {
        role
        for one in who["groups"]
        if one["name"] in (who["launchGroup"], "everyone")
        for role in one["roles"]
    }
    kinds = {one["metadata"]["name"]: one["spec"]["type"] for one in document["data"]}
    may_write = {
        f"datasets/{name}"
        for name, kind in kinds.items()
        if f"ds:rw:{name}" in own and kind in ("pv", "nfs", "hostPath")
    }
    data = {one.id for one in found.volumes if one.id.startswith("datasets/")}
    writable = {one.id for one in found.volumes if one.state is State.RW} & data
    assert writable <= may_write
    steps = {
        step.volume
        for step in found.steps
        if isinstance(step, (Bind, MountNfs)) and not step.read_only
    }
    handed = {
        f"datasets/{one.name}"
        for one in found.handed
        if one.kind in ("pv", "hostPath") and not one.read_only
    }
    inside = {one.volume for one in found.inside if not one.read_only}
    assert (steps | inside) & data == writable
    assert handed <= writable
    if document["what"]["kind"] == "deployment":
        assert not steps
        assert not inside


@given(documents())
@settings(max_examples=60)
def test_a_plan_holds_together(document: dict[str, Any]) -> None:
    found = planned(document)
    ids = [one.id for one in found.volumes]
    assert len(ids) == len(set(ids))
    for step in found.steps:
        assert {step.volume, *step.after} <= {"", *ids}
        for path in (getattr(step, "path", ""), getattr(step, "link", "")):
            assert not path.startswith("/")
            assert ".." not in PurePosixPath(path).parts
    tree = [step.path for step in found.steps if isinstance(step, MakeDirectory)]
    assert {one.tree for one in found.inside} <= set(tree)
    paths = [one.path for one in found.inside]
    assert len(paths) == len(set(paths))
    for number, path in enumerate(paths):
        assert not any(path.startswith(f"{later}/") for later in paths[number:])
    links = [step.path for step in found.steps if isinstance(step, MakeLink)]
    assert len(links) == len(set(links))
    assert not set(links) & set(tree)
    sees = {one.path for one in found.volumes if one.state not in (State.OUT, State.IN)}
    assert "" not in sees


@given(documents())
@settings(max_examples=60)
def test_nobody_waits_in_a_circle(document: dict[str, Any]) -> None:
    found = planned(document)
    waits: dict[str, set[str]] = {}
    for step in found.steps:
        waits.setdefault(step.volume, set()).update(step.after)
    while ready := [name for name, others in waits.items() if not others & waits.keys()]:
        for name in ready:
            del waits[name]
    assert waits == {}


@given(documents())
@settings(max_examples=60)
def test_values_of_variables_are_not_shown(document: dict[str, Any]) -> None:
    found = planned(document)
    text = as_text(found) + json.dumps(as_json(found)) + repr(found) + repr(loaded(document))
    assert SECRET not in text
