"""A mount with keys that ``phfs provision`` made: all of the group, nothing beside it."""

from __future__ import annotations

import errno
import os
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path
from xml.etree.ElementTree import fromstring

import pytest
from botocore.credentials import Credentials
from botocore.exceptions import ClientError
from mypy_boto3_s3 import S3Client

from phfs.core.objects import ETag
from phfs.s3.client import S3Store
from phfs.s3.copying import copy_object
from phfs.s3.options import S3Options
from phfs.s3.prefix import PrefixedStore
from tests.real.conftest import MountWith
from tests.support.effort import Effort
from tests.support.minio import MinioServer, s3_client
from tests.support.mounted import PHFS_MOUNT, Mounted, Place, is_mounted
from tests.support.provisioned import provision, provisioned_place
from tests.support.recorder import Asked, recording

pytestmark = pytest.mark.real

PATIENCE = 60.0
MEBIBYTE = 1024**2
PART = 5 * MEBIBYTE
TAGS = "a=1&b=two"


@pytest.fixture(scope="module")
def place(minio: MinioServer) -> Place:
    """A group with keys as the command makes them, in a bucket with another group's objects."""
    return provisioned_place(minio, minio.new_bucket(), "mine")


@pytest.fixture(scope="module")
def foreign(minio: MinioServer, place: Place) -> Iterator[str]:
    """The key of an object of another group, whose name begins as this one's."""
    key = "groups/mine-not/secret.txt"
    client = s3_client(minio.endpoint_url, minio.access_key, minio.secret_key)
    client.put_object(Bucket=place.bucket, Key=key, Body=b"secret")
    yield key
    client.close()


@pytest.fixture
def own_s3(place: Place) -> Iterator[S3Client]:
    """A client with the group's keys."""
    client = s3_client(place.endpoint_url, *place.keys)
    yield client
    client.close()


def do_everything(mounted: Mounted) -> None:
    """Each operation that a mount has, with a request to the store for each kind there is."""
    root, s3 = mounted.path, mounted.s3
    large = os.urandom(2 * PART + 1)
    (root / "small").write_bytes(b"small")
    (root / "large").write_bytes(large)
    assert (root / "large").read_bytes() == large
    assert (root / "small").read_bytes() == b"small"
    (root / "small").write_bytes(b"again")
    (root / "empty").touch()
    with (root / "empty").open("ab") as file:
        file.write(b"not any more")
    os.truncate(root / "empty", 0)
    with pytest.raises(FileExistsError):
        (root / "small").open("xb")
    with (root / "late").open("wb") as file:
        file.write(large)
        file.flush()
        os.fsync(file.fileno())
        file.write(b"and more")
    assert mounted.get("late") == large + b"and more"
    (root / "a/b").mkdir(parents=True)
    for number in range(30):
        (root / f"a/b/{number}").write_bytes(b"%d" % number)
    s3.put_object_tagging(
        Bucket=mounted.bucket,
        Key=mounted.prefix + "small",
        Tagging={"TagSet": [{"Key": "a", "Value": "1"}]},
    )
    os.rename(root / "small", root / "a/renamed")
    assert tags_of(mounted, "a/renamed") == {"a": "1"}
    os.rename(root / "late", root / "large")
    os.rename(root / "a", root / "c")
    assert sorted(os.listdir(root / "c/b"), key=int) == [str(number) for number in range(30)]
    assert (root / "c/renamed").read_bytes() == b"again"
    with (root / "given up").open("wb") as file:
        file.write(large)
        os.unlink(root / "given up")
    for number in range(30):
        os.unlink(root / f"c/b/{number}")
    os.rmdir(root / "c/b")
    with pytest.raises(FileNotFoundError):
        (root / "nowhere/at/all").stat()
    os.unlink(root / "large")


def tags_of(mounted: Mounted, key: str) -> dict[str, str]:
    found = mounted.s3.get_object_tagging(Bucket=mounted.bucket, Key=mounted.prefix + key)
    return {tag["Key"]: tag["Value"] for tag in found["TagSet"]}


@pytest.mark.torture
def test_the_whole_life_of_a_mount_asks_for_nothing_beside_its_group(
    mount_with: MountWith, place: Place, foreign: str, effort: Effort
) -> None:
    with recording(place.endpoint_url) as recorder:
        mounted = mount_with(
            "--part-size=5",
            "--memory-limit=64",
            "--metadata-ttl=0",
            place=place._replace(endpoint_url=recorder.url),
        )
        do_everything(mounted)
        assert mounted.errors() == [], "nothing was refused"
        mounted.stop()
    asked = recorder.asked
    outside = [str(each) for each in asked if not stays_in(each, place)]
    assert outside == []
    kinds = {kind_of(each) for each in asked}
    assert kinds >= {
        "GET list-type",
        "GET object",
        "HEAD object",
        "PUT object",
        "PUT copy",
        "PUT partNumber",
        "POST uploads",
        "POST uploadId",
        "DELETE object",
        "DELETE uploadId",
        "POST delete",
    }, "the record has every kind of request there is"
    effort.record(
        "requests of a whole mount",
        requests=len(asked),
        kinds=len(kinds),
        outside_its_group=len(outside),
    )


def stays_in(asked: Asked, place: Place) -> bool:
    if asked.bucket != place.bucket:
        return False
    names = [asked.key] if asked.key else []
    source = asked.headers.get("x-amz-copy-source")
    if source is not None:
        names.append(source.removeprefix(f"/{place.bucket}/"))
    if "delete" in asked.query:
        names += [each.text or "" for each in fromstring(asked.body).iter() if is_key(each.tag)]
    elif not asked.key:
        names.append(asked.query.get("prefix", ""))
    return names != [] and all(name.startswith(place.prefix) for name in names)


def is_key(tag: str) -> bool:
    return tag.rpartition("}")[2] == "Key"


def kind_of(asked: Asked) -> str:
    if "x-amz-copy-source" in asked.headers and not asked.query:
        return "PUT copy"
    named = ("list-type", "partNumber", "uploads", "uploadId", "delete", "tagging")
    return f"{asked.method} {next((name for name in named if name in asked.query), 'object')}"


async def test_a_multipart_copy_with_tags_and_metadata(place: Place, own_s3: S3Client) -> None:
    """What a rename of more than 5 GiB does, with other limits."""
    body = os.urandom(2 * PART + 1)
    source, target = "copied from", "copied to"
    made = own_s3.put_object(
        Bucket=place.bucket,
        Key=place.prefix + source,
        Body=body,
        Tagging=TAGS,
        Metadata={"m": "1"},
    )
    options = S3Options(bucket=place.bucket, endpoint_url=place.endpoint_url)
    with_keys = S3Store(options, Credentials(*place.keys))
    try:
        await copy_object(
            PrefixedStore(with_keys, place.prefix),
            source,
            target,
            size=len(body),
            if_match=ETag(made["ETag"].strip('"')),
            threshold=PART,
            part_size=PART,
        )
        assert with_keys.counters["requests.copy_part"] == 3
    finally:
        with_keys.close()
    found = own_s3.get_object(Bucket=place.bucket, Key=place.prefix + target)
    assert found["Body"].read() == body
    assert found["Metadata"] == {"m": "1"}
    tagged = own_s3.get_object_tagging(Bucket=place.bucket, Key=place.prefix + target)
    assert {(tag["Key"], tag["Value"]) for tag in tagged["TagSet"]} == {("a", "1"), ("b", "two")}


def denied(call: object, **named: object) -> None:
    with pytest.raises(ClientError) as refused:
        call(**named)  # type: ignore[operator]
    status = refused.value.response["ResponseMetadata"]["HTTPStatusCode"]
    assert status == 403, refused.value


def test_the_keys_themselves_end_at_the_prefix(
    own_s3: S3Client, place: Place, foreign: str
) -> None:
    bucket = place.bucket
    own_s3.list_objects_v2(Bucket=bucket, Prefix=place.prefix, Delimiter="/")
    for prefix in ("", "groups/", "groups/mine", "groups/mine-not/", "groups/mine-", "/"):
        denied(own_s3.list_objects_v2, Bucket=bucket, Prefix=prefix, Delimiter="/")
    denied(own_s3.list_objects_v2, Bucket=bucket)
    denied(own_s3.list_objects, Bucket=bucket, Prefix="groups/mine")
    denied(own_s3.list_object_versions, Bucket=bucket)
    denied(own_s3.list_multipart_uploads, Bucket=bucket)
    denied(own_s3.list_buckets)
    for key in (foreign, "at the root", "groups/minel"):
        denied(own_s3.get_object, Bucket=bucket, Key=key)
        denied(own_s3.head_object, Bucket=bucket, Key=key)
        denied(own_s3.put_object, Bucket=bucket, Key=key, Body=b"x")
        denied(own_s3.delete_object, Bucket=bucket, Key=key)
        denied(own_s3.create_multipart_upload, Bucket=bucket, Key=key)
        source = {"Bucket": bucket, "Key": key}
        denied(own_s3.copy_object, Bucket=bucket, Key=f"{place.prefix}x", CopySource=source)
    denied(own_s3.get_object_tagging, Bucket=bucket, Key=foreign)
    failures = own_s3.delete_objects(Bucket=bucket, Delete={"Objects": [{"Key": foreign}]})
    assert [each["Code"] for each in failures["Errors"]] == ["AccessDenied"]
    denied(own_s3.get_bucket_policy, Bucket=bucket)
    denied(own_s3.put_bucket_policy, Bucket=bucket, Policy="{}")
    denied(own_s3.delete_bucket, Bucket=bucket)
    own_s3.put_object(Bucket=bucket, Key=f"{place.prefix}theirs", Body=b"x")


@pytest.mark.parametrize(
    ("words", "source"),
    [
        (["--group=mine-not"], "groups/mine-not/"),
        (["--group=min"], "groups/min/"),
        (["--prefix=groups/"], "groups/"),
        (["--prefix="], ""),
    ],
)
def test_another_group_is_refused_in_one_sentence(
    place: Place, foreign: str, tmp_path: Path, words: list[str], source: str
) -> None:
    mountpoint = tmp_path / "m"
    mountpoint.mkdir()
    done = subprocess.run(
        [PHFS_MOUNT, place.bucket, mountpoint, *words, f"--state-dir={tmp_path}/state"],
        env={
            "PATH": os.environ["PATH"],
            "PHFS_ENDPOINT_URL": place.endpoint_url,
            "PHFS_ACCESS_KEY_ID": place.keys.access_key,
            "PHFS_SECRET_ACCESS_KEY": place.keys.secret_key,
        },
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
    )
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == (
        f"phfs-mount: The keys may not list s3://{place.bucket}/{source}. Check --group and the "
        "bucket, or ask for the right to list this prefix.\n"
    )
    assert not is_mounted(mountpoint)


def test_rights_that_end_are_eacces_with_a_reason(
    minio: MinioServer, mount_with: MountWith
) -> None:
    place = provisioned_place(minio, minio.new_bucket(), "fading", "--access-key=fading-user")
    mounted = mount_with("--metadata-ttl=0", place=place)
    root = mounted.path
    (root / "kept").write_bytes(b"kept")
    done = provision(
        minio, place.bucket, "--group=fading", "--access-key=fading-user", "--read-only"
    )
    assert done.returncode == 0, done.stderr
    refused(lambda: (root / "new").write_bytes(b"x"))
    refused(lambda: os.unlink(root / "kept"))
    refused(lambda: os.rename(root / "kept", root / "moved"))
    refused(lambda: (root / "dir").mkdir())
    assert (root / "kept").read_bytes() == b"kept"
    assert mounted.keys() == ["kept"]
    reasons = mounted.errors()
    assert {each["errno"] for each in reasons} == {"EACCES"}
    assert {each["path"] for each in reasons} >= {"/new", "/kept"}
    assert all("AccessDenied" in each["why"] for each in reasons), reasons
    assert all("missing right" in each["advice"] for each in reasons), reasons
    done = provision(minio, place.bucket, "--group=fading", "--access-key=fading-user")
    assert done.returncode == 0, done.stderr
    (root / "new").write_bytes(b"again")
    assert mounted.get("new") == b"again"


def refused(call: object) -> None:
    with pytest.raises(OSError) as caught:
        call()  # type: ignore[operator]
    assert caught.value.errno == errno.EACCES


def test_a_read_only_grant_reads_and_changes_nothing(
    minio: MinioServer, mount_with: MountWith, s3: S3Client
) -> None:
    bucket = minio.new_bucket()
    place = provisioned_place(minio, bucket, "looking", "--read-only")
    s3.put_object(Bucket=bucket, Key="groups/looking/a/b", Body=b"seen")
    mounted = mount_with("--read-only", place=place)
    assert (mounted.path / "a/b").read_bytes() == b"seen"
    with pytest.raises(OSError, match=re.escape(os.strerror(errno.EROFS))):
        (mounted.path / "c").write_bytes(b"x")
    mounted.stop()
    writing = mount_with("--metadata-ttl=0", place=place)
    assert (writing.path / "a/b").read_bytes() == b"seen"
    refused(lambda: (writing.path / "c").write_bytes(b"x"))
    refused(lambda: os.unlink(writing.path / "a/b"))
    assert writing.keys() == ["a/b"]


def test_a_service_account_mounts_as_well(minio: MinioServer, mount_with: MountWith) -> None:
    place = provisioned_place(minio, minio.new_bucket(), "served", "--service-account")
    mounted = mount_with(place=place)
    (mounted.path / "file").write_bytes(b"x" * 100)
    os.rename(mounted.path / "file", mounted.path / "other")
    assert mounted.keys() == ["other"]
    client = s3_client(place.endpoint_url, *place.keys)
    denied(client.list_objects_v2, Bucket=place.bucket)
    client.close()
