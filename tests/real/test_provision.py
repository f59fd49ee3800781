"""``phfs provision`` on a real MinIO: what it prints, what it leaves, what it refuses."""

from __future__ import annotations

import json
import os
import re
import stat
from pathlib import Path

import pytest
from botocore.exceptions import ClientError
from mypy_boto3_s3 import S3Client

from tests.real.conftest import MountWith
from tests.support.minio import Keys, MinioServer, free_port, s3_client
from tests.support.moto import MotoServer
from tests.support.mounted import Place
from tests.support.provisioned import provision, variables_of

pytestmark = [
    pytest.mark.real,
    # moto's server leaves its sockets to the collector.
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
]

_SECRET = re.compile(r"\b[0-9a-f]{40}\b")
"""What its secret keys look like."""


def works(minio: MinioServer, bucket: str, prefix: str, keys: Keys) -> bool:
    client = s3_client(minio.endpoint_url, *keys)
    try:
        client.list_objects_v2(Bucket=bucket, Prefix=prefix)
    except ClientError:
        return False
    else:
        return True
    finally:
        client.close()


def test_keys_as_variables_then_unchanged_then_rotated(minio: MinioServer) -> None:
    bucket = minio.new_bucket()
    first = provision(minio, bucket, "--group=Team_A")
    assert first.returncode == 0, first.stderr
    made = variables_of(first.stdout)
    assert made == {
        "PHFS_BUCKET": bucket,
        "PHFS_GROUP": "Team_A",
        "PHFS_ENDPOINT_URL": minio.endpoint_url,
        "PHFS_REGION": "us-east-1",
        "PHFS_ACCESS_KEY_ID": f"phfs-{bucket}_team-a",
        "PHFS_SECRET_ACCESS_KEY": made["PHFS_SECRET_ACCESS_KEY"],
    }
    assert _SECRET.findall(first.stdout) == [made["PHFS_SECRET_ACCESS_KEY"]]
    assert _SECRET.findall(first.stderr) == []
    assert "removes them after 24h" in first.stderr, "MinIO has no such rule"
    keys = Keys(made["PHFS_ACCESS_KEY_ID"], made["PHFS_SECRET_ACCESS_KEY"])
    assert works(minio, bucket, "groups/team-a/", keys)

    again = provision(minio, bucket, "--group=team-a")
    assert (again.returncode, again.stdout) == (0, "")
    assert "--rotate makes another" in again.stderr
    assert works(minio, bucket, "groups/team-a/", keys)

    rotated = provision(minio, bucket, "--group=Team_A", "--rotate")
    changed = variables_of(rotated.stdout)
    new = Keys(changed["PHFS_ACCESS_KEY_ID"], changed["PHFS_SECRET_ACCESS_KEY"])
    assert new.access_key == keys.access_key
    assert works(minio, bucket, "groups/team-a/", new)
    assert not works(minio, bucket, "groups/team-a/", keys)


@pytest.mark.parametrize("kind", ["--user", "--service-account"])
def test_a_file_of_keys_that_only_its_owner_reads(
    minio: MinioServer, mount_with: MountWith, tmp_path: Path, kind: str
) -> None:
    bucket, file = minio.new_bucket(), tmp_path / "keys"
    file.write_text("what was there")
    file.chmod(0o644)
    words = ["--group=g", kind, f"--access-key=own{kind}", "--format=aws", f"--output={file}"]
    done = provision(minio, bucket, *words)
    assert (done.returncode, done.stdout) == (0, ""), done.stderr
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert f"--credentials-file {file}" in done.stderr
    assert _SECRET.findall(done.stderr) == []
    place = Place(minio.endpoint_url, bucket, "g", Keys("", ""))
    mounted = mount_with(f"--credentials-file={file}", place=place)
    (mounted.path / "a").write_bytes(b"a")
    assert mounted.keys() == ["a"]
    before = file.read_text()
    done = provision(minio, bucket, *words)
    assert (done.returncode, file.read_text()) == (0, before), "no secret, no file"
    assert not [name for name in os.listdir(tmp_path) if name.startswith(".keys")]


def test_everything_as_json(minio: MinioServer, tmp_path: Path) -> None:
    bucket = minio.new_bucket()
    done = provision(minio, bucket, "--group=g", "--json", "--read-only", "--service-account")
    facts = json.loads(done.stdout)
    assert facts["prefix"] == "groups/g/"
    assert facts["read_only"] is True
    assert len(facts["access_key_id"]) <= 20
    keys = Keys(facts["access_key_id"], facts["secret_access_key"])
    assert works(minio, bucket, "groups/g/", keys)
    assert len(facts["done"]) == 2
    done = provision(
        minio, bucket, "--group=h", "--json", f"--output={tmp_path}/keys", "--format=secret"
    )
    facts = json.loads(done.stdout)
    assert facts["output"] == f"{tmp_path}/keys"
    assert _SECRET.findall(done.stdout + done.stderr) == []


def test_a_kubernetes_secret(minio: MinioServer, tmp_path: Path) -> None:
    bucket = minio.new_bucket()
    done = provision(minio, bucket, "--group=Data_1", "--format=secret")
    lines = done.stdout.splitlines()
    assert lines[:2] == ["apiVersion: v1", "kind: Secret"]
    assert re.fullmatch(rf"  name: phfs-{bucket}-data-1-[0-9a-f]{{6}}", lines[3])
    name, _, text = lines[-1].strip().partition(": ")
    assert name == "credentials"
    assert json.loads(text).startswith("[default]\naws_access_key_id = phfs-")
    assert "kubectl apply" in done.stderr


def test_a_bucket_of_its_own(minio: MinioServer, s3: S3Client) -> None:
    refused = provision(minio, "not-there-yet", "--group=g")
    assert (refused.returncode, refused.stdout) == (1, "")
    assert "There is no bucket 'not-there-yet'" in refused.stderr
    assert refused.stderr.count("\n") == 1
    made = provision(minio, "not-there-yet", "--group=g", "--create-bucket")
    assert made.returncode == 0, made.stderr
    s3.head_bucket(Bucket="not-there-yet")
    assert "The bucket not-there-yet has been made." in made.stderr


def test_the_policy_alone_needs_no_server(minio: MinioServer) -> None:
    nothing = {
        "PHFS_ENDPOINT_URL": "",
        "PHFS_ACCESS_KEY_ID": "",
        "PHFS_SECRET_ACCESS_KEY": "",
    }
    done = provision(minio, "b", "--group=g", "--print-policy", variables=nothing)
    assert (done.returncode, done.stderr) == (0, "")
    assert json.loads(done.stdout)["Statement"][1]["Resource"] == ["arn:aws:s3:::b/groups/g/*"]


def refusal(
    minio: MinioServer, *words: str, variables: dict[str, str] | None = None
) -> tuple[int, str]:
    """Exit code and the last sentence of a run that prints no keys."""
    done = provision(minio, *words, variables=variables)
    assert done.stdout == ""
    assert "Traceback" not in done.stderr
    return done.returncode, done.stderr.splitlines()[-1]


def test_keys_of_a_named_mount_are_its_groups_and_not_used(
    minio: MinioServer, tmp_path: Path
) -> None:
    bucket, config, keys = minio.new_bucket(), tmp_path / "config.toml", tmp_path / "keys"
    config.write_text(
        f'[mount.research]\nbucket = "{bucket}"\ngroup = "research"\n'
        'access_key_id = "of-the-group"\nsecret_access_key = "of-the-group"\n'
    )
    config.chmod(0o600)
    said = "The keys of @research are its group's and not used here"
    named = ("@research", f"--config={config}")
    done = provision(minio, *named)
    assert done.returncode == 0, done.stderr
    assert variables_of(done.stdout)["PHFS_GROUP"] == "research"
    assert said not in done.stderr
    # Nobody says an administrator's: it is told, and looked for where AWS's tools look.
    keys.write_text(
        f"[default]\naws_access_key_id = {minio.access_key}\n"
        f"aws_secret_access_key = {minio.secret_key}\n"
    )
    nothing = {"PHFS_ACCESS_KEY_ID": "", "PHFS_SECRET_ACCESS_KEY": ""}
    shared = {**nothing, "AWS_SHARED_CREDENTIALS_FILE": str(keys)}
    done = provision(minio, *named, "--rotate", variables=shared)
    assert done.returncode == 0, done.stderr
    assert said in done.stderr
    done = provision(minio, *named, f"--credentials-file={keys}", "--rotate", variables=nothing)
    assert done.returncode == 0, done.stderr
    assert said not in done.stderr


def test_wrong_orders_are_one_sentence(minio: MinioServer) -> None:
    for words, sentence in (
        (["b"], "--group is missing"),
        (["b", "--group=a/b"], "--group 'a/b' is wrong"),
        (["b", "--group=*"], "No policy can be made for s3://b/groups/*/"),
        (["b", "--group=g", "--user", "--service-account"], "--user and --service-account"),
        (["b", "--group=g", "--lifecycle-days=-1"], "--lifecycle-days '-1' is wrong: give"),
        (["b", "--group=g", "--format=xml"], "--format 'xml' is wrong: give env, aws or secret"),
        (["b", "--group=g", "--access-key=a b"], "--access-key 'a b' is wrong: give"),
        (
            ["b", "--group=g", "--service-account", f"--access-key={'a' * 21}"],
            "--access-key 'aaaaaaaaaaaaaaaaaaaaa' is too long",
        ),
        (["b", "--group=g", "--output=/proc/keys"], "--output '/proc/keys' cannot be written"),
        (["b", "--group=g", "--ca-bundle=/etc/passwd"], "--ca-bundle '/etc/passwd' has no cert"),
        (["--group=g"], "BUCKET is missing"),
    ):
        code, said = refusal(minio, *words)
        assert code == 2, said
        assert said.startswith(f"phfs: {sentence}")


@pytest.mark.parametrize("url", ["", "https://s3.eu-central-1.amazonaws.com"])
def test_amazon_s3_gets_the_policy_and_what_to_do_with_it(minio: MinioServer, url: str) -> None:
    done = provision(minio, "b", "--group=g", variables={"PHFS_ENDPOINT_URL": url})
    assert done.returncode == 1
    assert json.loads(done.stdout)["Statement"][1]["Resource"] == ["arn:aws:s3:::b/groups/g/*"]
    assert "give an IAM user or role the policy above" in done.stderr


def test_wrong_keys_no_rights_no_server_no_minio(
    minio: MinioServer, moto: MotoServer, s3: S3Client
) -> None:
    bucket = minio.new_bucket()
    words = (bucket, "--group=g")
    code, said = refusal(minio, *words, variables={"PHFS_SECRET_ACCESS_KEY": "wrong-wrong"})
    assert code == 1
    assert "refuses the administrator's keys (SignatureDoesNotMatch)" in said
    code, said = refusal(
        minio, *words, variables={"PHFS_ENDPOINT_URL": f"http://127.0.0.1:{free_port()}"}
    )
    assert (code, "does not answer" in said) == (1, True)

    # Somebody who may use the bucket, and administers nothing.
    done = provision(minio, bucket, "--group=other")
    user = variables_of(done.stdout)
    few = {name: user[name] for name in ("PHFS_ACCESS_KEY_ID", "PHFS_SECRET_ACCESS_KEY")}
    code, said = refusal(minio, *words, variables=few)
    assert code == 1
    assert "administrator's keys" in said

    elsewhere = {"PHFS_ENDPOINT_URL": moto.endpoint_url}
    code, said = refusal(minio, moto.bucket, "--group=g", variables=elsewhere)
    assert code == 1
    assert "is no MinIO" in said
    assert "--print-policy" in said
