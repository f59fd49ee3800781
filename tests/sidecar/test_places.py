"""Where data volumes are shown, and who wins a place."""

from __future__ import annotations

import pytest

from phfs.sidecar.dataset import DataVolume
from phfs.sidecar.places import Place, Places, settle

OURS = {"/phfs": "the group's objects", "/home/jovyan/phfs": "a link of the platform's"}


def volume(path: str, kind: str = "pv") -> DataVolume:
    root, _, name = path.rpartition("/")
    return DataVolume(name, kind, root=root)


def settled(*volumes: DataVolume) -> Places:
    return settle(volumes, OURS, "/home/jovyan")


@pytest.mark.parametrize(
    ("path", "tree"),
    [
        ("/datasets/a", "datasets/a"),
        ("/datasets/more/a", "datasets/more/a"),
        ("/mnt/a", "roots/mnt/a"),
        ("/mnt/data/a", "roots/mnt+data/a"),
        ("/home/jovyan/a", "roots/home+jovyan/a"),
        ("/a", "roots/+/a"),
    ],
)
def test_places(path: str, tree: str) -> None:
    assert settled(volume(path)).given == {"a": Place(path, tree)}


@pytest.mark.parametrize(
    "path",
    ["/etc", "/home", "/var", "/datasets", "/phfs", "/proc", "/opt", "/usr/local", "/etc/ssh",
     "/phfs/x", "/lib/x", "/dev/shm", "/home/jovyan", "/home/jovyan/phfs", "/run", "/var/lib",
     "/var/run/phfs"],
)  # fmt: skip
def test_nothing_of_the_image_or_of_ours_is_hidden(path: str) -> None:
    found = settled(volume(path))
    assert found.given == {}
    assert path in found.refused[path.rpartition("/")[2]]


def test_a_volume_inside_another_loses() -> None:
    found = settled(volume("/datasets/a/b"), volume("/datasets/a"), volume("/datasets/ab"))
    assert found.refused == {"b": "/datasets/a/b lies inside the data volume a."}
    assert set(found.given) == {"a", "ab"}


def test_what_is_inside_another_root_is_there_in_the_tree_too() -> None:
    found = settled(volume("/mnt/a", "git"), volume("/mnt/data/b"), volume("/mnt2/c"))
    assert [place.tree for place in found.given.values()] == [
        "roots/mnt/a",
        "roots/mnt2/c",
        "roots/mnt/data/b",
    ]
    assert found.parents == (Place("/datasets", "datasets"), Place("/mnt", "roots/mnt"))


@pytest.mark.parametrize("root", ["", "/home/jovyan", "/home/jovyan/x", "/home", "/var", "/opt"])
def test_links_need_a_directory_of_their_own(root: str) -> None:
    found = settled(volume(f"{root}/a", "git"))
    assert found.refused["a"].startswith("A git volume needs a directory of its own")


@pytest.mark.parametrize("root", ["/datasets", "/datasets/more", "/mnt", "/opt/code"])
def test_links_have_one_here(root: str) -> None:
    assert set(settled(volume(f"{root}/a", "git")).given) == {"a"}
