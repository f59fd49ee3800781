"""Directories, links and binds below ROOT: nobody's link leads a privileged process elsewhere."""

from __future__ import annotations

import os
import stat
import subprocess
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from phfs.errors import VolumeError
from phfs.sidecar import placing
from phfs.sidecar.steps import Bind, Inside, MakeDirectory, MakeLink
from phfs.system import binds
from phfs.system.privileges import Identity

pytestmark = pytest.mark.real  # gives files away and mounts

ROOT_USER = Identity(0, 0)
USER = Identity(1000, 100)

INSIDE = [
    Inside(path="/datasets", tree="datasets", read_only=True, volume=""),
    Inside(path="/phfs", tree="phfs", read_only=False, volume="phfs"),
    Inside(path="/home/jovyan", tree="home", read_only=False, volume="home"),
]


@pytest.fixture
def root(tmp_path: Path) -> Path:
    made = tmp_path / "root"
    made.mkdir()
    return made


@pytest.fixture
def elsewhere(tmp_path: Path) -> Path:
    """Where nothing may ever change."""
    made = tmp_path / "elsewhere"
    (made / "b").mkdir(parents=True)
    return made


def directory(path: str) -> MakeDirectory:
    return MakeDirectory(path=path, uid=1000, gid=100, mode=0o751, why="")


def link(path: str, target: str = "/phfs") -> MakeLink:
    return MakeLink(path=path, target=target, why="")


def everything(place: Path) -> list[str]:
    return sorted(str(one.relative_to(place)) for one in place.rglob("*"))


def test_directories_are_made_with_owner_and_mode(root: Path) -> None:
    (root / "a").mkdir(mode=0o700)
    placing.make_directory(root, directory("a/b/c"))
    for name in ("a/b", "a/b/c"):
        found = (root / name).stat()
        assert (found.st_uid, found.st_gid, found.st_mode & 0o777) == (1000, 100, 0o751)
    assert (root / "a").stat().st_mode & 0o777 == 0o700
    placing.make_directory(root, directory("a/b/c"))


def test_directories_of_the_kubelets_become_what_they_should_be(root: Path) -> None:
    """It makes them where a container starts before the sidecar."""
    made = root / "a/b"
    made.mkdir(parents=True)
    made.chmod(0o777)
    placing.make_directory(root, directory("a/b"))
    found = made.stat()
    assert (found.st_uid, found.st_gid, found.st_mode & 0o777) == (1000, 100, 0o751)
    # A volume's own directory is its owner's to set, and so is one that a user has opened.
    made.chmod(0o777)
    placing.make_directory(root, directory("a/b"))
    os.chown(made, 0, 0)
    made.chmod(0o777)
    placing.make_directory(root, replace(directory("a/b"), volume="home"))
    assert made.stat().st_mode & 0o777 == 0o777


@pytest.mark.parametrize("at", [0, 1, 2])
def test_a_link_on_the_way_is_not_followed(root: Path, elsewhere: Path, at: int) -> None:
    names = ["a", "b", "c"]
    above = root.joinpath(*names[:at])
    above.mkdir(parents=True, exist_ok=True)
    (above / names[at]).symlink_to(elsewhere)
    before = everything(elsewhere)
    with pytest.raises(VolumeError, match=f"'{names[at]}' on the way to a/b/c is a link"):
        placing.make_directory(root, directory("a/b/c"))
    with pytest.raises(VolumeError, match="is a link"), placing.opened(root, "a/b/c"):
        pass
    with pytest.raises(VolumeError, match="is a link"):
        placing.make_link(root, link("a/b/c/phfs"), INSIDE, ROOT_USER)
    assert everything(elsewhere) == before


def test_a_file_on_the_way_is_a_failure(root: Path) -> None:
    (root / "a").touch()
    with pytest.raises(VolumeError, match="'a' on the way to a/b is no directory"):
        placing.make_directory(root, directory("a/b"))


def test_a_link_is_made_where_the_name_is_free(root: Path) -> None:
    assert placing.make_link(root, link("phfs"), INSIDE, ROOT_USER) == ""
    assert os.readlink(root / "phfs") == "/phfs"
    assert placing.make_link(root, link("phfs"), INSIDE, ROOT_USER) == ""


def test_it_belongs_to_the_user_also_in_a_directory_of_another(root: Path) -> None:
    own, others = root / "own", root / "others"
    own.mkdir()
    os.chown(own, *USER)
    others.mkdir()
    for place in ("own", "others"):
        assert placing.make_link(root, link(f"{place}/phfs"), INSIDE, USER) == ""
        assert (root / place / "phfs").lstat().st_uid == USER.uid


def test_nothing_of_the_users_is_ever_replaced(root: Path, elsewhere: Path) -> None:
    (root / "file").write_text("mine")
    (root / "directory").mkdir()
    (root / "pipe").touch()
    (root / "mine").symlink_to(elsewhere / "not there")
    (root / "inside").symlink_to("/phfs/a/file")
    (root / "home").symlink_to("/home/jovyan/not-there")
    for name in ("file", "directory", "pipe", "mine", "inside", "home"):
        kept = (root / name).lstat()
        said = placing.make_link(root, link(name, "/datasets"), INSIDE, ROOT_USER)
        assert f"There is no link {name} to /datasets" in said
        assert (root / name).lstat().st_ino == kept.st_ino
    assert (root / "file").read_text() == "mine"


@pytest.mark.parametrize("old", ["/project/old-group", "/datasets/old", "/datasets/x/../old"])
def test_a_link_of_ours_to_what_is_no_more_is_replaced(root: Path, old: str) -> None:
    (root / "datasets").mkdir()
    (root / "name").symlink_to(old)
    assert placing.make_link(root, link("name", "/datasets/new"), INSIDE, ROOT_USER) == ""
    assert os.readlink(root / "name") == "/datasets/new"
    assert everything(root) == ["datasets", "name"]


def test_what_is_still_there_is_somewhere(root: Path) -> None:
    (root / "datasets/there").mkdir(parents=True)
    there = ("/datasets/there", "/datasets", "/phfs/x", "/opt/x", "relative", "/", "/home/jovyan/x")
    assert [one for one in there if placing.leads_nowhere(root, one, INSIDE)] == []


def test_a_file_replaces_a_link_instead_of_following_it(root: Path, elsewhere: Path) -> None:
    (elsewhere / "shadow").write_text("secret")
    (root / "VOLUMES.txt").symlink_to(elsewhere / "shadow")
    with placing.opened(root, "") as here:
        placing.write_file(here, "VOLUMES.txt", b"told", mode=0o640, owner=USER)
    found = (root / "VOLUMES.txt").lstat()
    assert stat.S_ISREG(found.st_mode)
    assert (found.st_uid, found.st_gid, found.st_mode & 0o777) == (1000, 100, 0o640)
    assert (elsewhere / "shadow").read_text() == "secret"
    assert everything(root) == ["VOLUMES.txt"]


# -- binds: with the kernel --------------------------------------------------------------------


@pytest.fixture
def stage(tmp_path: Path) -> Path:
    made = tmp_path / "stage"
    made.mkdir()
    return made


@pytest.fixture
def source(tmp_path: Path) -> Path:
    made = tmp_path / "source"
    made.mkdir()
    (made / "file").write_text("there")
    return made


@pytest.fixture(autouse=True)
def unmounted(tmp_path: Path) -> Iterator[None]:
    yield
    for line in reversed(Path("/proc/self/mountinfo").read_text().splitlines()):
        path = line.split(" ")[4]
        if path.startswith(f"{tmp_path}/"):
            subprocess.run(["umount", "-l", path], check=True)


def flags(path: Path) -> int:
    return os.statvfs(path).f_flag & (os.ST_RDONLY | os.ST_NOSUID | os.ST_NODEV)


NEITHER = os.ST_NOSUID | os.ST_NODEV


@pytest.mark.parametrize("read_only", [False, True])
def test_a_bind_has_no_rights_too_many(
    root: Path, source: Path, stage: Path, *, read_only: bool
) -> None:
    (root / "a").mkdir()
    step = Bind(source=str(source), path="a", read_only=read_only, why="")
    placing.bind(root, step, stage)
    assert (root / "a/file").read_text() == "there"
    assert flags(root / "a") == NEITHER | (os.ST_RDONLY if read_only else 0)
    if read_only:
        with pytest.raises(OSError, match="Read-only file system"):
            (root / "a/new").touch()
    else:
        (root / "a/new").touch()
    # A restart: what is right stays, and is not mounted twice.
    placing.bind(root, step, stage)
    binds.unmount(root / "a")
    assert os.listdir(root / "a") == []
    assert (source / "file").exists()


def test_older_kernels_have_the_same_bind(root: Path, source: Path, stage: Path) -> None:
    (root / "a").mkdir()
    here = os.open(source, os.O_PATH), os.open(root / "a", os.O_PATH)
    binds._bind_by_stage(*here, stage, read_only=True)
    assert flags(root / "a") == NEITHER | os.ST_RDONLY
    assert os.listdir(stage) == []
    for number in here:
        os.close(number)


def test_a_bind_with_other_rights_is_made_anew(root: Path, source: Path, stage: Path) -> None:
    (root / "a").mkdir()
    for read_only in (False, True, False):
        placing.bind(root, Bind(source=str(source), path="a", read_only=read_only, why=""), stage)
        assert bool(flags(root / "a") & os.ST_RDONLY) is read_only
    binds.unmount(root / "a")
    assert os.listdir(root / "a") == []


def test_a_bind_is_not_led_elsewhere(
    root: Path, source: Path, stage: Path, elsewhere: Path
) -> None:
    (root / "a").mkdir()
    (root / "a/b").symlink_to(elsewhere)
    with pytest.raises(VolumeError, match="'b' on the way to a/b is a link"):
        placing.bind(root, Bind(source=str(source), path="a/b", read_only=False, why=""), stage)
    assert everything(elsewhere) == ["b"]


def test_what_is_not_handed_over_is_named(root: Path, stage: Path, elsewhere: Path) -> None:
    (root / "a").mkdir()
    (root / "link").symlink_to(elsewhere)
    for missing in (root / "nowhere", root / "link"):
        with pytest.raises(VolumeError, match=f"does not hand over {missing}"):
            placing.bind(root, Bind(source=str(missing), path="a", read_only=False, why=""), stage)


@pytest.mark.parametrize("name", ["file", "deep/er/file", "link"])
def test_files_that_came_before_their_volume_are_not_hidden(
    root: Path, source: Path, stage: Path, elsewhere: Path, name: str
) -> None:
    (root / "a/empty/too").mkdir(parents=True)
    written = root / "a" / name
    written.parent.mkdir(parents=True, exist_ok=True)
    if name == "link":
        written.symlink_to(elsewhere)
    else:
        written.touch()
    step = Bind(source=str(source), path="a", read_only=False, why="")
    with pytest.raises(VolumeError, match="files that were written") as refused:
        placing.bind(root, step, stage)
    assert "Move them away" in refused.value.advice
    assert os.path.lexists(written)
    written.unlink()
    placing.bind(root, step, stage)
    assert (root / "a/file").read_text() == "there"
    binds.unmount(root / "a")


def test_what_a_bind_leaves_out_is_named(source: Path) -> None:
    assert placing.not_shown(str(source)) == ""
    other = source / "disk/b"
    other.mkdir(parents=True)
    subprocess.run(["mount", "-t", "tmpfs", "none", other], check=True)
    try:
        assert placing.not_shown(str(source)).startswith(
            "What is mounted below it is not shown: disk/b. "
        )
    finally:
        subprocess.run(["umount", "-l", other], check=True)
