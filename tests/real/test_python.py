"""``phfs://`` and its neighbours on a real MinIO and a real mount: the same files in every way."""

from __future__ import annotations

import asyncio
import errno
import os
import pickle
import subprocess
import sys
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any

import fsspec  # type: ignore[import-untyped]
import pandas as pd  # type: ignore[import-untyped]
import pyarrow as pa  # type: ignore[import-untyped]
import pyarrow.dataset as ds  # type: ignore[import-untyped]
import pytest

from tests.real.conftest import MountWith, new_place
from tests.support.docs import blocks
from tests.support.minio import Keys, MinioServer
from tests.support.mounted import Mounted, Place
from tests.support.processes import poll_until

pytestmark = pytest.mark.real

PATIENCE = 60.0


def variables(place: Place) -> dict[str, str]:
    """What a program is given to reach the bucket by itself."""
    return {
        "PHFS_BUCKET": place.bucket,
        "PHFS_GROUP": place.group,
        "AWS_ENDPOINT_URL": place.endpoint_url,
        "AWS_REGION": "us-east-1",
        "AWS_ACCESS_KEY_ID": place.keys.access_key,
        "AWS_SECRET_ACCESS_KEY": place.keys.secret_key,
    }


@pytest.fixture(autouse=True)
def nothing_set(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """No keys and no place of whoever runs the tests."""
    for name in os.environ:
        if name.startswith(("AWS_", "PHFS_")) and name not in ("PHFS_MINIO", "PHFS_KUBELET"):
            monkeypatch.delenv(name)
    monkeypatch.setenv("HOME", str(tmp_path))


def give(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in variables(place).items():
        monkeypatch.setenv(name, value)


@pytest.fixture(params=["bucket", "mount"])
def mount(
    request: pytest.FixtureRequest, mount_with: MountWith, monkeypatch: pytest.MonkeyPatch
) -> Mounted:
    """A mount; this program has keys for its bucket, or only sees the mount."""
    made = mount_with("--metadata-ttl=0")
    if request.param == "bucket":
        give(made.place, monkeypatch)
    else:
        monkeypatch.setenv("PRIMEHUB_PHFS_PATH", str(made.path))
    return made


def filesystem(**options: Any) -> Any:
    return fsspec.filesystem("phfs", **options)


def test_pandas_reads_and_writes(mount: Mounted) -> None:
    table = pd.DataFrame({"number": range(1000), "word": ["ü"] * 1000})
    table.to_parquet("phfs:///new/table.parquet")
    table.to_csv("phfs:///new/table.csv", index=False)
    assert sorted(mount.keys("new/t")) == ["new/table.csv", "new/table.parquet"]
    pd.testing.assert_frame_equal(pd.read_parquet("phfs:///new/table.parquet"), table)
    pd.testing.assert_frame_equal(pd.read_csv("phfs:///new/table.csv"), table)
    pd.testing.assert_frame_equal(pd.read_csv(mount.path / "new/table.csv"), table)
    with pytest.raises(FileNotFoundError, match=r"none\.csv"):
        pd.read_csv("phfs:///none.csv")


def test_pyarrow_datasets(mount: Mounted) -> None:
    table = pa.table({"day": ["mon", "tue", "mon"], "value": [1, 2, 3]})
    phfs = filesystem()
    ds.write_dataset(table, "/days", filesystem=phfs, format="parquet", partitioning=["day"])
    assert sorted(key for key in mount.keys("days/") if not key.endswith("/")) == [
        "days/mon/part-0.parquet",
        "days/tue/part-0.parquet",
    ]
    for found in (
        ds.dataset("/days", filesystem=phfs, format="parquet", partitioning=["day"]),
        ds.dataset("fsspec+phfs:///days", format="parquet", partitioning=["day"]),
    ):
        assert found.count_rows() == 3
        assert found.to_table(filter=ds.field("day") == "mon")["value"].to_pylist() == [1, 3]


def test_names_are_found(mount: Mounted) -> None:
    for key in ("a/1.txt", "a/b/2.txt", "a/b/3.csv", "ab/4.txt", "top.txt"):
        mount.put(key, key.encode())
    phfs = filesystem()
    assert sorted(phfs.ls("phfs:///", detail=False)) == ["/a", "/ab", "/top.txt"]
    assert sorted(phfs.ls("/a/", detail=False)) == ["/a/1.txt", "/a/b"]
    assert phfs.glob("phfs:///**/*.txt") == ["/a/1.txt", "/a/b/2.txt", "/ab/4.txt", "/top.txt"]
    assert phfs.glob("/a*/*.txt") == ["/a/1.txt", "/ab/4.txt"]
    assert phfs.find("/a") == ["/a/1.txt", "/a/b/2.txt", "/a/b/3.csv"]
    assert list(phfs.walk("/a")) == [("/a", ["b"], ["1.txt"]), ("/a/b", [], ["2.txt", "3.csv"])]
    info = phfs.info("/a/b/3.csv")
    assert (info["name"], info["size"], info["type"]) == ("/a/b/3.csv", 9, "file")
    assert phfs.info("/a")["type"] == phfs.info("phfs:///")["type"] == "directory"
    assert (phfs.isdir("/"), phfs.isdir("a"), phfs.isfile("top.txt")) == (True, True, True)
    assert not phfs.exists("/none")
    assert phfs.cat_ranges(["/top.txt", "/a/1.txt"], [0, 2], [3, 4]) == [b"top", b"1."]
    assert phfs.unstrip_protocol("/a/1.txt") == "phfs:///a/1.txt"
    files = fsspec.open_files("phfs:///a/**/*.txt", "rt")
    with files[0] as first:
        assert first.read() == "a/1.txt"


def test_an_empty_group_is_a_directory(mount: Mounted) -> None:
    phfs = filesystem()
    assert phfs.ls("/") == phfs.find("/") == phfs.glob("/*") == []
    assert phfs.isdir("/")
    assert phfs.exists("phfs:///")


def test_removing_ends_at_the_directorys_boundary(mount: Mounted) -> None:
    kept = ["a.txt", "ab/1", "abc", "b/1"]
    for key in ("a/1", "a/2/3", *kept):
        mount.put(key, b"x")
    phfs = filesystem()
    with pytest.raises(OSError, match=r"directory|Is a directory"):
        phfs.rm("/a")
    phfs.rm("/a", recursive=True)
    assert mount.keys() == kept
    with pytest.raises(FileNotFoundError):
        phfs.rm("/a", recursive=True)
    with pytest.raises(PermissionError, match="directory of the whole group"):
        phfs.rm("phfs:///", recursive=True)
    phfs.rm(phfs.glob("/ab*"), recursive=True)
    assert mount.keys() == ["a.txt", "b/1"]
    phfs.rm(["/a.txt", "/b/1"])
    assert phfs.find("/") == []


def test_moving(mount: Mounted) -> None:
    for key in ("old/1", "old/deep/2", "older/3", "file"):
        mount.put(key, key.encode())
    phfs = filesystem()
    phfs.mv("/file", "/moved")
    phfs.mv("/old", "/new", recursive=True)
    assert mount.keys() == ["moved", "new/1", "new/deep/2", "older/3"]
    assert mount.get("new/deep/2") == b"old/deep/2"
    with pytest.raises(FileNotFoundError):
        phfs.mv("/none", "/x")
    phfs.mv("/new", "/older")
    phfs.mv("/moved", "/older/")
    assert mount.keys() == ["older/3", "older/moved", "older/new/1", "older/new/deep/2"]
    phfs.mv("/older/moved", "/")
    phfs.mv("/moved", "/older/3")
    assert mount.get("older/3") == b"file"


def test_a_move_into_itself_is_refused(mount: Mounted) -> None:
    keys = ["d/1", "d/deep/2", "d/deep/d/3", "top.txt"]
    for key in keys:
        mount.put(key, key.encode())
    phfs = filesystem()
    for source, target in (
        ("/d", "/d"),
        ("/d", "/d/"),
        ("/d/", "/d"),
        ("phfs:///d", "d"),
        ("/d", "/d/sub"),
        ("/d", "/d/deep"),
        ("/d", "/"),
        ("/d/deep", "/d"),
        ("/top.txt", "/"),
        ("/top.txt", "/top.txt/x"),
    ):
        with pytest.raises(OSError, match="which is itself or in it") as refused:
            phfs.mv(source, target)
        assert refused.value.errno == errno.EINVAL, (source, target)
    for root in ("/", "", "phfs:///"):
        for target in ("/backup", "/x"):
            with pytest.raises(PermissionError, match="directory of the whole group"):
                phfs.mv(root, target)
    assert mount.keys() == keys


def test_a_move_ends_where_something_else_is(mount: Mounted) -> None:
    keys = ["d/1", "e/d/2", "top.txt"]
    for key in keys:
        mount.put(key, key.encode())
    phfs = filesystem()
    with pytest.raises(FileExistsError, match="/e/d is a directory already"):
        phfs.mv("/d", "/e")
    with pytest.raises(OSError, match=r"top\.txt"):
        phfs.mv("/d", "/top.txt")
    with pytest.raises(OSError, match=r"top\.txt"):
        phfs.mv("/d", "/top.txt/x/y")
    with pytest.raises(OSError, match=r"top\.txt"):
        phfs.mv("/d/1", "/top.txt/x")
    with pytest.raises(IsADirectoryError, match="recursive=True"):
        phfs.mv("/d", "/f", recursive=False)
    with pytest.raises(OSError, match="no maxdepth"):
        phfs.mv("/d", "/f", maxdepth=1)
    with pytest.raises(OSError, match="one after the other"):
        phfs.mv(["/d"], ["/f"])
    assert mount.keys() == keys


def test_names_are_no_patterns(mount: Mounted) -> None:
    for key in ("data[1].csv", "data1.csv", "data2.csv", "star*/x", "star1/x", "q"):
        mount.put(key, b"x")
    phfs = filesystem()
    phfs.pipe("/q?versionId=3", b"new")
    assert mount.get("q") == b"x"
    assert phfs.cat_file("/q?versionId=3") == mount.get("q?versionId=3") == b"new"
    phfs.rm("/q?versionId=3")
    phfs.rm("/data[1].csv")
    phfs.rm(["/star*"], recursive=True)
    assert mount.keys() == ["data1.csv", "data2.csv", "q", "star1/x"]
    for pattern in ("/data[1].csv", "/data*", ["/data?.csv"]):
        with pytest.raises(FileNotFoundError, match="Give it what glob finds"):
            phfs.rm(pattern, recursive=True)
    with pytest.raises(OSError, match="no maxdepth"):
        phfs.rm("/star1", recursive=True, maxdepth=1)
    phfs.mv("/data2.csv", "/data[1].csv")
    phfs.mv("/data[1].csv", "/moved")
    phfs.rm(path for path in ("/q", "/star1/x"))
    assert mount.keys() == ["data1.csv", "moved"]


def test_no_file_is_written_over_a_directory(mount: Mounted, tmp_path: Path) -> None:
    keys = ["d/1", "d/e/2", "top.txt"]
    for key in keys:
        mount.put(key, key.encode())
    local = tmp_path / "local"
    local.write_bytes(b"x")
    phfs = filesystem()
    uses: tuple[Callable[[], object], ...] = (
        lambda: phfs.open("/d", "wb"),
        lambda: phfs.open("/d/", "wb"),
        lambda: phfs.open("/none/", "wb"),
        lambda: phfs.open("/d/e", "xb"),
        lambda: phfs.pipe("/d", b"x"),
        lambda: phfs.pipe("/d/", b"x"),
        lambda: phfs.pipe("/d", bytes(11 << 20), chunksize=5 << 20),
        lambda: phfs.touch("/d/e"),
        lambda: phfs.put_file(str(local), "/d/e"),
        lambda: phfs.cp_file("/top.txt", "/d"),
        lambda: phfs.open("/", "wb"),
        lambda: phfs.pipe("phfs:///", b"x"),
    )
    for number, use in enumerate(uses):
        with pytest.raises(OSError, match=r"irectory|exists already") as refused:
            use()
        assert refused.value.errno in (errno.EISDIR, errno.EEXIST), number
    below: tuple[Callable[[str], object], ...] = (
        lambda path: phfs.open(path, "wb"),
        lambda path: phfs.pipe(path, b"x"),
        lambda path: phfs.cp_file("/d/1", path),
        lambda path: phfs.makedirs(path),
    )
    for number, make in enumerate(below):
        for path in ("/top.txt/x", "/top.txt/x/y"):
            with pytest.raises(OSError, match=r"top\.txt") as refused:
                make(path)
            assert refused.value.errno in (errno.ENOTDIR, errno.EEXIST), number
    assert mount.keys() == keys
    phfs.copy("/d", "/copied", recursive=True)
    phfs.copy("/d/", "/copied", recursive=True)
    phfs.pipe("/d/e/2", b"again")
    assert phfs.find("/") == [f"/{key}" for key in ("copied/1", "copied/e/2", *keys)]
    assert phfs.cat_file("/d/e/2") == b"again"


def test_directories_are_made_and_removed(mount: Mounted) -> None:
    phfs = filesystem()
    phfs.makedirs("/d/e", exist_ok=True)
    phfs.makedirs("/d/e", exist_ok=True)
    with pytest.raises(FileExistsError):
        phfs.mkdir("/d/e")
    assert phfs.isdir("/d/e")
    assert phfs.ls("/d/e") == []
    assert phfs.find("/") == []
    assert (mount.path / "d/e").is_dir()
    with pytest.raises(OSError, match="not empty") as refused:
        phfs.rmdir("/d")
    assert refused.value.errno == errno.ENOTEMPTY
    phfs.rmdir("/d/e")
    assert not phfs.exists("/d/e")
    phfs.pipe("/d/f/file", b"x")
    phfs.mv("/d", "/g", recursive=True)
    phfs.rm("/g", recursive=True)
    assert mount.keys() == []


@pytest.mark.parametrize("path", ["phfs:///../other/x", "phfs://x", "/a//b", "/a/./b"])
def test_nothing_outside_the_group_is_named(mount: Mounted, path: str) -> None:
    phfs = filesystem()
    for use in (phfs.cat, phfs.ls, phfs.open, phfs.rm, phfs.glob, phfs.info):
        with pytest.raises(OSError, match="Give") as refused:
            use(path)
        assert refused.value.errno == errno.EINVAL
    with pytest.raises(OSError, match="Give"):
        phfs.mv("/x", path)


def test_a_file_that_is_there_is_not_made_again(mount: Mounted) -> None:
    phfs = filesystem()
    with phfs.open("/lock", "xb") as file:
        file.write(b"mine")
    with pytest.raises(FileExistsError), phfs.open("/lock", "xb") as file:
        file.write(b"")
    assert mount.get("lock") == b"mine"


WORKER = """
import multiprocessing, pickle, sys
import fsspec

def read(number, fs=None):
    return (fs or inherited).cat(f"/{number}"), (fs or inherited).ls("/", detail=False)

inherited = fsspec.filesystem("phfs")
assert inherited.cat("/0") == b"0"
opened = inherited.open("/1", "rb")
for method in sys.argv[1:]:
    with multiprocessing.get_context(method).Pool(3) as pool:
        work = [(number, None if method == "fork" else inherited) for number in range(6)]
        for number, (content, names) in enumerate(pool.starmap(read, work)):
            assert content == str(number).encode()
            assert len(names) == 6, names
assert pickle.loads(pickle.dumps(inherited)).cat("/2") == b"2"
assert opened.read() == b"1"
"""


def test_it_goes_to_other_processes(mount: Mounted, tmp_path: Path) -> None:
    for number in range(6):
        mount.put(str(number), str(number).encode())
    script = tmp_path / "worker.py"
    # A process that is spawned runs the file again.
    head, _, body = WORKER.partition("inherited = ")
    lines = ("inherited = " + body).splitlines()
    main = "\n".join(["if __name__ == '__main__':", *(f"    {line}" for line in lines)])
    script.write_text(f"{head}\n{main}\n")
    done = subprocess.run(
        [sys.executable, script, "fork", "spawn"],
        capture_output=True,
        text=True,
        check=False,
        timeout=PATIENCE,
    )
    assert done.returncode == 0, done.stderr


# -- with keys ------------------------------------------------------------------------------------


@pytest.fixture
def place(minio: MinioServer, monkeypatch: pytest.MonkeyPatch) -> Place:
    """A group this program has keys for, mounted nowhere."""
    made = new_place(minio)
    give(made, monkeypatch)
    return made


@pytest.fixture
def other(minio: MinioServer) -> Place:
    """Another group."""
    return new_place(minio)


def options(place: Place) -> dict[str, str]:
    return {
        "group": place.group,
        "access_key_id": place.keys.access_key,
        "secret_access_key": place.keys.secret_key,
    }


def test_keys_of_the_environment_go_nowhere(place: Place) -> None:
    phfs = filesystem(group=place.group)
    assert phfs.ls("/") == []
    told = (phfs.to_json(), repr(phfs), pickle.dumps(phfs).decode("latin-1"), str(vars(phfs)))
    assert not [text for text in told if place.keys.secret_key in text]


def test_it_can_be_awaited(place: Place) -> None:
    async def use() -> bytes:
        phfs = filesystem(asynchronous=True)
        session = await phfs.set_session()
        await phfs._pipe_file("/a/b", b"x")
        assert await phfs._ls("/a", detail=False) == ["/a/b"]
        content: bytes = await phfs._cat_file("/a/b")
        with pytest.raises(OSError, match="which is itself or in it"):
            await phfs._mv_file("/a/b", "/a/b")
        with pytest.raises(PermissionError, match="directory of the whole group"):
            await phfs._rm_file("/")
        with pytest.raises(FileNotFoundError, match="Give it what glob finds"):
            await phfs._rm("/a/*")
        await phfs._mv_file("/a/b", "/a/c")
        assert await phfs._find("/") == ["/a/c"]
        await session.close()
        return content

    assert asyncio.run(use()) == b"x"


def test_two_groups_side_by_side(place: Place, other: Place) -> None:
    pd.DataFrame({"a": [1]}).to_csv("phfs:///x.csv")
    pd.DataFrame({"a": [2]}).to_csv("phfs:///x.csv", storage_options=options(other))
    ours, theirs = filesystem(), filesystem(**options(other))
    assert ours.cat("/x.csv") != theirs.cat("/x.csv")
    assert ours.ls("/", detail=False) == theirs.ls("/", detail=False) == ["/x.csv"]
    assert pickle.loads(pickle.dumps(theirs)).cat("/x.csv") == theirs.cat("/x.csv")
    ours.rm("/x.csv")
    assert theirs.exists("/x.csv")
    # These keys are not for the other group, and say so.
    uses: tuple[Callable[[], object], ...] = (
        lambda: pd.read_csv("phfs:///x.csv", storage_options={"group": other.group}),
        lambda: filesystem(group=other.group).ls("/"),
        lambda: filesystem(group=other.group).pipe("/y", b"y"),
    )
    for use in uses:
        with pytest.raises(PermissionError, match="Ask whoever manages the bucket"):
            use()


def test_what_is_wrong_is_said(place: Place, minio: MinioServer) -> None:
    for wrong, sentence, kind in (
        (
            {"access_key_id": "nobody-1", "secret_access_key": "wrong-secret"},
            "Check the access key",
            errno.EACCES,
        ),
        # These keys may not ask whether there is such a bucket.
        ({"bucket": "no-such-bucket"}, "Ask whoever manages the bucket", errno.EACCES),
        (
            {
                "bucket": "no-such-bucket",
                "access_key_id": minio.access_key,
                "secret_access_key": minio.secret_key,
            },
            "there is no bucket 'no-such-bucket' at http://127.0.0.1:.*Check the bucket's name",
            errno.EIO,
        ),
        ({"endpoint_url": "http://127.0.0.1:9"}, "http://127.0.0.1:9 cannot be used", errno.EIO),
    ):
        phfs = filesystem(**wrong)
        for use in (phfs.cat, phfs.exists, phfs.isfile, phfs.isdir, phfs.info, phfs.ls, phfs.rm):
            with pytest.raises(OSError, match=sentence) as told:
                use("/x")
            assert not isinstance(told.value, FileNotFoundError)
            assert told.value.errno == kind
            assert "phfs:///" in str(told.value)
            assert "wrong-secret" not in str(told.value)
    with pytest.raises(OSError, match="no storage option 'grup'; is 'group' meant"):
        filesystem(grup="x")
    with pytest.raises(IsADirectoryError):
        filesystem().pipe("/dir/", b"x")
    with pytest.raises(PermissionError, match="reserved"):
        filesystem().pipe("/.phfs/x", b"x")
    with pytest.raises(OSError, match="at most 255"):
        filesystem().pipe("/" + "n" * 256, b"x")
    assert filesystem().find("/") == []


def test_read_only_names_what_it_keeps(place: Place) -> None:
    filesystem().pipe({"/top.txt": b"x", "/d/1": b"x"})
    phfs = filesystem(read_only=True)
    uses: tuple[tuple[str, Callable[[], object]], ...] = (
        ("x", lambda: phfs.pipe("/x", b"x")),
        ("top.txt", lambda: phfs.rm("/top.txt")),
        ("top.txt", lambda: phfs.rm_file("/top.txt")),
        ("d/1", lambda: phfs.rm("/d", recursive=True)),
        ("moved", lambda: phfs.mv("/top.txt", "/moved")),
    )
    for name, use in uses:
        with pytest.raises(OSError, match=f"phfs:///{name} cannot be changed") as refused:
            use()
        assert refused.value.errno == errno.EROFS
    assert phfs.find("/") == ["/d/1", "/top.txt"]


def test_the_groups_directory_is_called_by_its_name(mount: Mounted) -> None:
    phfs = filesystem()
    for remove in (phfs.rm_file, phfs.rmdir, phfs.rm, phfs.delete):
        with pytest.raises(PermissionError, match="phfs:/// is the directory of the whole group"):
            remove("/")


def counted(phfs: Any, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The requests that follow, by their names."""
    asked: list[str] = []
    below = phfs.fs
    call = below._call_s3

    async def counting(method: str, *args: Any, **kwargs: Any) -> Any:
        asked.append(method)
        return await call(method, *args, **kwargs)

    monkeypatch.setattr(below, "_call_s3", counting)
    return asked


def test_one_listing_tells_a_directory(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    phfs = filesystem()
    # With directories only, every one of which a listing by levels would go through.
    phfs.pipe({f"/many/{number}/x": b"" for number in range(20)})
    phfs.mkdir("/empty")
    asked = counted(phfs, monkeypatch)
    assert phfs.isdir("/many")
    with pytest.raises(OSError, match="not empty"):
        phfs.rmdir("/many")
    with pytest.raises(IsADirectoryError):
        phfs.rm("/many")
    assert asked == ["list_objects_v2"] * 3
    phfs.rmdir("/empty")
    assert asked == [*["list_objects_v2"] * 4, "delete_objects"]
    with pytest.raises(FileNotFoundError):
        phfs.rmdir("/empty")


def test_a_move_deletes_only_what_it_has_copied(
    place: Place, s3: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    phfs = filesystem()
    phfs.pipe({"/d/1": b"old", "/d/2": b"old", "/d/e/3": b"old"})
    below = phfs.fs
    call = below._call_s3

    def put(name: str) -> None:
        s3.put_object(Bucket=place.bucket, Key=f"{place.prefix}{name}", Body=b"meanwhile")

    async def meddling(method: str, *args: Any, **kwargs: Any) -> Any:
        answer = await call(method, *args, **kwargs)
        if method == "copy_object" and kwargs["Key"].endswith("new/1"):
            put("d/1")
            put("d/late")
        if method == "copy_object" and kwargs["Key"].endswith("new/e/3"):
            s3.delete_object(Bucket=place.bucket, Key=f"{place.prefix}d/2")
        return answer

    with monkeypatch.context() as patched:
        patched.setattr(below, "batch_size", 1)
        patched.setattr(below, "_call_s3", meddling)
        with pytest.raises(OSError, match="phfs:///d/1 was written again while it was moved"):
            phfs.mv("/d", "/new")
    assert phfs.cat(phfs.find("/d")) == {"/d/1": b"meanwhile", "/d/late": b"meanwhile"}
    assert phfs.cat_file("/new/1") == phfs.cat_file("/new/e/3") == b"old"


def test_links_end(place: Place) -> None:
    phfs = filesystem()
    phfs.pipe("/top.txt", b"for all")
    link = phfs.sign("/top.txt", expiration=7 * 86_400)
    assert "X-Amz-Expires=604800" in link
    with urllib.request.urlopen(link, timeout=PATIENCE) as answer:
        assert answer.read() == b"for all"
    for seconds in (10**7, 7 * 86_400 + 1, 0):
        with pytest.raises(OSError, match=r"phfs:///top\.txt: a link .* from 1 to 604800") as told:
            phfs.sign("/top.txt", expiration=seconds)
        assert told.value.errno == errno.EINVAL


def test_types_are_those_of_a_mount(place: Place, minio: MinioServer, s3: Any) -> None:
    phfs = filesystem()
    phfs.pipe("/x.csv", b"1,2\n")
    with phfs.open("/y.json", "wb", block_size=5 << 20) as file:
        file.write(bytes(11 << 20))  # in parts
    for name, kind in (("x.csv", "text/csv"), ("y.json", "application/json")):
        found = s3.head_object(Bucket=place.bucket, Key=f"{place.prefix}{name}")
        assert found["ContentType"] == kind


def test_keys_in_a_file_are_followed(
    place: Place, other: Place, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "keys"

    def write(keys: Keys) -> None:
        coming = tmp_path / "coming"
        coming.write_text(
            f"[default]\naws_access_key_id = {keys.access_key}\n"
            f"aws_secret_access_key = {keys.secret_key}\n"
        )
        coming.replace(file)

    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    write(other.keys)
    monkeypatch.setenv("PHFS_CREDENTIALS_FILE", str(file))
    phfs = filesystem()
    with pytest.raises(PermissionError):
        phfs.ls("/")
    write(place.keys)

    def may() -> bool:
        try:
            return bool(phfs.ls("/") == [])
        except PermissionError:
            return False

    poll_until(may, PATIENCE, lambda: "the new keys are not used")


def test_a_mount_that_is_named(mount_with: MountWith, monkeypatch: pytest.MonkeyPatch) -> None:
    made = mount_with("--metadata-ttl=0")
    phfs = filesystem(mount=str(made.path))
    phfs.pipe("/a/b", b"x")
    assert made.get("a/b") == b"x"
    with pytest.raises(OSError, match="an object cannot be appended to") as refused:
        phfs.open("/a/b", "ab")
    assert refused.value.errno == errno.EOPNOTSUPP
    assert made.get("a/b") == b"x"
    assert "cannot be appended to" in phfs.cat("/.phfs/errors").decode()
    file = phfs.open("/seeks", "wb")
    file.write(b"1" * 100_000)
    file.seek(10)
    file.write(b"2" * 10)
    with pytest.raises(OSError, match="the next byte expected was at offset") as refused:
        file.close()
    assert refused.value.errno == errno.ESPIPE
    with pytest.raises(OSError, match="A mount cannot be used with asynchronous"):
        filesystem(mount=str(made.path), asynchronous=True)
    with pytest.raises(OSError, match="PHFS is not mounted at"):
        filesystem(mount=str(made.path.parent))
    monkeypatch.setenv("PRIMEHUB_PHFS_PATH", str(made.path.parent))
    with pytest.raises(OSError, match="Set PHFS_BUCKET and PHFS_GROUP"):
        filesystem()


# -- the page ------------------------------------------------------------------------------------


def test_the_page_has_examples_of_every_way() -> None:
    text = "".join(it.text for it in blocks("docs/how-to/python.md") if it.kind == "python")
    for way in ("phfs:///", "fsspec", "s3fs", "fs.S3FileSystem", "boto3", "pandas", "phfs/data"):
        assert way in text
