"""The lifecycle rule: set beside those that are there, which nobody else may lose."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from botocore.credentials import Credentials
from mypy_boto3_s3 import S3Client

from phfs.errors import AccessDenied, BadCredentials, ConnectionFailed, NoSuchBucket, NotSupported
from phfs.provision.bucket import S3Buckets
from phfs.provision.policy import Grant
from tests.support.minio import MinioServer, free_port, s3_client
from tests.support.moto import MotoServer

# moto's server leaves its sockets to the collector.
pytestmark = pytest.mark.filterwarnings("ignore::ResourceWarning")

OTHERS: list[Any] = [
    {
        "ID": "old logs",
        "Status": "Enabled",
        "Filter": {"Prefix": "logs/"},
        "Expiration": {"Days": 30},
    },
    {
        "ID": "another group",
        "Status": "Disabled",
        "Filter": {"Prefix": "groups/other/"},
        "AbortIncompleteMultipartUpload": {"DaysAfterInitiation": 3},
    },
]


@pytest.fixture
def moto_s3(moto: MotoServer) -> Iterator[S3Client]:
    client = s3_client(moto.endpoint_url, moto.access_key, moto.secret_key)
    yield client
    client.close()


@pytest.fixture
def buckets(moto: MotoServer) -> Iterator[S3Buckets]:
    keys = Credentials(moto.access_key, moto.secret_key)
    made = S3Buckets(moto.endpoint_url, keys, "us-east-1", None)
    yield made
    made.close()


def rules(client: S3Client, bucket: str) -> list[Any]:
    return list(client.get_bucket_lifecycle_configuration(Bucket=bucket)["Rules"])


def test_the_rule_is_added_and_kept_up(
    moto: MotoServer, moto_s3: S3Client, buckets: S3Buckets
) -> None:
    bucket = moto.new_bucket()
    grant = Grant(bucket, "groups/g/")
    buckets.set_rule(grant, 7)
    (made,) = rules(moto_s3, bucket)
    assert made["Filter"] == {"Prefix": "groups/g/"}
    assert made["AbortIncompleteMultipartUpload"] == {"DaysAfterInitiation": 7}
    moto_s3.put_bucket_lifecycle_configuration(
        Bucket=bucket, LifecycleConfiguration={"Rules": [OTHERS[0], made, OTHERS[1]]}
    )
    buckets.set_rule(grant, 7)
    assert rules(moto_s3, bucket) == [OTHERS[0], made, OTHERS[1]]
    buckets.set_rule(grant._replace(read_only=True), 2)
    buckets.set_rule(Grant(bucket, "groups/second/"), 2)
    found = rules(moto_s3, bucket)
    assert [rule for rule in found if rule in OTHERS] == OTHERS
    days = {
        rule["Filter"]["Prefix"]: rule["AbortIncompleteMultipartUpload"]["DaysAfterInitiation"]
        for rule in found
        if rule not in OTHERS
    }
    assert days == {"groups/g/": 2, "groups/second/": 2}


def test_a_bucket_is_made(moto: MotoServer, buckets: S3Buckets) -> None:
    assert buckets.exists(moto.bucket)
    assert not buckets.exists("made-by-provision")
    buckets.create("made-by-provision")
    assert buckets.exists("made-by-provision")


@pytest.mark.real
def test_minio_refuses_the_rule_and_loses_no_other(minio: MinioServer, s3: S3Client) -> None:
    bucket = minio.new_bucket()
    s3.put_bucket_lifecycle_configuration(
        Bucket=bucket, LifecycleConfiguration={"Rules": [OTHERS[0]]}
    )
    keys = Credentials(minio.access_key, minio.secret_key)
    buckets = S3Buckets(minio.endpoint_url, keys, "us-east-1", None)
    with pytest.raises(NotSupported, match="lifecycle rules"):
        buckets.set_rule(Grant(bucket, "groups/g/"), 7)
    assert rules(s3, bucket) == [OTHERS[0]]
    buckets.close()


@pytest.mark.real
def test_what_goes_wrong_is_told_apart(minio: MinioServer) -> None:
    group = minio.group_keys(minio.bucket, "told-apart")
    for keys, error in (
        (Credentials(minio.access_key, "wrong-secret"), BadCredentials),
        (Credentials("nobody", "wrong-secret"), BadCredentials),
        (Credentials(*group), AccessDenied),
    ):
        buckets = S3Buckets(minio.endpoint_url, keys, "us-east-1", None)
        with pytest.raises(error, match=minio.endpoint_url):
            buckets.exists(minio.bucket)
        buckets.close()
    own = S3Buckets(
        minio.endpoint_url, Credentials(minio.access_key, minio.secret_key), "us-east-1", None
    )
    with pytest.raises(NoSuchBucket):
        own.set_rule(Grant("no-such-bucket", "groups/g/"), 7)
    own.close()
    nowhere = S3Buckets(f"http://127.0.0.1:{free_port()}", Credentials("a", "b"), "us-east-1", None)
    with pytest.raises(ConnectionFailed, match="does not answer"):
        nowhere.exists("b")
    nowhere.close()
