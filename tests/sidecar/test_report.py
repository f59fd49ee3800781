"""What is printed of a plan: everything but secrets, in characters that a terminal survives."""

from __future__ import annotations

import json
from typing import Any

from phfs.sidecar.report import as_json, as_text, printable, summary, wrong
from tests.sidecar.documents import SECRET, dataset, group, planned

DATA = [
    dataset("code", "git", url=f"https://u:{SECRET}@git.example/x.git#main"),
    dataset("keys", "env", variables={"token": SECRET, "a-b": SECRET}),
    dataset("share", "nfs", nfs={"server": "s"}),
    dataset("none"),
]
GIVEN: dict[str, Any] = {
    "groups": [group("research", "ds:code", "ds:keys", "ds:share", shared=True)],
    "data": DATA,
}


def test_each_volume_has_its_state_and_its_reason() -> None:
    text = as_text(planned(**GIVEN))
    rows = {
        line.split()[2]: line.split()[0]
        for line in text.partition("Volumes\n")[2].partition("\n\n")[0].splitlines()
        if not line.startswith("   ")
    }
    assert rows == {
        "phfs": "rw",
        "home": "rw",
        "research": "rw",
        "code": "ro",
        "keys": "in",
        "share": "out",
        "none": "out",
    }
    assert "It is set up wrongly: spec.nfs.path is missing." in text
    assert "None of the user's groups has a role for none." in text


def test_secrets_are_not_shown() -> None:
    plan = planned(**GIVEN)
    text = as_text(plan)
    assert SECRET not in text + json.dumps(as_json(plan)) + repr(plan)
    assert "KEYS_TOKEN (value not shown, from datasets/keys)" in text
    assert "https://git.example/x.git (main)" in text


def test_json_has_everything() -> None:
    found = json.loads(json.dumps(as_json(planned(**GIVEN))))
    assert (found["apiVersion"], found["kind"]) == ("phfs/v1", "Plan")
    assert found["owner"] == {"uid": 1000, "gid": 100}
    by_id = {one["id"]: one for one in found["volumes"]}
    assert by_id["datasets/share"]["state"] == "out"
    assert by_id["datasets/share"]["wrong"] is True
    git = next(step for step in found["steps"] if step["step"] == "git")
    assert git["repository"] == {"url": "https://git.example/x.git", "reference": "main"}
    assert {"name": "KEYS_TOKEN", "value": None, "volume": "datasets/keys"} in found["environment"]
    assert {"name": "GROUP_NAME", "value": "research", "volume": ""} in found["environment"]
    assert all(step["why"].endswith(".") for step in found["steps"])


def test_names_cannot_move_the_cursor() -> None:
    plan = planned(groups=[group("research", "ds:\x1b[2J\nevil\u202e")])
    text = as_text(plan)
    assert "\x1b" not in text
    assert "\u202e" not in text
    assert "evil" in text.splitlines()[-1]
    assert printable("a\nb\x1bä") == "a\\nb\\x1bä"


def test_one_line_of_it() -> None:
    plan = planned(**GIVEN)
    expected = "a notebook of alice for research, volumes: 3 rw, 1 ro, 1 in, 2 out"
    assert summary(plan) == expected
    assert wrong(plan) == ["nfs share: It is set up wrongly: spec.nfs.path is missing."]
