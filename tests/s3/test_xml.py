"""The XML of S3: what is read, what is refused, what is written."""

from __future__ import annotations

from xml.sax.saxutils import escape

import pytest
from hypothesis import given
from hypothesis import strategies as st

from phfs.core.objects import ETag, ObjectInfo, Part
from phfs.errors import Corrupted
from phfs.s3 import xml

NAMESPACE = ' xmlns="http://s3.amazonaws.com/doc/2006-03-01/"'


def listing(inner: str, namespace: str = NAMESPACE) -> bytes:
    head = '<?xml version="1.0" encoding="UTF-8"?>'
    return f"{head}<ListBucketResult{namespace}>{inner}</ListBucketResult>".encode()


def entry(key: str = "k", size: str = "3", modified: str = "2026-08-01T10:00:00.987Z") -> str:
    return (
        f"<Contents><Key>{key}</Key><LastModified>{modified}</LastModified>"
        f"<ETag>&#34;abc-2&#34;</ETag><Size>{size}</Size>"
        "<Owner><ID>i</ID><DisplayName>Key</DisplayName></Owner></Contents>"
    )


@pytest.mark.parametrize("namespace", [NAMESPACE, ""])
def test_a_page(namespace: str) -> None:
    page = xml.page(
        xml.parse(
            listing(
                "<EncodingType>url</EncodingType><IsTruncated>true</IsTruncated>"
                + entry("d/a+b%2Bc%25%C3%BC")
                + "<CommonPrefixes><Prefix>d/x+y/</Prefix></CommonPrefixes>"
                "<NextContinuationToken>t=</NextContinuationToken>",
                namespace,
            )
        )
    )
    assert page.objects == [ObjectInfo("d/a b+c%ü", 3, ETag("abc-2"), 1785578400)]
    assert page.prefixes == ["d/x y/"]
    assert page.next_token == "t="


def test_keys_stay_as_they_are_without_encoding() -> None:
    page = xml.page(xml.parse(listing(entry("a+b%2Bc &lt;&#10;"))))
    assert [info.key for info in page.objects] == ["a+b%2Bc <\n"]
    assert page.next_token is None


def test_keys_that_are_no_utf8_stay_different() -> None:
    inner = "<EncodingType>url</EncodingType>" + entry("%FF") + entry("%FE")
    first, second = xml.page(xml.parse(listing(inner))).objects
    assert first.key != second.key


@pytest.mark.parametrize(
    "document",
    [
        b"",
        b"no xml",
        b"<ListBucketResult>",
        b"\xff\xfe<\x00a\x00",
        b'<!DOCTYPE x [<!ENTITY a "b">]><ListBucketResult>&a;</ListBucketResult>',
        "<!DOCTYPE x><ListBucketResult/>".encode("utf-16"),
        b"<Other/>",
        listing(entry(size="many")),
        listing(entry(modified="yesterday")),
        listing("<Contents><Key>k</Key></Contents>"),
        listing("<IsTruncated>true</IsTruncated>"),
        listing(entry().replace("<Key>k</Key>", "<Key>\x01</Key>")),
    ],
)
def test_a_page_that_is_none(document: bytes) -> None:
    with pytest.raises(Corrupted):
        xml.page(xml.parse(document))


@given(st.binary(max_size=200))
def test_any_bytes_are_a_page_or_corrupted(data: bytes) -> None:
    document = listing("@").replace(b"@", data)
    try:
        xml.page(xml.parse(document))
    except Corrupted:
        return


@pytest.mark.parametrize(
    ("moment", "expected"),
    [
        ("2026-08-01T10:00:00Z", 1785578400),
        ("2026-08-01T10:00:00.999Z", 1785578400),
        ("2026-08-01T12:00:00+02:00", 1785578400),
        ("2026-08-01T10:00:00", 1785578400),
    ],
)
def test_times(moment: str, expected: int) -> None:
    assert xml.seconds(moment) == expected


@given(st.lists(st.text().filter(xml.can_hold), max_size=5))
def test_every_key_that_xml_can_hold_is_read_as_it_was_written(keys: list[str]) -> None:
    root = xml.parse(xml.deletion(keys))
    objects = [each for each in root if xml.local_name(each) == "Object"]
    assert [xml.fields(each)["Key"] for each in objects] == keys
    assert root[0].text == "false", "it is told of each what became of it"


@given(st.lists(st.text().filter(xml.can_hold), max_size=5))
def test_the_keys_of_an_answer_are_read_as_they_were_written(keys: list[str]) -> None:
    body = "".join(f"<Deleted><Key>{escape(key)}</Key></Deleted>" for key in keys)
    root = xml.parse(f"<DeleteResult>{body}</DeleteResult>".encode())
    assert xml.deleted(root) == {xml.read_back(key) for key in keys}


@pytest.mark.parametrize("text", ["a\x00", "\x1f", "\ud800", "\uffff"])
def test_what_xml_cannot_hold(text: str) -> None:
    assert not xml.can_hold(text)


def test_a_completion() -> None:
    body = xml.completion([Part(1, ETag("a"), 5, "c=="), Part(2, ETag("b"), 5)])
    assert [xml.fields(part) for part in xml.parse(body)] == [
        {"PartNumber": "1", "ETag": '"a"', "ChecksumCRC32C": "c=="},
        {"PartNumber": "2", "ETag": '"b"'},
    ]


def test_tags() -> None:
    root = xml.parse(
        b"<Tagging><TagSet><Tag><Key>a</Key><Value>1</Value></Tag>"
        b"<Tag><Key>b</Key><Value></Value></Tag></TagSet></Tagging>"
    )
    assert xml.tags(root) == [("a", "1"), ("b", "")]
