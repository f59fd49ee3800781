"""Plans: the tree, the steps, the links, the environment."""

from __future__ import annotations

import time
from typing import Any

import pytest

from phfs.sidecar.plan import Plan, Volume
from phfs.sidecar.steps import (
    Bind,
    Handed,
    MakeDirectory,
    MakeLink,
    MountNfs,
    MountPhfs,
    PublishEnvironment,
    SyncGit,
)
from tests.sidecar.documents import dataset, group, planned


def volume(plan: Plan, name: str) -> Volume:
    (found,) = [one for one in plan.volumes if one.id == name]
    return found


def links(plan: Plan) -> dict[str, str]:
    return {step.path: step.target for step in plan.steps if isinstance(step, MakeLink)}


def inside(plan: Plan) -> dict[str, str]:
    return {one.path: f"{one.tree} {'ro' if one.read_only else 'rw'}" for one in plan.inside}


def environment(plan: Plan) -> dict[str, str]:
    return {one.name: one.value for one in plan.environment}


def names(plan: Plan, id_: str) -> list[str]:
    return [step.name for step in plan.steps if step.volume == id_]


OWN = group("research", "ds:data", "ds:rw:disk", "ds:rw:share", "ds:code", "ds:keys", shared=False)
ALL = [
    dataset("data", "pv", {"homeSymlink": "true"}),
    dataset("disk", "hostPath"),
    dataset("share", "nfs"),
    dataset("code", "git", {"homeSymlink": "true"}, url="https://x:y@git/x#main"),
    dataset("keys", "env"),
]


def test_a_notebook() -> None:
    plan = planned(groups=[OWN], data=ALL, homeClaim="claim-alice")
    assert inside(plan) == {
        "/datasets": "datasets ro",
        "/gitsync": "gitsync ro",
        "/phfs": "phfs rw",
        "/datasets/data": "datasets/data ro",
        "/datasets/disk": "datasets/disk rw",
        "/datasets/share": "datasets/share rw",
        "/home/jovyan": "home rw",
        "/project/research": "project/research rw",
        "/run/phfs": "run ro",
    }
    assert links(plan) == {
        "home/phfs": "/phfs",
        "home/datasets": "/datasets",
        "home/research": "/project/research",
        "home/data": "/datasets/data",
        "home/code": "/datasets/code",
    }
    assert [(one.kind, one.source, one.path, one.read_only) for one in plan.handed] == [
        ("home", "claim-alice", "/pod/home/user", False),
        ("group", "project-research", "/pod/group/research", False),
        ("pv", "dataset-data", "/pod/pv/data", True),
        ("hostPath", "/mnt/disk", "/pod/hostPath/disk", False),
    ]
    assert plan.owner == (1000, 100)


def test_the_tree_comes_first_and_a_place_before_what_is_mounted_there() -> None:
    plan = planned(groups=[OWN], data=ALL, homeClaim="claim-alice")
    tree = [step for step in plan.steps if step.volume == ""]
    assert list(plan.steps[: len(tree)]) == tree
    assert {type(step) for step in tree} == {MakeDirectory, PublishEnvironment}
    made = {step.path for step in tree if isinstance(step, MakeDirectory)}
    mounts = [step for step in plan.steps if isinstance(step, (Bind, MountPhfs, MountNfs))]
    assert len(mounts) == 6
    assert {step.path for step in mounts} <= made


def test_links_wait_for_the_directory_they_are_in_and_for_what_is_made_late() -> None:
    plan = planned(groups=[OWN], data=ALL, homeClaim="claim-alice")
    assert names(plan, "home") == ["bind", "link"]
    assert names(plan, "phfs") == ["link", "phfs"]
    assert names(plan, "datasets/data") == ["link", "bind"]
    # A clone is shown by a link that is not there before the first checkout.
    assert names(plan, "datasets/code") == ["git", "link"]
    waiting = [step for step in plan.steps if isinstance(step, MakeLink) and step.volume != "home"]
    assert {step.after for step in waiting} == {("home",)}


def test_safe_mode() -> None:
    groups = [group("user", shared=True), group("research")]
    plan = planned(groups=groups, homeClaim="claim-alice", safeMode=True)
    assert inside(plan)["/home/jovyan"] == "home rw"
    assert inside(plan)["/home/jovyan/user"] == "home/user rw"
    (bind, *_) = [step for step in plan.steps if isinstance(step, Bind)]
    assert (bind.source, bind.path) == ("/pod/home/user", "home/user")
    homes = [step for step in plan.steps if isinstance(step, MakeDirectory) and step.path == "home"]
    assert [(step.uid, step.gid) for step in homes] == [(1000, 100)]
    assert environment(plan)["PRIMEHUB_SAFE_MODE_ENABLED"] == "true"
    assert environment(plan)["CHOWN_EXTRA"].startswith("/home/jovyan,/home/jovyan/user,/phfs")
    assert "home/user" not in links(plan)
    assert volume(plan, "home").why == "An empty directory, as it is in safe mode."
    assert volume(plan, "project/user").notes == (
        "There is no link /home/jovyan/user: the name belongs to the user's volume.",
    )


def test_a_notebook_without_a_user_volume_says_so() -> None:
    plan = planned()
    assert "lost at the end" in volume(plan, "home").notes[0]
    assert volume(plan, "home").why == "An empty directory: no volume of the user's is named."
    assert plan.handed == ()


def test_a_job() -> None:
    plan = planned("job", groups=[OWN], artifacts={"limitFiles": 7, "enabled": False})
    assert inside(plan)["/home/jovyan"] == "home rw"
    assert links(plan) == {
        "home/phfs": "/phfs",
        "home/datasets": "/datasets",
        "home/research": "/project/research",
    }
    assert {name: text for name, text in environment(plan).items() if name.startswith("PHJOB")} == {
        "PHJOB_NAME": "j-1",
        "PHJOB_ARTIFACT_ENABLED": "false",
        "PHJOB_ARTIFACT_LIMIT_SIZE_MB": "100",
        "PHJOB_ARTIFACT_LIMIT_FILES": "7",
        "PHJOB_ARTIFACT_RETENTION_SECONDS": "604800",
    }


def test_an_app_works_in_its_groups_volume() -> None:
    plan = planned("app", groups=[OWN])
    root = "project/research/phapplications/j-1"
    assert environment(plan)["PRIMEHUB_APP_ROOT"] == f"/{root}"
    assert links(plan) == {f"{root}/phfs": "/phfs", f"{root}/datasets": "/datasets"}
    (step, *_) = [step for step in plan.steps if step.volume == "home"]
    assert isinstance(step, MakeDirectory)
    assert (step.path, step.after, step.uid) == (root, ("project/research",), 1000)
    assert "/home/jovyan" not in inside(plan)


def test_an_app_without_a_group_volume() -> None:
    plan = planned("app")
    assert environment(plan)["PRIMEHUB_APP_ROOT"] == "/phapplications/j-1"
    assert inside(plan)["/phapplications/j-1"] == "app rw"
    assert links(plan) == {"app/phfs": "/phfs", "app/datasets": "/datasets"}


def test_a_deployment_reads_the_groups_objects_and_nothing_else() -> None:
    plan = planned("deployment", groups=[OWN], data=ALL)
    assert inside(plan) == {"/phfs": "phfs ro", "/run/phfs": "run ro"}
    (mount,) = [step for step in plan.steps if isinstance(step, MountPhfs)]
    assert mount.read_only
    assert links(plan) == {}
    assert {one.state for one in plan.volumes if one.id != "phfs"} == {"out"}
    assert "CHOWN_EXTRA" not in environment(plan)


def test_phfs_is_told_what_the_document_says_of_the_store() -> None:
    store = {
        "bucket": "b",
        "endpointUrl": "http://minio:9000",
        "region": "eu-1",
        "pathStyle": "on",
        "caBundle": "/etc/ca.pem",
        "secret": "keys",
        "options": {"timeout": 5, "dir-markers": False, "file-mode": "0664", "metadata-ttl": 0.5},
    }
    plan = planned(store=store, groups=[group("Research_A")], launch="Research_A")
    (mount,) = [step for step in plan.steps if isinstance(step, MountPhfs)]
    assert (mount.bucket, mount.group, mount.secret) == ("b", "Research_A", "/pod/store/keys")
    assert mount.options == (
        ("ca-bundle", "/etc/ca.pem"),
        ("endpoint-url", "http://minio:9000"),
        ("path-style", "on"),
        ("region", "eu-1"),
        ("dir-markers", "off"),
        ("file-mode", "0664"),
        ("metadata-ttl", "0.5"),
        ("timeout", "5"),
    )
    assert plan.handed == (
        Handed(kind="store", name="keys", source="keys", path="/pod/store/keys", read_only=True),
    )


def test_git_and_nfs() -> None:
    data = [dataset("code", "git", gitsync={"secret": "key"}), dataset("share", "nfs")]
    plan = planned(groups=[group("research", "ds:code", "ds:share")], data=data)
    (git,) = [step for step in plan.steps if isinstance(step, SyncGit)]
    assert (git.path, git.current, git.link, git.target, git.secret, git.period) == (
        "gitsync/code",
        "code",
        "datasets/code",
        "/gitsync/code/code",
        "/pod/git/code",
        600,
    )
    (nfs,) = [step for step in plan.steps if isinstance(step, MountNfs)]
    assert (nfs.server, nfs.export, nfs.path, nfs.read_only) == (
        "10.0.0.1",
        "/export",
        "datasets/share",
        True,
    )
    # The link is made by the step, so nothing is mounted there.
    assert "/datasets/code" not in inside(plan)


def test_group_names() -> None:
    groups = [
        group("Research_A", shared=True, group_id="6a3b"),
        group("research-a", shared=True),
        group("a:b", shared=True),
        group("x y", shared=True),
    ]
    plan = planned(groups=groups, launch="Research_A", homeClaim="claim-alice")
    values = environment(plan)
    assert (values["GROUP_NAME"], values["PRIMEHUB_GROUP"]) == ("Research_A", "Research_A")
    assert values["GROUP_ID"] == "6a3b"
    assert values["PRIMEHUB_GROUP_VOLUME_PATH"] == "/project/research-a"
    assert values["CHOWN_EXTRA"] == "/home/jovyan,/phfs,/project/research-a"
    assert plan.notes == ("'/project/x y' is left out of CHOWN_EXTRA, which cannot hold its name.",)
    by_name = {one.name: one for one in plan.volumes if one.kind == "group"}
    assert by_name["Research_A"].state == "rw"
    assert by_name["research-a"].why == "/project/research-a belongs to the group Research_A."
    assert by_name["a:b"].wrong


def test_a_directory_is_not_lost_to_a_group_that_is_out() -> None:
    groups = [group("a-b", shared=True), group("A_b", shared=False), group("a_b")]
    plan = planned(groups=groups)
    assert [
        (one.id, one.state) for one in plan.volumes if one.name.lower()[1:] in ("-b", "_b")
    ] == [
        ("project/a-b (A_b)", "out"),
        ("project/a-b", "rw"),
        ("project/a-b (a_b)", "out"),
    ]


def test_the_launch_groups_directory_is_nobody_elses() -> None:
    plan = planned(groups=[group("Research", shared=True)])
    assert volume(plan, "project/research (Research)").wrong
    assert "/project/research" not in inside(plan)


@pytest.mark.parametrize("kind", ["notebook", "job", "app", "deployment"])
def test_variables_are_there_without_a_group_volume(kind: str) -> None:
    values = environment(planned(kind, timezone="Asia/Taipei", grantSudo=True))
    assert values["PRIMEHUB_GROUP_VOLUME_PATH"] == "/project/research"
    assert values["PRIMEHUB_PHFS_PATH"] == "/phfs"
    assert values["JUPYTERHUB_USER"] == values["PRIMEHUB_USER"] == "alice"
    assert (values["TZ"], values["GRANT_SUDO"]) == ("Asia/Taipei", "yes")


def test_a_data_volume_named_like_a_link_of_the_platform_gets_no_link() -> None:
    data = [dataset(name, annotations={"homeSymlink": "true"}) for name in ("research", "phfs")]
    groups = [group("research", "ds:research", "ds:phfs", shared=True)]
    plan = planned(groups=groups, data=data)
    assert links(plan)["home/research"] == "/project/research"
    assert links(plan)["home/phfs"] == "/phfs"
    assert volume(plan, "datasets/research").state == "ro"
    (note,) = volume(plan, "datasets/research").notes
    assert note.startswith("There is no link /home/jovyan/research: the name belongs to the link")


def test_a_volume_that_is_refused_its_place_is_out_and_nothing_is_done_for_it() -> None:
    data = [
        dataset("etc", annotations={"mountRoot": "/", "homeSymlink": "true"}),
        dataset("inner", annotations={"mountRoot": "/datasets/outer"}),
        dataset("outer", "nfs"),
    ]
    groups = [group("research", "ds:rw:etc", "ds:rw:inner", "ds:rw:outer")]
    plan = planned(groups=groups, data=data)
    refused = {one.name: one.why for one in plan.volumes if one.wrong}
    assert refused == {
        "etc": "/etc is in /etc, which is the image's own.",
        "inner": "/datasets/outer/inner lies inside the data volume outer.",
    }
    assert {step.volume for step in plan.steps} == {"", "phfs", "home", "datasets/outer"}
    assert environment(plan)["CHOWN_EXTRA"] == "/home/jovyan,/phfs,/datasets/outer"
    assert plan.handed == ()


def test_roles_for_volumes_that_are_not_there_are_noted() -> None:
    plan = planned(groups=[group("research", "ds:gone", "ds:rw:x\n", "offline_access", "ds:")])
    assert plan.notes == ("Roles name data volumes that are not in the document: 'gone', 'x\\n'.",)


def many(count: int) -> dict[str, Any]:
    kinds = ("pv", "nfs", "hostPath", "git", "env")
    data = [
        dataset(f"d{number}", kinds[number % 5], {"homeSymlink": "true"}) for number in range(count)
    ]
    groups = [group("research", *(f"ds:rw:d{number}" for number in range(count)))]
    groups += [group(f"g{number}", "ds:d1", shared=True) for number in range(count // 10)]
    return {"data": data, "groups": groups}


def test_ten_thousand_data_volumes() -> None:
    """Takes 2 s; were it quadratic anywhere, it would be minutes."""
    begin = time.monotonic()
    plan = planned(**many(10_000))
    assert len(plan.volumes) == 2 + 10_000 + 1_001
    assert time.monotonic() - begin < 60
