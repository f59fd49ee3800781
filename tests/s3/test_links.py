"""Signed addresses: the same as botocore's own, in every style and of every kind of keys."""

from __future__ import annotations

import datetime
from collections.abc import Iterator
from contextlib import contextmanager
from urllib.parse import parse_qs, urlsplit

import pytest
from botocore.auth import S3SigV4QueryAuth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials, ReadOnlyCredentials, RefreshableCredentials

from phfs.s3.client import S3Store
from phfs.s3.credentials import SourceCredentials
from phfs.s3.headers import attachment
from phfs.s3.options import S3Options
from phfs.s3.sign import MAX_LINK_SECONDS, Signer

KEY = "groups/g/ä b/+&=?#%41'.csv"


class AtItsTime(S3SigV4QueryAuth):
    """botocore's signer at the time of an address that was made before."""

    moment = ""

    def _modify_request_before_signing(self, request: AWSRequest) -> None:
        request.context["timestamp"] = self.moment
        super()._modify_request_before_signing(request)  # type: ignore[misc]


def by_botocore(url: str, keys: ReadOnlyCredentials, region: str) -> str:
    """The same address, signed by botocore from what of it is not the signature."""
    parts = urlsplit(url)
    query = parse_qs(parts.query)
    own = "&".join(word for word in parts.query.split("&") if not word.startswith("X-Amz-"))
    request = AWSRequest("GET", parts._replace(query=own).geturl())
    signer = AtItsTime(keys, "s3", region, expires=int(query["X-Amz-Expires"][0]))
    signer.moment = query["X-Amz-Date"][0]
    signer.add_auth(request)
    return str(request.url)


@contextmanager
def store(
    credentials: Credentials, endpoint: str | None = None, style: str = "auto"
) -> Iterator[S3Store]:
    options = S3Options(
        bucket="my-bucket", region="eu-north-1", endpoint_url=endpoint, path_style=style
    )
    made = S3Store(options, credentials)
    yield made
    made.close()


@pytest.mark.parametrize(
    ("endpoint", "style", "beginning"),
    [
        (None, "auto", "https://my-bucket.s3.eu-north-1.amazonaws.com/groups/g/%C3%A4%20b/%2B"),
        (None, "on", "https://s3.eu-north-1.amazonaws.com/my-bucket/groups/g/%C3%A4%20b/%2B"),
        ("http://127.0.0.1:9000", "auto", "http://127.0.0.1:9000/my-bucket/groups/g/%C3%A4%20b/"),
        ("https://s3.example.org", "off", "https://my-bucket.s3.example.org/groups/g/%C3%A4%20b/"),
    ],
)
@pytest.mark.parametrize("token", [None, "a token/+="])
@pytest.mark.parametrize("name", ["", 'ä "x".csv'])
def test_an_address_is_signed_as_botocore_signs_it(
    endpoint: str | None, style: str, beginning: str, token: str | None, name: str
) -> None:
    with store(Credentials("key", "secret", token), endpoint, style) as made:
        link = made.link(KEY, 60, name)
    assert link.url.startswith(beginning)
    assert link.url == by_botocore(
        link.url, ReadOnlyCredentials("key", "secret", token), "eu-north-1"
    )
    query = parse_qs(urlsplit(link.url).query)
    assert query["X-Amz-Expires"] == ["60"]
    assert query.get("X-Amz-Security-Token") == (None if token is None else [token])
    assert query.get("response-content-disposition") == ([attachment(name)] if name else None)
    assert (link.temporary, link.keys_end) == (token is not None, None)


def test_the_clock_s_offset_is_in_it() -> None:
    signer = Signer(Credentials("key", "secret"), "eu-north-1")
    signer.set_clock(datetime.timedelta(days=-400))
    url = signer.link("http://127.0.0.1/a", MAX_LINK_SECONDS).url
    signed = parse_qs(urlsplit(url).query)["X-Amz-Date"][0]
    moment = datetime.datetime.strptime(signed, "%Y%m%dT%H%M%SZ").replace(tzinfo=datetime.UTC)
    age = datetime.datetime.now(datetime.UTC) - moment
    assert datetime.timedelta(days=399) < age < datetime.timedelta(days=401)


def test_keys_that_end_say_when() -> None:
    ends = datetime.datetime.now(datetime.UTC) + datetime.timedelta(hours=2)

    def find() -> Credentials:
        return RefreshableCredentials("key", "secret", "token", ends, dict, "test")

    link = Signer(SourceCredentials(find(), find), "eu-north-1").link("http://127.0.0.1/a", 60)
    assert (link.temporary, link.keys_end) == (True, int(ends.timestamp()))


def test_a_file_s_name_is_one_header() -> None:
    assert attachment("a.csv") == "attachment; filename=\"a.csv\"; filename*=UTF-8''a.csv"
    assert '"a_b__.c"' in attachment('a"b\\é.c')
    assert attachment("x\r\ny").isprintable()
