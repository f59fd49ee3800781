"""Names of variables: which are dropped, which win, and what is said of it."""

from __future__ import annotations

import pytest

from phfs.sidecar.variables import Variable, of_volumes
from tests.sidecar.documents import dataset, group, planned


def names(**volumes: dict[str, str]) -> list[str]:
    found, _ = of_volumes({name.replace("_", "-"): values for name, values in volumes.items()}, [])
    return [variable.name for variable in found]


def notes(volumes: dict[str, dict[str, str]], *taken: str) -> dict[str, list[str]]:
    return of_volumes(volumes, [Variable(name=name, value="") for name in taken])[1]


def test_names() -> None:
    assert names(db={"user": "x", "Pass.word": "x", "__typename": "x"}) == [
        "DB_PASS.WORD",
        "DB_USER",
    ]
    assert names(my_db={"a-b": "x"}) == ["MY-DB_A-B", "MY_DB_A_B"]


def test_names_that_are_none_are_dropped_and_said() -> None:
    volumes = {"9lives": {"a": "x"}, "d": {"a b": "x", "ä": "x", "": "x", "a\nb": "x", "n": "\0"}}
    assert [variable.name for variable in of_volumes(volumes, [])[0]] == ["D_"]
    assert notes(volumes) == {
        "9lives": ["The variable of the key 'a' is dropped: it has no valid name."],
        "d": [
            "The variable of the key 'a\\nb' is dropped: it has no valid name.",
            "The variable of the key 'a b' is dropped: it has no valid name.",
            "D_N is dropped: its value has a NUL byte.",
            "The variable of the key 'ä' is dropped: it has no valid name.",
        ],
    }


def test_collisions_are_decided_and_said() -> None:
    volumes = {"a": {"b_c": "1", "k": "2", "K": "3"}, "a-b": {"c": "4"}, "a_x": {}}
    found, said = of_volumes(volumes, [])
    assert {variable.name: variable.value for variable in found} == {
        "A_B_C": "1",
        "A-B_C": "4",
        "A_K": "3",
    }
    assert said["a"] == ["A_K is dropped: it is set by K of a."]
    assert said["a-b"] == ["A_B_C is dropped: it is set by b_c of a."]


def test_the_platforms_variables_win() -> None:
    plan = planned(
        groups=[group("research", "ds:primehub")],
        data=[dataset("primehub", "env", variables={"user": "mallory"})],
    )
    (user,) = [variable for variable in plan.environment if variable.name == "PRIMEHUB_USER"]
    assert (user.value, user.volume) == ("alice", "")
    (volume,) = [one for one in plan.volumes if one.name == "primehub"]
    assert volume.notes == ("PRIMEHUB_USER is dropped: it is set by the platform.",)


@pytest.mark.parametrize(
    ("name", "in_shell"),
    [("A_1", True), ("A-B", False), ("A.B", False), ("1A", False), ("A\n", False)],
)
def test_which_a_shell_can_export(name: str, in_shell: bool) -> None:
    assert Variable(name=name, value="").in_shell is in_shell


def test_what_root_acts_on_is_no_env_volumes_to_set() -> None:
    volumes = {
        "grant": {"sudo": "yes"},
        "nb": {"uid": "0", "user": "root"},
        "chown-extra": {"opts": "-R"},
        "ld": {"preload": "/tmp/x.so"},
        "bash": {"env": "/tmp/x"},
        "group": {"id": "x", "name": "x", "token": "kept"},
        "jupyter": {"path": "/tmp"},
        "ph": {"x": "kept"},
        "phjob": {"name": "x"},
        "primehub": {"user": "x"},
        "python": {"path": "x"},
        "conda": {"dir": "x"},
    }
    found, said = of_volumes(volumes, [])
    assert [variable.name for variable in found] == ["CHOWN-EXTRA_OPTS", "GROUP_TOKEN", "PH_X"]
    assert said["ld"] == [
        "LD_PRELOAD is dropped: what starts the container acts on it, so no env volume may set it."
    ]
    assert {name for name, notes in said.items() if not notes} == {"ph"}
    assert len(said["group"]) == len(said["nb"]) == 2
