"""Manifests read and written, and those of ``docker/kubernetes``."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from phfs.errors import DocumentError
from phfs.sidecar import document as documents
from phfs.sidecar.manifests import TEMPLATES, Manifest, dump, load
from phfs.sidecar.plan import plan
from phfs.sidecar.render import handed_over
from tests.sidecar.documents import dataset, group, loaded, raw
from tests.sidecar.test_commands import COMMAND
from tests.support.kubernetes import problem_of

ROOT = Path(__file__).resolve().parents[2]
KUBERNETES = ROOT / "docker/kubernetes"
FILES = sorted(path.name for path in KUBERNETES.glob("*.yaml"))
KINDS = ("app", "deployment", "job", "notebook")


def pod(kind: str) -> Manifest:
    """An object of the kind with a pod of one container in it."""
    inner: Manifest = {"spec": {"containers": [{"name": "main"}]}}
    for part in reversed(TEMPLATES[kind]):
        inner = {part: inner}
    return {"kind": kind, "metadata": {"name": "x"}, **inner}


@pytest.mark.parametrize("kind", TEMPLATES)
def test_the_pod_is_found_in_every_kind(kind: str) -> None:
    others = [{"kind": "Service", "metadata": {"name": "y"}}, pod(kind)]
    found = load(dump(others).encode(), "pod.yaml")
    assert (found.name, found.namespace, found.manifests) == ("x", None, others)
    assert found.spec["containers"][0]["name"] == "main"


SPEC = "spec: {containers: [{name: a}]}}"


@pytest.mark.parametrize(
    ("text", "sentences"),
    [
        ("kind: Service", ["pod.yaml has no object with a pod: give one of "]),
        ("kind: Pod\n---\nkind: Job", ["pod.yaml has 2 objects with a pod: give one of "]),
        ("[Pod]", ["pod.yaml has no object with a pod: give one of "]),
        ("kind: Pod\nkind: Pod", ["kind: is given twice."]),
        ("kind: &a Pod\n---\nkind: *a", ["pod.yaml is refused: kind has an alias of what"]),
        (
            "kind: Job",
            ["metadata.name: is missing; the Secrets", "spec.template.spec: is missing."],
        ),
        (
            """{kind: Pod, metadata: {name: x}, spec: {containers: [{name: a}, b,
            {name: c, command: x, volumeMounts: [y]}], volumes: 5}}""",
            [
                "spec.containers[1].name: is missing.",
                "spec.containers[2].volumeMounts: has a value of a wrong kind.",
                "spec.containers[2].command: has a value of a wrong kind.",
                "spec.volumes: give a list.",
            ],
        ),
        ("{kind: Pod, metadata: {name: x}, spec: {}}", ["spec.containers: is missing."]),
        (
            "{kind: Pod, metadata: {name: x, annotations: 5, labels: []}, " + SPEC,
            ["metadata.annotations: give a mapping.", "metadata.labels: give a mapping."],
        ),
        (
            "{kind: Job, metadata: {name: x}, spec: {template: {metadata: [], " + SPEC + "}}",
            ["spec.template.metadata: give a mapping."],
        ),
        (
            """{kind: Pod, metadata: {name: x}, spec: {initContainers: {}, containers:
            [{name: a, command: '', envFrom: [{secretRef: 5}]}]}}""",
            [
                "spec.containers[0].envFrom[0].secretRef: give a mapping.",
                "spec.containers[0].command: has a value of a wrong kind.",
                "spec.initContainers: give a list.",
            ],
        ),
        (
            "metadata: 5\n---\n5\n---\n{kind: Pod, metadata: {name: x}, " + SPEC,
            ["object 1, metadata: give a mapping.", "object 2: give a mapping."],
        ),
        (
            "{kind: Pod, metadata: {name: Bad Name/, namespace: 5}, " + SPEC,
            ["metadata.name: give at most 239 small", "metadata.namespace: give at most 63 small"],
        ),
        (
            "{kind: Pod, metadata: {name: " + "x" * 64 + "}, " + SPEC,
            ["metadata.name: give at most 239 small letters"],
        ),
        *(
            (
                f"""{{kind: Pod, metadata: {{name: x}}, spec: {{containers: [{{name: a}}],
                terminationGracePeriodSeconds: {grace}}}}}""",
                ["spec.terminationGracePeriodSeconds: give a whole number of seconds."],
            )
            for grace in ("x", "true", "-1", "1.5")
        ),
        (
            "{kind: List, items: [{kind: Pod}]}",
            ["pod.yaml has its objects in a List: give the one with the pod alone."],
        ),
    ],
)
def test_what_is_wrong_is_named_by_its_path(text: str, sentences: list[str]) -> None:
    with pytest.raises(DocumentError) as caught:
        load(text.encode(), "pod.yaml")
    said = caught.value.problems or (caught.value.why,)
    assert [line[: len(start)] for line, start in zip(said, sentences, strict=True)] == sentences


def test_texts_come_back_as_they_were() -> None:
    texts = ["on", "1", "1e3", "a\nb", "a \n b", "\ttab\n", "2026-01-01", "é", "", "~", "#x", "- x"]
    once = [{"kind": "Pod", "metadata": {"name": "x"}, "spec": {"containers": [{"name": "m"}]},
             "texts": texts, "again": texts}]  # fmt: skip
    text = dump(once)
    assert "&" not in text
    assert load(text.encode(), "x").manifests == once


def test_what_is_handed_over_has_the_same_plan() -> None:
    groups = [
        group("research", "ds:a", "ds:rw:b", "ds:missing", shared=False),
        group("everyone", "ds:tokens"),
        group("vision", "ds:rw:photos", "ds:drafts", shared=True),
    ]
    data = [
        dataset("a"),
        dataset("b", "nfs"),
        dataset("tokens", "env"),
        dataset("photos", "hostPath", {"mountRoot": "/mnt"}),
        dataset("drafts", annotations={"launchGroupOnly": "true"}),
        dataset("nobody", "env"),
    ]
    whole = loaded(raw(groups=groups, data=data, timezone="Asia/Taipei", store={"secret": "s"}))
    handed = documents.load(dump([handed_over(whole)]).encode(), "handed.yaml")
    names = {one.metadata.name for one in handed.data}
    assert names == {"a", "b", "tokens", "photos", "drafts"}
    expected, found = plan(whole), plan(handed)
    assert [one for one in expected.volumes if one.name != "nobody"] == list(found.volumes)
    for part in ("inside", "handed", "steps", "environment", "notes", "owner"):
        assert getattr(found, part) == getattr(expected, part)


# -- docker/kubernetes ---------------------------------------------------------------------------


def objects(name: str) -> list[Manifest]:
    return list(yaml.safe_load_all((KUBERNETES / name).read_text()))


def spec_of(kind: str) -> Manifest:
    found: Any = objects(f"{kind}.yaml")[-1]
    for part in TEMPLATES[found["kind"]]:
        found = found[part]
    spec: Manifest = found["spec"]
    return spec


@pytest.mark.real
def test_they_are_up_to_date(tmp_path: Path) -> None:
    environ = {**os.environ, "PHFS_SIDECAR": str(COMMAND)}
    subprocess.run([ROOT / "scripts/manifests", tmp_path], env=environ, check=True, timeout=120)
    for kind in KINDS:
        made = (tmp_path / f"{kind}.yaml").read_text()
        assert made == (KUBERNETES / f"{kind}.yaml").read_text(), "run scripts/manifests"


def test_there_is_one_for_each_kind_of_pod() -> None:
    assert set(FILES) == {*(f"{kind}.yaml" for kind in KINDS), "network.yaml", "store.yaml"}


@pytest.mark.parametrize("name", FILES)
def test_kubernetes_takes_them(name: str) -> None:
    for one in objects(name):
        assert problem_of(one) == ""


def test_the_check_is_strict() -> None:
    (*_, manifest) = objects("notebook.yaml")
    manifest["spec"]["containers"][0]["volumeMounts"][0]["mountPropagation"] = 7
    assert "mountPropagation" in problem_of(manifest)


@pytest.mark.parametrize("kind", KINDS)
def test_the_main_container_has_no_rights_it_does_not_need(kind: str) -> None:
    spec = spec_of(kind)
    assert spec["automountServiceAccountToken"] is False
    for name in ("hostNetwork", "hostPID", "hostIPC", "shareProcessNamespace"):
        assert name not in spec
    for container in spec["containers"]:
        security = container["securityContext"]
        assert security["allowPrivilegeEscalation"] is False
        assert security["capabilities"]["drop"] == ["ALL"]
        assert security["seccompProfile"] == {"type": "RuntimeDefault"}
        assert kind == "notebook" or security["runAsNonRoot"] is True
        assert {"memory"} <= set(container["resources"]["limits"])
        mounted = {mount["name"] for mount in container["volumeMounts"]}
        assert mounted == {"phfs-volumes"}


@pytest.mark.parametrize("kind", KINDS)
def test_images_have_versions(kind: str) -> None:
    spec = spec_of(kind)
    for container in (*spec["initContainers"], *spec["containers"]):
        assert ":" in container["image"].rpartition("/")[2]
        assert not container["image"].endswith(":latest")


def test_the_network_is_closed_but_for_the_store_and_names() -> None:
    (policy,) = objects("network.yaml")
    ports = {port["port"] for rule in policy["spec"]["egress"] for port in rule["ports"]}
    assert ports == {9000, 53}
    assert all(rule["to"] for rule in policy["spec"]["egress"])
    # Ingress is whose the main containers' ports are: a hub's proxy, an app's users.
    assert policy["spec"]["policyTypes"] == ["Egress"]
    assert "ingress" not in policy["spec"]
    (selected,) = policy["spec"]["podSelector"]["matchExpressions"]
    assert set(selected["values"]) == set(KINDS)


def test_what_the_network_has_as_comments_is_right() -> None:
    """Rules for whoever needs more, and an example of a policy for what may reach the pods."""
    text = (KUBERNETES / "network.yaml").read_text()
    (plain,) = yaml.safe_load_all(text)
    egress, ingress = yaml.safe_load_all(text.replace("\n#:", "\n"))
    assert problem_of(egress) == problem_of(ingress) == ""
    assert len(egress["spec"]["egress"]) > len(plain["spec"]["egress"])
    assert ingress["spec"]["policyTypes"] == ["Ingress"]


def test_every_rendered_pod_is_selected() -> None:
    (policy,) = objects("network.yaml")
    (selected,) = policy["spec"]["podSelector"]["matchExpressions"]
    for kind in KINDS:
        found: Any = objects(f"{kind}.yaml")[-1]
        for part in TEMPLATES[found["kind"]]:
            found = found[part]
        assert found["metadata"]["labels"][selected["key"]] == kind


def test_nothing_secret_is_in_them() -> None:
    for name in FILES:
        for one in objects(name):
            for key, text in one.get("stringData", {}).items():
                if is_secret(key):
                    assert text == "replace-me", f"{name}: {key}"


def is_secret(key: str) -> bool:
    return any(word in key.lower() for word in ("access", "token", "secret"))
