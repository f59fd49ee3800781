"""``phfs-sidecar render``: the sidecar in a pod."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from phfs.errors import DocumentError
from phfs.sidecar import wrapping
from phfs.sidecar.manifests import MOST_NAME, Manifest, dump, load
from phfs.sidecar.plan import plan
from phfs.sidecar.render import Choices, render
from tests.sidecar.documents import SECRET, dataset, group, loaded, raw
from tests.sidecar.test_commands import call
from tests.sidecar.test_hostile import VALUES, paths, with_value
from tests.support.kubernetes import problem_of
from tests.support.processes import poll_until

POD: Manifest = {
    "apiVersion": "v1",
    "kind": "Pod",
    "metadata": {"name": "p", "labels": {"a": "b"}},
    "spec": {
        "containers": [{
            "name": "main",
            "image": "i:1",
            "command": ["serve", "--all"],
            "volumeMounts": [{"name": "own", "mountPath": "/cache"}],
            "env": [{"name": "GROUP_ID", "value": "mine"}],
        }],
        "volumes": [{"name": "own", "emptyDir": {}}],
        "initContainers": [{"name": "first", "image": "i:1"}],
        "somethingNew": {"kept": True},
    },
}  # fmt: skip
RICH: dict[str, Any] = {
    "groups": [
        group("research", "ds:a", "ds:rw:b", "ds:code", "ds:tokens", "ds:d.2", shared=False),
    ],
    "data": [
        dataset("a"),
        dataset("b", "nfs"),
        dataset("code", "git", gitsync={"secret": "key"}),
        dataset("tokens", "env"),
        dataset("d.2", "hostPath"),
        dataset("nobody", "env"),
    ],
    "store": {"secret": "keys"},
}


def changed(**spec: Any) -> Manifest:
    return {**POD, "spec": {**POD["spec"], **spec}}


def rendered(
    pod: Manifest = POD, kind: str = "notebook", *, classic: bool = False, **given: Any
) -> list[Manifest]:
    document = loaded(raw(kind, **{**RICH, **given}))
    found = load(dump([pod]).encode(), "pod.yaml")
    return render(document, found, Choices(image="phfs:1", classic=classic))


def problems(pod: Manifest, kind: str = "notebook", *, classic: bool = False) -> Sequence[str]:
    with pytest.raises(DocumentError) as caught:
        rendered(pod, kind, classic=classic)
    assert caught.value.why == "The sidecar cannot be added to p:"
    return caught.value.problems


def spec_of(manifests: Sequence[Manifest]) -> Manifest:
    spec: Manifest = manifests[-1]["spec"]
    return spec


def main_of(manifests: Sequence[Manifest]) -> Manifest:
    main: Manifest = spec_of(manifests)["containers"][-1]
    return main


def test_the_sidecar_is_the_first_to_start_and_stays() -> None:
    sidecar, first = spec_of(rendered())["initContainers"]
    assert (sidecar["name"], first["name"]) == ("phfs-sidecar", "first")
    assert sidecar["restartPolicy"] == "Always"
    assert sidecar["startupProbe"]["exec"]["command"] == ["phfs-sidecar", "ready"]
    assert sidecar["readinessProbe"]["httpGet"]["port"] == 9807
    assert "--listen=9807" in sidecar["command"]
    assert sidecar["securityContext"]["privileged"] is True
    assert sidecar["resources"]["limits"] == {"memory": "256Mi"}


@pytest.mark.parametrize("classic", [False, True])
def test_no_failed_probe_ends_the_sidecar_below_a_running_pod(classic: bool) -> None:
    spec = spec_of(rendered(classic=classic))
    containers = [*spec["containers"], *spec.get("initContainers", ())]
    (sidecar,) = (one for one in containers if one["name"] == "phfs-sidecar")
    assert "readinessProbe" in sidecar
    assert "livenessProbe" not in sidecar


@pytest.mark.parametrize(
    ("given", "expected"), [(64, "256Mi"), (128, "256Mi"), ("512", "640Mi"), (4096, "4224Mi")]
)
def test_the_container_has_room_for_the_mounts_memory(given: object, expected: str) -> None:
    spec = spec_of(rendered(store={"options": {"memory-limit": given}}))
    assert spec["initContainers"][0]["resources"]["limits"] == {"memory": expected}


@pytest.mark.parametrize("kind", ["notebook", "job", "app", "deployment"])
def test_the_policy_of_the_network_finds_the_pod(kind: str) -> None:
    assert rendered(kind=kind)[-1]["metadata"]["labels"] == {"a": "b", "phfs/kind": kind}
    inner = {"metadata": None, "spec": POD["spec"]}
    pod = {"kind": "Deployment", "metadata": {"name": "p"}, "spec": {"template": inner}}
    found = rendered(pod, kind)[-1]
    assert found["spec"]["template"]["metadata"]["labels"] == {"phfs/kind": kind}
    assert "labels" not in found["metadata"]


def test_only_the_sidecar_has_what_the_pod_hands_over() -> None:
    spec = spec_of(rendered())
    sidecar, main = spec["initContainers"][0], spec["containers"][0]
    volumes = {one["name"]: one for one in spec["volumes"]}
    at = {one["mountPath"]: volumes[one["name"]] for one in sidecar["volumeMounts"]}
    for handed in plan(loaded(raw(**RICH))).handed:
        fields = {
            "store": ("secret", "secretName"),
            "git": ("secret", "secretName"),
            "hostPath": ("hostPath", "path"),
        }
        kind, field = fields.get(handed.kind, ("persistentVolumeClaim", "claimName"))
        held = at[handed.path][kind][field]
        assert held == handed.source
    assert {one["name"] for one in main["volumeMounts"]} == {"own", "phfs-volumes"}
    assert "own" not in {one["name"] for one in sidecar["volumeMounts"]}
    for one in volumes.values():
        if "secret" in one and "document" not in one["name"]:
            assert one["secret"]["optional"] is True
            assert one["secret"]["defaultMode"] == 0o400


def test_every_main_container_sees_every_piece_in_order() -> None:
    two = changed(containers=[*POD["spec"]["containers"], {"name": "second", "image": "i:1"}])
    expected = [(one.path, one.tree, one.read_only) for one in plan(loaded(raw(**RICH))).inside]
    for container in spec_of(rendered(two))["containers"]:
        mounts = [one for one in container["volumeMounts"] if one["name"] == "phfs-volumes"]
        seen = [(o["mountPath"], o["subPath"], o.get("readOnly", False)) for o in mounts]
        assert seen == expected
        assert {one["mountPropagation"] for one in mounts} == {"HostToContainer"}


def test_what_is_secret_is_in_secrets_only() -> None:
    document, environment, pod = rendered()
    assert SECRET in str(environment["stringData"]["TOKENS_TOKEN"])
    assert SECRET not in str(pod)
    assert document["kind"] == environment["kind"] == "Secret"
    assert "nobody" not in document["stringData"]["pod.yaml"]
    main = main_of([pod])
    assert main["envFrom"] == [{"secretRef": {"name": environment["metadata"]["name"]}}]
    # What a container sets itself goes before what comes from elsewhere: Kubernetes' own rule.
    assert main["env"] == POD["spec"]["containers"][0]["env"]


def test_what_the_pod_has_is_kept() -> None:
    manifests = rendered()
    spec = spec_of(manifests)
    assert spec["somethingNew"] == {"kept": True}
    assert spec["volumes"][0] == POD["spec"]["volumes"][0]
    assert spec["containers"][0]["command"] == ["serve", "--all"]
    assert manifests[-1]["metadata"]["labels"]["a"] == "b"


@pytest.mark.parametrize("classic", [False, True])
@pytest.mark.parametrize("kind", ["notebook", "job", "app", "deployment"])
def test_again_changes_nothing(kind: str, classic: bool) -> None:
    pod = changed(restartPolicy="Never") if kind == "job" else POD
    once = rendered(pod, kind, classic=classic)
    found = load(dump(once).encode(), "pod.yaml")
    document = loaded(raw(kind, **RICH))
    assert dump(render(document, found, Choices(image="phfs:1", classic=classic))) == dump(once)
    for one in once:
        cleaned = json.loads(json.dumps(one))
        cleaned["spec"] = {k: v for k, v in one.get("spec", {}).items() if k != "somethingNew"}
        if one["kind"] == "Secret":
            del cleaned["spec"]
        assert problem_of(cleaned) == ""


def test_from_one_form_to_the_other() -> None:
    document = loaded(raw("job", **RICH))
    pod = changed(restartPolicy="Never")
    for classic in (True, False):
        before = load(dump(rendered(pod, "job", classic=not classic)).encode(), "pod.yaml")
        found = render(document, before, Choices(image="phfs:1", classic=classic))
        assert dump(found) == dump(rendered(pod, "job", classic=classic))


def test_the_input_is_not_changed() -> None:
    found = load(dump([POD]).encode(), "pod.yaml")
    before = dump(found.manifests)
    render(loaded(raw(**RICH)), found, Choices(image="phfs:1"))
    assert dump(found.manifests) == before


def test_the_secrets_are_in_the_pods_namespace() -> None:
    pod = {**POD, "metadata": {"name": "p", "namespace": "hub"}}
    assert [one["metadata"].get("namespace") for one in rendered(pod)] == ["hub"] * 3


@pytest.mark.parametrize(
    ("own", "drain", "expected"), [(None, None, 75), (30, 100, 150), (600, None, 600)]
)
def test_the_grace_period_has_room_for_the_drain(
    own: int | None, drain: int | None, expected: int
) -> None:
    pod = changed(terminationGracePeriodSeconds=own) if own else POD
    store = {"options": {"drain-seconds": drain}} if drain else {}
    assert spec_of(rendered(pod, store=store))["terminationGracePeriodSeconds"] == expected


def test_volumes_have_names_kubernetes_takes_each_its_own() -> None:
    names = ["d.2", "d-2", "x" * 60 + "1", "x" * 60 + "2"]
    groups = [group("research", *(f"ds:{name}" for name in names))]
    data = [dataset(name) for name in names]
    volumes = [one["name"] for one in spec_of(rendered(groups=groups, data=data))["volumes"]]
    assert len(set(volumes)) == len(volumes)
    assert max(map(len, volumes)) <= 63
    assert all(name.replace("-", "").isalnum() and name == name.lower() for name in volumes)


# -- jobs and the classic form -------------------------------------------------------------------


def test_a_job_runs_what_keeps_its_artifacts() -> None:
    pod = changed(restartPolicy="Never")
    main = main_of(rendered(pod, "job"))
    assert main["command"] == ["/run/phfs/phfs-artifacts", "--", "serve", "--all"]
    assert main["workingDir"] == "/home/jovyan"
    without = main_of(rendered(pod, "job", artifacts={"enabled": False}))
    assert without["command"] == ["serve", "--all"]


def test_the_classic_form_is_an_ordinary_container() -> None:
    spec = spec_of(rendered(classic=True))
    assert [one["name"] for one in spec["containers"]] == ["phfs-sidecar", "main"]
    sidecar = spec["containers"][0]
    assert "restartPolicy" not in sidecar
    assert "startupProbe" not in sidecar
    assert not any(word.startswith("--until") for word in sidecar["command"])
    assert spec["containers"][1]["command"][-2:] == ["serve", "--all"]


def test_in_the_classic_form_a_job_ends_its_sidecar() -> None:
    spec = spec_of(rendered(changed(restartPolicy="Never"), "job", classic=True))
    sidecar, main = spec["containers"]
    at = {mount["name"]: mount["mountPath"] for mount in sidecar["volumeMounts"]}
    assert f"--until={at['phfs-end']}/ended" in sidecar["command"]
    at = {mount["name"]: mount["mountPath"] for mount in main["volumeMounts"]}
    assert f"{at['phfs-end']}/ended" == wrapping.ENDED
    assert main["command"][4:] == ["/run/phfs/phfs-artifacts", "--", "serve", "--all"]


def local(words: Sequence[str], directory: Path) -> list[str]:
    """A wrapped command that waits and tells in ``directory`` instead of /run."""
    return [word.replace("/run/phfs", f"{directory}/run") for word in words]


@pytest.mark.real
@pytest.mark.parametrize(
    ("script", "after_failure", "code", "says"),
    [
        ("exit 0", False, 0, True),
        ("exit 4", False, 4, False),
        ("exit 4", True, 4, True),
        ("kill -KILL $$", True, 137, True),
    ],
)
def test_the_wrapping_waits_runs_and_says(
    script: str, after_failure: bool, code: int, says: bool, tmp_path: Path
) -> None:
    ran = tmp_path / "ran"
    command = ["sh", "-c", f": >{ran}; {script}"]
    words = local(wrapping.waiting_and_saying(command, after_failure=after_failure), tmp_path)
    (tmp_path / "run").mkdir()
    (tmp_path / "run-end").mkdir()
    volumes = tmp_path / "run/VOLUMES.txt"
    volumes.write_text("Being put in place\n  rw phfs\n")
    process = subprocess.Popen(words)
    try:
        # It looks once a second; while it waits nothing may have run.
        with pytest.raises(subprocess.TimeoutExpired):
            process.wait(1.5)
        assert not ran.exists()
        volumes.write_text("In place\n  rw Being put in place\n")
        assert process.wait(60) == code
        assert ran.exists()
        assert (tmp_path / "run-end/ended").exists() is says
    finally:
        process.kill()


def test_the_wrapping_passes_the_end_on(tmp_path: Path) -> None:
    for name in ("run", "run-end"):
        (tmp_path / name).mkdir()
    (tmp_path / "run/VOLUMES.txt").write_text("In place\n")
    ran = tmp_path / "ran"
    script = f"trap 'exit 9' TERM; : >{ran}; while :; do sleep 0.1; done"
    words = wrapping.waiting_and_saying(["sh", "-c", script], after_failure=True)
    process = subprocess.Popen(local(words, tmp_path))
    try:
        poll_until(ran.exists, 60, lambda: "it did not start")
        process.terminate()
        assert process.wait(60) == 9
    finally:
        process.kill()


# -- what stands in the way ----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("path", "word"),
    [
        ("/phfs", "'phfs' (/phfs)"),
        ("/phfs/x", "'phfs' (/phfs)"),
        ("/home/jovyan/", "'home' (/home/jovyan)"),
        ("/datasets/a/x", "'datasets/a' (/datasets/a)"),
        ("/run/phfs", "'run' (/run/phfs)"),
    ],
)
def test_nothing_is_put_over_what_the_pod_has(path: str, word: str) -> None:
    main = {**POD["spec"]["containers"][0], "volumeMounts": [{"name": "own", "mountPath": path}]}
    sentence = problems(changed(containers=[main]))[0]
    assert sentence.startswith("spec.containers[0].volumeMounts[0].mountPath: ")
    assert "'own'" in sentence
    assert word in sentence


def test_a_pod_may_have_something_of_its_own_in_the_home() -> None:
    mount = {"name": "own", "mountPath": "/home/jovyan/.cache"}
    main = {**POD["spec"]["containers"][0], "volumeMounts": [mount]}
    assert mount in main_of(rendered(changed(containers=[main])))["volumeMounts"]


def test_names_of_the_sidecars_are_refused() -> None:
    own = changed(volumes=[{"name": "phfs-mine", "emptyDir": {}}])
    assert problems(own)[0].startswith("spec.volumes[0].name: 'phfs-mine' is the sidecar's")


def test_a_job_needs_its_command() -> None:
    pod = changed(containers=[{"name": "main", "image": "i:1"}], restartPolicy="Never")
    assert problems(pod, "job")[0].startswith("spec.containers[0].command: is missing;")


def test_the_classic_form_of_what_ends_has_one_container() -> None:
    two = [*POD["spec"]["containers"], {"name": "second", "image": "i:1", "command": ["x"]}]
    pod = changed(containers=two, restartPolicy="OnFailure")
    assert "has 2 containers" in problems(pod, classic=True)[0]


def test_a_secret_that_kubernetes_does_not_take_is_refused() -> None:
    research = group("research", "ds:e")
    long = dataset("e", "env", variables={"A": "x" * 600_000, "B": "x" * 600_000})
    with pytest.raises(DocumentError) as caught:
        rendered(groups=[research], data=[long])
    (sentence,) = caught.value.problems
    assert sentence.startswith("the Secret p-phfs-env: would have 1,200,")
    assert "fewer or shorter variables" in sentence
    groups = [research, *(group(f"{'g' * 300}{number}") for number in range(3_000))]
    with pytest.raises(DocumentError) as caught:
        rendered(groups=groups, data=[])
    (sentence,) = caught.value.problems
    assert sentence.startswith("the Secret p-phfs-document: would have 1,")


def test_secrets_of_the_longest_name_have_names_kubernetes_takes() -> None:
    longest = "a." * (MOST_NAME // 2) + "a"
    secrets = rendered({**POD, "metadata": {"name": longest}})[:2]
    assert max(len(one["metadata"]["name"]) for one in secrets) == 253
    with pytest.raises(DocumentError) as caught:
        rendered({**POD, "metadata": {"name": f"{longest}a"}})
    assert caught.value.problems[0].startswith("metadata.name: give at most 239")


def test_a_pod_needs_a_container_of_its_own() -> None:
    pod = rendered()[-1]
    pod["spec"]["containers"][0]["name"] = "phfs-main"
    assert problems(pod)[0].startswith("spec.containers: has none but the sidecar's;")


def test_what_has_one_anchor_is_changed_apart() -> None:
    two = [{**POD["spec"]["containers"][0], "name": name} for name in ("a", "b")]
    shared = yaml.safe_dump(changed(containers=two))
    assert "&id" in shared
    document = loaded(raw(**RICH))
    found = render(document, load(shared.encode(), "pod.yaml"), Choices(image="phfs:1"))
    assert found == rendered(changed(containers=two))


# -- whatever is given ---------------------------------------------------------------------------


PODS = [
    POD,
    rendered()[-1],
    rendered(classic=True)[-1],
    {
        "kind": "CronJob",
        "metadata": {"name": "p", "namespace": "n", "annotations": {}, "labels": {}},
        "spec": {"jobTemplate": {"spec": {"template": {
            "metadata": {"annotations": {"a": "b"}},
            "spec": {**POD["spec"], "restartPolicy": "Never", "terminationGracePeriodSeconds": 5},
        }}}},
    },
]  # fmt: skip
PLACES = [(pod, path) for pod in PODS for path in paths(pod)]


HELD = {kind: loaded(raw(kind, **RICH)) for kind in ("notebook", "job")}


def tried(text: bytes, kind: str, *, classic: bool) -> list[Manifest] | DocumentError:
    try:
        return render(HELD[kind], load(text, "pod.yaml"), Choices(image="i:1", classic=classic))
    except DocumentError as error:
        return error


@given(st.sampled_from(PLACES), VALUES, st.sampled_from(["notebook", "job"]), st.booleans())
@settings(max_examples=400, deadline=None)
def test_any_value_in_any_place(
    place: tuple[Manifest, tuple[Any, ...]], value: Any, kind: str, classic: bool
) -> None:
    pod = with_value(place[0], place[1], value)
    text = json.dumps(pod).encode()
    once = tried(text, kind, classic=classic)
    if isinstance(once, DocumentError):
        assert all("\n" not in sentence for sentence in (once.why, *once.problems))
        return
    assert tried(dump(once).encode(), kind, classic=classic) == once


@pytest.mark.parametrize("classic", [False, True])
@pytest.mark.parametrize("empty", [None, []], ids=["null", "empty"])
def test_lists_that_are_empty_stay_as_they_are(empty: Any, classic: bool) -> None:
    of_pod = ("initContainers", "volumes")
    of_containers = ("volumeMounts", "envFrom")
    spec = {**POD["spec"], **dict.fromkeys(of_pod, empty)}
    empties = dict.fromkeys(of_containers, empty)
    init = {"name": "first", "image": "i:1", **empties}
    main = {"name": "main", "image": "i:1", "command": ["serve"], **empties}
    for changes in ({}, {"initContainers": [init], "containers": [main]}):
        pod = {**POD, "spec": {**spec, **changes}}
        once = tried(json.dumps(pod).encode(), "notebook", classic=classic)
        assert not isinstance(once, DocumentError)
        assert tried(dump(once).encode(), "notebook", classic=classic) == once


def test_user_namespaces_are_refused() -> None:
    assert problems(changed(hostUsers=False))[0].startswith("spec.hostUsers: is false;")


# -- the command ---------------------------------------------------------------------------------


def test_the_command(tmp_path: Path) -> None:
    document, pod = tmp_path / "doc.yaml", tmp_path / "pod.yaml"
    document.write_text(json.dumps(raw(**RICH)))
    pod.write_text(yaml.safe_dump(POD))
    done = call("render", document, pod, "--image=x:2", "--port=9999")
    assert (done.returncode, done.stderr) == (0, b"")
    assert call(
        "render", document, "-", "--image=x:2", "--port=9999", given=done.stdout
    ).stdout == (done.stdout)
    sidecar = list(yaml.safe_load_all(done.stdout))[-1]["spec"]["initContainers"][0]
    assert sidecar["image"] == "x:2"
    assert "--listen=9999" in sidecar["command"]


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["render"], "DOC is missing"),
        (["render", "x"], "POD is missing"),
        (["render", "-", "-"], "cannot both be standard input"),
        (["render", "a", "b", "--port=x"], "--port 'x' is wrong"),
        (["render", "a", "b", "--image"], "--image needs a value: give the name of an image."),
        (["render", "a", "b", "--image="], "--image '' is wrong: give the name of an image."),
        (["render", "a", "b", "--image=a b"], "--image 'a b' is wrong: give the name of"),
        (["render", "/nonexistent/doc.yaml", "b"], "cannot be read: No such file or directory."),
    ],
)
def test_a_wrong_call(arguments: list[str], sentence: str) -> None:
    done = call(*arguments)
    assert done.returncode == 2
    assert sentence in done.stderr.decode()
