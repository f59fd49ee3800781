"""Where the files are: what the program says, then a bucket with keys, then a mount."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from phfs.config import MountConfig
from phfs.errors import ConfigError, Invalid, MountError
from phfs.fsspec.places import place
from phfs.system.mounts import Mount

PLACE = {"PHFS_BUCKET": "data", "PHFS_GROUP": "My_Group"}
KEYS = {"PHFS_ACCESS_KEY_ID": "AKID", "PHFS_SECRET_ACCESS_KEY": "secret"}


MOUNTED = Path("/mnt/group")

THERE = [
    Mount(1, "ext4", Path("/phfs"), "/dev/sda", read_only=False),
    Mount(2, "fuse.phfs", MOUNTED, "s3://data/groups/my-group/", read_only=False),
]
"""A machine with a mount at a place of its own, and something else at /phfs."""

ITS_MOUNT = {"PRIMEHUB_PHFS_PATH": str(MOUNTED)}


def found(
    home: Path, environ: Mapping[str, str] | None = None, **options: Any
) -> MountConfig | Path:
    return place(options, {"HOME": str(home), **(environ or {})}, lambda: THERE)


def bucket_of(found: MountConfig | Path) -> tuple[str, str]:
    assert isinstance(found, MountConfig)
    return found.bucket, found.prefix


def test_a_bucket_with_keys_goes_before_a_mount(tmp_path: Path) -> None:
    there = ITS_MOUNT
    assert bucket_of(found(tmp_path, {**there, **PLACE, **KEYS})) == ("data", "groups/my-group/")
    assert found(tmp_path, {**there, **PLACE}) == MOUNTED
    assert found(tmp_path, {**there, **KEYS}) == MOUNTED
    assert found(tmp_path, there) == MOUNTED


@pytest.mark.parametrize(
    "keys",
    [
        {"AWS_ACCESS_KEY_ID": "AKID"},
        {"PHFS_CREDENTIALS_FILE": "/etc/hostname"},
        {"AWS_PROFILE": "work"},
        {"AWS_WEB_IDENTITY_TOKEN_FILE": "/token"},
    ],
)
def test_keys_from_wherever_count(tmp_path: Path, keys: dict[str, str]) -> None:
    there = {**ITS_MOUNT, **PLACE, **keys}
    assert bucket_of(found(tmp_path, there)) == ("data", "groups/my-group/")


def test_keys_in_the_shared_file_count(tmp_path: Path) -> None:
    (tmp_path / ".aws").mkdir()
    (tmp_path / ".aws/credentials").write_text("[default]\n")
    there = {**ITS_MOUNT, **PLACE}
    assert bucket_of(found(tmp_path, there)) == ("data", "groups/my-group/")


def test_what_the_program_says_goes_before_all(tmp_path: Path) -> None:
    there = {**ITS_MOUNT, **PLACE, **KEYS}
    assert bucket_of(found(tmp_path, there, group="other")) == ("data", "groups/other/")
    own = found(tmp_path, there, bucket="mine", prefix="a/", read_only=True, timeout=5)
    assert bucket_of(own) == ("mine", "a/")
    assert isinstance(own, MountConfig)
    assert (own.read_only, own.timeout) == (True, 5.0)
    assert found(tmp_path, there, mount=str(MOUNTED)) == MOUNTED
    # pandas says so when it tries again; it changes nothing.
    assert found(tmp_path, ITS_MOUNT, anon=True) == MOUNTED


def test_only_a_mount_of_phfs_is_one(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="no group is mounted at /phfs") as caught:
        found(tmp_path)
    assert "PHFS_BUCKET" in caught.value.advice
    assert "storage_options" in caught.value.advice
    with pytest.raises(MountError, match="PHFS is not mounted at /phfs"):
        found(tmp_path, mount="/phfs")


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"grop": "x"}, "no storage option 'grop'; is 'group' meant?"),
        ({"key": "x"}, "is 'access_key_id' meant?"),
        ({"secret": "x"}, "is 'secret_access_key' meant?"),
        ({"zzz": "x"}, "'zzz'; there are bucket, group, "),
        ({"mount": "/mnt/group", "bucket": "x"}, "'mount' is given with bucket"),
    ],
)
def test_wrong_options_are_named(tmp_path: Path, options: dict[str, Any], sentence: str) -> None:
    with pytest.raises(Invalid) as caught:
        found(tmp_path, **options)
    assert sentence in caught.value.why


def test_a_wrong_value_is_refused_as_for_a_mount(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="endpoint"):
        found(tmp_path, PLACE, endpoint_url="not a url")


def test_what_is_not_used_is_not_imported() -> None:
    """The import of a program that uses a mount costs no SDK."""
    script = (
        "import sys, phfs.fsspec\n"
        "heavy = {'s3fs', 'aiobotocore', 'botocore', 'pyfuse3', 'trio'} & set(sys.modules)\n"
        "assert not heavy, heavy"
    )
    subprocess.run([sys.executable, "-c", script], check=True)
