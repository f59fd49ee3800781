"""Access, as a full table: every kind of pod, of volume and of right."""

from __future__ import annotations

from typing import Any

import pytest

from phfs.sidecar.access import Access, Answer, access
from phfs.sidecar.dataset import volume_of
from tests.sidecar.documents import dataset, group, loaded, raw

PODS = ("notebook", "job", "app", "deployment")
FILES = ("pv", "nfs", "hostPath")


def of(kind: str, **given: Any) -> Access:
    document = loaded(raw(kind, **given))
    volumes = [volume_of(one) for one in document.data]
    return access(document.what.kind, document.who.launch_group, document.who.groups, volumes)


# Who has which role, and what comes of it for a volume of files: in a notebook, in a notebook if
# the volume is launchGroupOnly, in a job and an app whether it is or not. A deployment has none.
RIGHTS = {
    "nobody": ((), "out out out"),
    "launch group reads": (("launch ds:v",), "ro ro ro"),
    "launch group writes": (("launch ds:rw:v",), "rw rw rw"),
    "launch group reads and writes": (("launch ds:v", "launch ds:rw:v"), "rw rw rw"),
    "everyone reads": (("everyone ds:v",), "ro ro ro"),
    "everyone writes": (("everyone ds:rw:v",), "rw rw rw"),
    "other reads": (("other ds:v",), "ro out out"),
    "other writes": (("other ds:rw:v",), "ro out out"),
    "others read and write": (("other ds:v", "third ds:rw:v"), "ro out out"),
    "launch group reads, other writes": (("launch ds:v", "other ds:rw:v"), "ro ro ro"),
    "everyone reads, other writes": (("everyone ds:v", "other ds:rw:v"), "ro ro ro"),
    "launch group reads, everyone writes": (("launch ds:v", "everyone ds:rw:v"), "rw rw rw"),
    "everyone reads, launch group writes": (("everyone ds:v", "launch ds:rw:v"), "rw rw rw"),
    "roles for something else": (("launch ds:w", "launch ds:rw:vv", "launch v"), "out out out"),
    "a role that only looks like it": (("launch ds:rw", "launch DS:v"), "out out out"),
}  # fmt: skip


def groups_of(rights: tuple[str, ...]) -> list[dict[str, Any]]:
    roles: dict[str, list[str]] = {"launch": [], "everyone": [], "other": [], "third": []}
    for right in rights:
        holder, role = right.split()
        roles[holder].append(role)
    return [group(name, *held) for name, held in roles.items()]


def expected_state(kind: str, state: str) -> str:
    if state == "out":
        return "out"
    return {"git": "ro", "env": "in"}.get(kind, state)


@pytest.mark.parametrize("volume", [*FILES, "git", "env"])
@pytest.mark.parametrize("pod", PODS)
@pytest.mark.parametrize("who", RIGHTS)
@pytest.mark.parametrize("only", [False, True], ids=["", "launchGroupOnly"])
def test_data_volumes(pod: str, volume: str, who: str, only: bool) -> None:
    rights, states = RIGHTS[who]
    in_notebook, in_notebook_only, attached = states.split()
    annotations = {"launchGroupOnly": "true"} if only else {}
    found = of(
        pod,
        launch="launch",
        groups=groups_of(rights),
        data=[dataset("v", volume, annotations)],
    ).data["v"]
    state = {
        "notebook": in_notebook_only if only else in_notebook,
        "job": attached,
        "app": attached,
        "deployment": "out",
    }[pod]
    assert found.state == expected_state(volume, state), found.why
    assert found.why.endswith(".")
    assert not found.wrong


def test_a_dataset_of_the_name_rw_is_not_a_right_to_write() -> None:
    found = of("notebook", groups=[group("research", "ds:rw")], data=[dataset("rw")])
    assert found.data["rw"].state == "ro"


# A group's volume: of the launch group or another, shared or not; in each kind of pod.
GROUP_VOLUMES = {
    ("launch", False): "rw rw rw out",
    ("launch", True): "rw rw rw out",
    ("other", False): "out out out out",
    ("other", True): "rw rw out out",
    ("everyone", True): "rw rw out out",
    ("launch", None): "out out out out",
    ("other", None): "out out out out",
}


@pytest.mark.parametrize("pod", PODS)
@pytest.mark.parametrize(("name", "shared"), GROUP_VOLUMES)
def test_group_volumes(pod: str, name: str, shared: bool | None) -> None:
    names = ("launch", "other", "everyone")
    groups = [group(one, shared=shared if one == name else None) for one in names]
    found = of(pod, launch="launch", groups=groups).groups[name]
    assert found.state == GROUP_VOLUMES[name, shared].split()[PODS.index(pod)], found.why


def test_another_groups_volume_is_its_own_unless_it_says_otherwise() -> None:
    other = group("other")
    other["volume"] = {}
    assert of("notebook", groups=[other]).groups["other"].state == "out"


@pytest.mark.parametrize(
    ("pod", "phfs", "home"),
    [
        ("notebook", "rw", "rw"),
        ("job", "rw", "rw"),
        ("app", "rw", "rw"),
        ("deployment", "ro", "out"),
    ],
)
def test_phfs_and_home(pod: str, phfs: str, home: str) -> None:
    found = of(pod)
    assert (found.phfs.state, found.home.state) == (phfs, home)


WRONG = {
    "nfs without server": dataset("v", "nfs", nfs={"path": "/x"}),
    "nfs without path": dataset("v", "nfs", nfs={"server": "s"}),
    "nfs without anything": dataset("v", "nfs", nfs=None),
    "hostPath without path": dataset("v", "hostPath", hostPath={}),
    "git without url": dataset("v", "git", url=None),
    "unknown kind": dataset("v", "cephfs"),
}


@pytest.mark.parametrize("what", WRONG)
def test_a_wrong_volume_is_out_and_said_so(what: str) -> None:
    found = of("notebook", groups=[group("research", "ds:rw:v")], data=[WRONG[what]]).data["v"]
    assert (found.state, found.wrong) == ("out", True)
    assert found.why.startswith("It is set up wrongly: spec.")


@pytest.mark.parametrize("what", WRONG)
def test_a_wrong_volume_is_no_concern_of_those_without_it(what: str) -> None:
    found = of("job", groups=[group("other", "ds:rw:v")], data=[WRONG[what]]).data["v"]
    assert (found.state, found.wrong) == ("out", False)


def test_reasons_name_the_groups_and_roles() -> None:
    groups = [group("launch", "ds:rw:a", "ds:b"), group("everyone", "ds:c"), group("x", "ds:rw:d")]
    volumes = [dataset(name) for name in "abcde"]
    volumes.append(dataset("f", annotations={"launchGroupOnly": "true"}))
    groups[2]["roles"].append("ds:f")
    found = of("notebook", launch="launch", groups=groups, data=volumes).data
    assert {name: answer.why for name, answer in found.items()} == {
        "a": "launch has the role ds:rw:a.",
        "b": "launch has the role ds:b, which only reads.",
        "c": "everyone has the role ds:c, which only reads.",
        "d": "It comes from x only; through a group that is not the launch group it is read-only.",
        "e": "None of the user's groups has a role for e.",
        "f": "It is for pods of its own groups only (launchGroupOnly): x, not launch.",
    }
    attached: Answer = of("job", launch="launch", groups=groups, data=volumes).data["d"]
    assert attached.why == "A job sees what launch and everyone have a role for; only x has one."
