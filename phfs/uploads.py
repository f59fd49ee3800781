"""Multipart uploads that nobody has ended: which there are under a prefix, and ending them.

Owns the question to the store, and to the journals of this machine where the store does not answer
it: keys of a group may not list uploads, and MinIO lists them for one key or for a whole bucket,
never for a prefix. Blocking. Called by ``cli.commands.uploads``.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

import boto3
from botocore.config import Config
from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    ConnectTimeoutError,
    EndpointConnectionError,
    HTTPClientError,
    ReadTimeoutError,
    SSLError,
)

from phfs.config import MountConfig
from phfs.errors import AccessDenied, ConnectionFailed, StoreError, TimedOut, UntrustedServer
from phfs.s3 import answers, control, xml
from phfs.s3.journal import noted, origin_of
from phfs.s3.refusals import refusal_at
from phfs.s3.resumable import forget, kept_uploads


class Unended(NamedTuple):
    """An upload. ``begun`` in epoch seconds, or when its journal was last written; ``living``: a
    mount or a ``phfs cp`` of this machine has it under way."""

    key: str
    upload: str
    begun: float
    living: bool


class Found(NamedTuple):
    """``remark``: why the store may have more of them; empty if it has not."""

    uploads: list[Unended]
    remark: str


class Uploads:
    """The uploads under the prefix of ``config``. Raises ``ConfigError`` without keys."""

    def __init__(self, config: MountConfig) -> None:
        self._config = config
        frozen = control.credentials_of(vars(config)).get_frozen_credentials()
        style = {"on": "path", "off": "virtual"}.get(config.path_style)
        s3: Any = {"addressing_style": style or ("path" if config.endpoint_url else "auto")}
        self._client: Any = boto3.session.Session().client(
            "s3",
            endpoint_url=config.endpoint_url,
            region_name=control.region(region=config.region, profile=config.profile),
            aws_access_key_id=frozen.access_key,
            aws_secret_access_key=frozen.secret_key,
            aws_session_token=frozen.token,
            verify=None if config.ca_bundle is None else str(config.ca_bundle),
            config=Config(
                s3=s3,
                retries={"total_max_attempts": 3},
                connect_timeout=config.timeout,
                read_timeout=config.timeout,
            ),
        )

    def close(self) -> None:
        """Close the connections."""
        self._client.close()

    def find(self) -> Found:
        """All of them, by key, oldest first. Raises ``StoreError``."""
        directory, origin = self._config.state_dir, origin_of(self._config)
        here = {
            one.upload: one for one in (*noted(directory, origin), *kept_uploads(directory, origin))
        }
        found = {
            one.upload: Unended(one.key, one.upload, one.changed, one.living)
            for one in here.values()
        }
        remark = ""
        try:
            for item in self._listed():
                upload, known = item["UploadId"], here.get(item["UploadId"])
                begun = item["Initiated"].timestamp()
                living = known is not None and known.living
                found[upload] = Unended(item["Key"], upload, begun, living)
        except AccessDenied:
            remark = (
                "These keys may not list uploads (s3:ListBucketMultipartUploads): only those are "
                f"shown that stand in the journals in {self._config.state_dir}."
            )
        except StoreError as error:
            told = refusal_at(error, self._config)
            raise type(error)(told.why, told.advice) from None
        return Found(sorted(found.values(), key=lambda one: (one.key, one.begun)), remark)

    def abort(self, one: Unended) -> None:
        """End an upload; its parts are thrown away. Raises ``StoreError``; one that is not there
        any more has ended."""
        try:
            with _told():
                self._client.abort_multipart_upload(
                    Bucket=self._config.bucket, Key=one.key, UploadId=one.upload
                )
        except _GoneError:
            pass
        forget(self._config.state_dir, origin_of(self._config), one.upload)

    def _listed(self) -> list[dict[str, Any]]:
        prefix = self._config.prefix
        with _told():
            listed = self._pages(prefix)
        if not listed:
            with _told():  # MinIO: a prefix that is no key has no uploads, a bucket has
                listed = [item for item in self._pages("") if item["Key"].startswith(prefix)]
        return listed

    def _pages(self, prefix: str) -> list[dict[str, Any]]:
        pages = self._client.get_paginator("list_multipart_uploads").paginate(
            Bucket=self._config.bucket, Prefix=prefix
        )
        return [item for page in pages for item in page.get("Uploads", ())]


class _GoneError(Exception):
    """There is no such upload."""


@contextmanager
def _told() -> Iterator[None]:
    """The library's errors as those of the tree."""
    try:
        yield
    except ClientError as error:
        said = error.response.get("Error", {})
        code = said.get("Code", "")
        if code == "NoSuchUpload":
            raise _GoneError from None
        if code in ("AccessDenied", "403"):
            raise AccessDenied("The keys may not do this in the bucket.") from None
        status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 400)
        failure = xml.Failure(code, said.get("Message", ""))
        raise answers.error_of("uploads", status, failure) from None
    except (ConnectTimeoutError, ReadTimeoutError):
        raise TimedOut("it did not answer in time") from None
    except SSLError:
        raise UntrustedServer("its certificate cannot be trusted") from None
    except (EndpointConnectionError, HTTPClientError):
        raise ConnectionFailed("the connection failed") from None
    except BotoCoreError as error:
        raise StoreError(str(error).rstrip(".")) from None
