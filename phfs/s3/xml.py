"""Reads and writes the XML of the S3 REST interface.

Owns the shapes of its documents and nothing of their meaning. Pure; called by ``answers`` and
``client``. A document type is refused: S3 sends none, and entities are defined there.
"""

from __future__ import annotations

import datetime
from collections.abc import Iterable
from typing import NamedTuple
from urllib.parse import unquote_plus
from xml.etree.ElementTree import Element, ParseError, XMLParser
from xml.sax.saxutils import escape

from phfs.core.objects import ETag, ObjectInfo, Page, Part
from phfs.errors import Corrupted

MAX_ANSWER = 8 * 1024**2
"""Bytes of an XML answer: a page of 1,000 keys of 1,024 bytes, all encoded, has under 5 MiB."""

MAX_MARKS = 250_000
"""Tags and attributes of an answer, by the characters that begin and join them: a page has under
30,000, and each takes some 100 bytes once it is parsed, however few it has in the document."""

UNCOUNTED = 1024**2
"""Bytes of an answer that cannot have so many that it matters."""

MAX_SIZE = 2**63 - 1
"""Bytes of an object that a file system can speak of; S3's largest has 2**42."""

_LINE_BREAKS = {"\r": "&#13;", "\n": "&#10;", "\t": "&#9;"}
"""Characters a parser would otherwise change (XML 1.0, "End-of-Line Handling")."""


class Failure(NamedTuple):
    """An ``Error`` element: the store's code and message, and the region it may name."""

    code: str
    message: str
    key: str = ""
    region: str = ""


def parse(document: bytes) -> Element:
    """The root element. Raises ``Corrupted`` for what is no XML of S3's."""
    # Markup in another encoding than UTF-8 has zero bytes, and would hide a document type.
    if b"<!DOCTYPE" in document or b"\0" in document:
        raise Corrupted("the object store sent XML with a document type, or not in UTF-8")
    marks = document.count(b"<") + document.count(b"=") if len(document) > UNCOUNTED else 0
    if marks > MAX_MARKS:
        raise Corrupted("the object store sent more XML than an answer of S3's can be")
    # Without a document type there is no entity to expand or to fetch.
    parser = XMLParser(encoding="utf-8")  # noqa: S314
    try:
        parser.feed(document)
        root: Element = parser.close()
    except (ParseError, ValueError) as error:
        raise Corrupted(f"the object store sent broken XML ({error})") from error
    return root


def local_name(element: Element) -> str:
    """An element's name without its namespace, which not every store gives."""
    return str(element.tag).rpartition("}")[2]


def fields(element: Element) -> dict[str, str]:
    """The text of an element's children by name."""
    return {local_name(child): child.text or "" for child in element}


def failure(element: Element) -> Failure:
    """An ``Error`` element."""
    found = fields(element)
    return Failure(
        found.get("Code", ""),
        found.get("Message", ""),
        found.get("Key", ""),
        found.get("Region", ""),
    )


def failures(root: Element) -> list[Failure]:
    """The ``Error`` elements of a DeleteObjects answer."""
    return [failure(child) for child in root if local_name(child) == "Error"]


def deleted(root: Element) -> set[str]:
    """The keys that a DeleteObjects answer says are gone."""
    gone = (fields(child) for child in root if local_name(child) == "Deleted")
    return {found.get("Key", "") for found in gone}


def read_back(text: str) -> str:
    """``text`` as a parser gives it when its writer has not escaped line breaks (XML 1.0,
    "End-of-Line Handling")."""
    return text.replace("\r\n", "\n").replace("\r", "\n")


def tags(root: Element) -> list[tuple[str, str]]:
    """The tags of a GetObjectTagging answer."""
    found = [fields(each) for each in root.iter() if local_name(each) == "Tag"]
    return [(tag.get("Key", ""), tag.get("Value", "")) for tag in found]


def page(root: Element) -> Page:
    """A ListObjectsV2 answer made with ``encoding-type=url``. Raises ``Corrupted``.

    Keys that are not UTF-8 keep their bytes as lone surrogates, so that no two become one.
    """
    if local_name(root) != "ListBucketResult":
        raise Corrupted(f"the object store sent {local_name(root)} instead of a listing")
    space = root.tag[: -len("ListBucketResult")]
    result = Page([], [], None)
    truncated, token = False, ""
    contents, prefixes = space + "Contents", space + "CommonPrefixes"
    encoded = root.findtext(space + "EncodingType") == "url"
    names = tuple(space + name for name in ("Key", "Size", "ETag", "LastModified"))
    try:
        for child in root:
            if child.tag == contents:
                found = {each.tag: each.text or "" for each in child}
                key, length, etag, modified = [found[name] for name in names]
                result.objects.append(
                    ObjectInfo(
                        _decoded(key, encoded), size(length), unquoted(etag), seconds(modified)
                    )
                )
            elif child.tag == prefixes:
                result.prefixes.extend(_decoded(each.text or "", encoded) for each in child)
        truncated = root.findtext(space + "IsTruncated") == "true"
        token = root.findtext(space + "NextContinuationToken") or ""
    except (KeyError, ValueError) as error:
        raise Corrupted(f"the object store sent a listing without sense ({error!r})") from error
    if truncated and not token:
        raise Corrupted("the object store sent a listing that goes on, but not where")
    return result._replace(next_token=token if truncated else None)


def unquoted(etag: str) -> ETag:
    """An ETag without quotes, and without the mark of a proxy that compresses (``W/``)."""
    return ETag(etag.removeprefix("W/").strip('"'))


def size(text: str) -> int:
    """The size of an object in bytes. Raises ``ValueError`` for what none can have."""
    if not (text.isascii() and text.isdecimal()) or (found := int(text)) > MAX_SIZE:
        raise ValueError(f"no object has {text[:40]!r} bytes")
    return found


def seconds(moment: str) -> int:
    """An ISO 8601 time in whole seconds since the epoch. Raises ``ValueError``."""
    found = datetime.datetime.fromisoformat(moment)
    if found.tzinfo is None:
        found = found.replace(tzinfo=datetime.UTC)
    return int(found.timestamp())


def completion(parts: Iterable[Part]) -> bytes:
    """The body of CompleteMultipartUpload."""
    lines = ['<CompleteMultipartUpload xmlns="http://s3.amazonaws.com/doc/2006-03-01/">']
    for part in parts:
        crc = "" if part.checksum is None else _element("ChecksumCRC32C", part.checksum)
        etag = _element("ETag", f'"{part.etag}"')
        lines.append(f"<Part><PartNumber>{part.number}</PartNumber>{etag}{crc}</Part>")
    return "".join([*lines, "</CompleteMultipartUpload>"]).encode()


def deletion(keys: Iterable[str]) -> bytes:
    """The body of DeleteObjects, which then tells of every key what became of it."""
    lines = ['<Delete xmlns="http://s3.amazonaws.com/doc/2006-03-01/"><Quiet>false</Quiet>']
    lines += [f"<Object>{_element('Key', key)}</Object>" for key in keys]
    return "".join([*lines, "</Delete>"]).encode()


def can_hold(text: str) -> bool:
    """Whether XML 1.0 has all the characters of ``text`` (production 2, "Char")."""
    return text.isprintable() or not any(
        (character < " " and character not in "\t\n\r")
        or "\ud800" <= character <= "\udfff"
        or character in "\ufffe\uffff"
        for character in text
    )


def _element(name: str, text: str) -> str:
    return f"<{name}>{escape(text, _LINE_BREAKS)}</{name}>"


def _decoded(text: str, encoded: bool) -> str:  # noqa: FBT001
    return unquote_plus(text, errors="surrogateescape") if encoded else text
