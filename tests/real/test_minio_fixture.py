"""The MinIO the other tests stand on: it runs, and its group keys reach one group only."""

from __future__ import annotations

import pytest
from botocore.exceptions import ClientError
from mypy_boto3_s3 import S3Client

from tests.support.minio import MinioServer, s3_client

pytestmark = pytest.mark.real


def test_buckets_are_fresh(minio: MinioServer, bucket: str, s3: S3Client) -> None:
    s3.put_object(Bucket=bucket, Key="a", Body=b"x")
    assert s3.list_objects_v2(Bucket=minio.new_bucket())["KeyCount"] == 0


def test_group_keys_reach_one_group(minio: MinioServer, bucket: str, s3: S3Client) -> None:
    s3.put_object(Bucket=bucket, Key="groups/other/secret", Body=b"x")
    scoped = s3_client(minio.endpoint_url, *minio.group_keys(bucket, "lab"))
    scoped.put_object(Bucket=bucket, Key="groups/lab/a", Body=b"x")
    assert scoped.list_objects_v2(Bucket=bucket, Prefix="groups/lab/")["KeyCount"] == 1
    for refused in (
        lambda: scoped.list_objects_v2(Bucket=bucket, Prefix="groups/lab"),
        lambda: scoped.list_objects_v2(Bucket=bucket, Prefix="groups/other/"),
        lambda: scoped.get_object(Bucket=bucket, Key="groups/other/secret"),
        lambda: scoped.head_bucket(Bucket=bucket),
    ):
        with pytest.raises(ClientError, match=r"AccessDenied|Access Denied|403"):
            refused()
    scoped.close()


def test_server_comes_back_with_its_data(minio: MinioServer, bucket: str, s3: S3Client) -> None:
    s3.put_object(Bucket=bucket, Key="a", Body=b"kept")
    minio.stop()
    minio.start()
    assert s3.get_object(Bucket=bucket, Key="a")["Body"].read() == b"kept"
