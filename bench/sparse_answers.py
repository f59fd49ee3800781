"""What the sparse store answers: the S3 REST interface over a catalog.

Owns the meaning of requests and the XML of answers, as far as PHFS and boto3 need them. Checks no
signature and no checksum. Called by ``sparse``, from many threads at once.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime
from email.utils import formatdate
from functools import lru_cache
from urllib.parse import quote, unquote
from xml.sax.saxutils import escape

from bench.sparse_catalog import Catalog, Entry, Held, etag
from bench.sparse_wire import Answer, Request
from phfs.errors import InvalidRequest
from phfs.s3 import xml
from phfs.s3.headers import CHECKSUM
from phfs.s3.rules import entry_before, token_after

PAGE = 1000
"""Most entries of a listing (S3 API reference, ListObjectsV2)."""

_RANGE = re.compile(r"bytes=(\d*)-(\d*)")
_SPACE = 'xmlns="http://s3.amazonaws.com/doc/2006-03-01/"'


class Interface:
    """Answers requests about one bucket in path style."""

    def __init__(self, bucket: str, catalog: Catalog) -> None:
        self._bucket = bucket
        self._catalog = catalog

    def answer(self, request: Request) -> Answer:
        """The answer to any request."""
        bucket, _, key = request.path.lstrip("/").partition("/")
        if bucket != self._bucket:
            return _error(404, "NoSuchBucket")
        return self._about_object(request, key) if key else self._about_bucket(request)

    def _about_bucket(self, request: Request) -> Answer:
        match request.method:
            case "GET" if request.query.get("list-type") == "2":
                return self._list(request.query)
            case "GET" if "location" in request.query:
                return _document("LocationConstraint", "")
            case "HEAD":
                return Answer(200)
            case "POST" if "delete" in request.query:
                return self._delete_many(request.body)
        return _error(501, "NotImplemented")

    def _about_object(self, request: Request, key: str) -> Answer:
        query = request.query
        match request.method:
            case "GET" if "tagging" in query:
                return _document("Tagging", "<TagSet></TagSet>")
            case "GET" | "HEAD":
                return self._get(request, key)
            case "PUT" if self._lacks_source(request):
                return _error(404, "NoSuchKey")
            case "PUT" if "partNumber" in query:
                return self._put_part(request, key)
            case "PUT":
                return self._put(request, key)
            case "POST" if "uploads" in query:
                upload = _element("UploadId", self._catalog.begin())
                return _document("InitiateMultipartUploadResult", _named(self._bucket, key, upload))
            case "POST" if "uploadId" in query:
                return self._complete(request, key)
            case "DELETE" if "uploadId" in query:
                ended = self._catalog.end(query["uploadId"])
                return Answer(204) if ended else _error(404, "NoSuchUpload")
            case "DELETE":
                self._catalog.delete(key)
                return Answer(204)
        return _error(501, "NotImplemented")

    def _get(self, request: Request, key: str) -> Answer:
        held = self._catalog.find(key)
        if held is None:
            return _error(404, "NoSuchKey")
        version = etag(key, held)
        if request.headers.get("if-match", version).strip('"') not in (version, "*"):
            return _error(412, "PreconditionFailed")
        headers = {
            "ETag": f'"{version}"',
            "Last-Modified": formatdate(held.modified, usegmt=True),
            "Content-Type": "binary/octet-stream",
            "Accept-Ranges": "bytes",
        }
        asked = request.headers.get("range")
        if asked is None:
            return Answer(200, headers, zeros=held.size)
        span = _span(asked, held.size)
        if not span:
            return _error(416, "InvalidRange")
        headers["Content-Range"] = f"bytes {span.start}-{span.stop - 1}/{held.size}"
        return Answer(206, headers, zeros=len(span))

    def _put(self, request: Request, key: str) -> Answer:
        if self._is_unwanted(request, key):
            return _error(412, "PreconditionFailed")
        source = self._source(request)
        if source is not None:
            held = self._catalog.put(key, source.size)
            return _document("CopyObjectResult", _version(key, held))
        held = self._catalog.put(key, request.size)
        return _taken(request, etag(key, held))

    def _put_part(self, request: Request, key: str) -> Answer:
        size = request.size
        source = self._source(request)
        if source is not None:
            size = len(
                _span(request.headers.get("x-amz-copy-source-range", "bytes=0-"), source.size)
            )
        part = Held(size, 0)
        number = int(request.query["partNumber"])
        if not self._catalog.put_part(request.query["uploadId"], number, size):
            return _error(404, "NoSuchUpload")
        if source is not None:
            return _document("CopyPartResult", _version(key, part))
        return _taken(request, etag(key, part))

    def _complete(self, request: Request, key: str) -> Answer:
        upload = request.query["uploadId"]
        parts = self._catalog.parts(upload)
        if parts is None:
            return _error(404, "NoSuchUpload")
        if self._is_unwanted(request, key):
            return _error(412, "PreconditionFailed")
        numbers = [int(xml.fields(each)["PartNumber"]) for each in xml.parse(request.body)]
        if not numbers or not parts.keys() >= set(numbers):
            return _error(400, "InvalidPart")
        held = self._catalog.put(key, sum(parts[number] for number in numbers))
        self._catalog.end(upload)
        result = _named(self._bucket, key, _version(key, held))
        return _document("CompleteMultipartUploadResult", result)

    def _delete_many(self, body: bytes) -> Answer:
        for element in xml.parse(body):
            if xml.local_name(element) == "Object":
                self._catalog.delete(xml.fields(element)["Key"])
        return _document("DeleteResult", "")

    def _list(self, query: dict[str, str]) -> Answer:
        token = query.get("continuation-token")
        try:
            after = query.get("start-after", "") if token is None else entry_before(token)
        except InvalidRequest:
            return _error(400, "InvalidArgument")
        limit = min(int(query.get("max-keys", PAGE)), PAGE)
        prefix = query.get("prefix", "")
        entries, more = self._catalog.page(prefix, query.get("delimiter", ""), after, limit)
        encoded = query.get("encoding-type") == "url"
        write = quote if encoded else escape
        lines = [
            _element("Name", self._bucket),
            f"<Prefix>{write(prefix)}</Prefix>",
            f"<MaxKeys>{limit}</MaxKeys><KeyCount>{len(entries)}</KeyCount>",
            f"<IsTruncated>{'true' if more else 'false'}</IsTruncated>",
        ]
        if encoded:
            lines.append("<EncodingType>url</EncodingType>")
        if more:
            lines.append(_element("NextContinuationToken", token_after(entries[-1].name)))
        lines += [_line(entry, write(entry.name)) for entry in entries]
        return _document("ListBucketResult", "".join(lines))

    def _is_unwanted(self, request: Request, key: str) -> bool:
        is_new = request.headers.get("if-none-match") == "*"
        return is_new and self._catalog.find(key) is not None

    def _lacks_source(self, request: Request) -> bool:
        return "x-amz-copy-source" in request.headers and self._source(request) is None

    def _source(self, request: Request) -> Held | None:
        """The object to copy, if one is named and there."""
        named = unquote(request.headers.get("x-amz-copy-source", ""))
        bucket, _, key = named.lstrip("/").partition("/")
        return self._catalog.find(key) if bucket == self._bucket else None


def _taken(request: Request, version: str) -> Answer:
    """The answer to bytes that were taken: as if their checksum had been compared."""
    sums = {name: value for name, value in request.headers.items() if name == CHECKSUM}
    return Answer(200, {"ETag": f'"{version}"', **sums})


def _span(text: str, size: int) -> range:
    """The bytes that a range means in an object of ``size``; empty if it has none of them."""
    found = _RANGE.fullmatch(text)
    if found is None:
        return range(0)
    first, last = found.groups()
    if not first:
        return range(max(0, size - int(last or 0)), size)
    return range(int(first), min(size, int(last) + 1 if last else size))


@lru_cache
def _moment(seconds: int) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%S.000Z")


def _line(entry: Entry, name: str) -> str:
    if entry.held is None:
        return f"<CommonPrefixes><Prefix>{name}</Prefix></CommonPrefixes>"
    size = f"<Size>{entry.held.size}</Size><StorageClass>STANDARD</StorageClass>"
    return f"<Contents><Key>{name}</Key>{_version(entry.name, entry.held)}{size}</Contents>"


def _version(key: str, held: Held) -> str:
    modified = f"<LastModified>{_moment(held.modified)}</LastModified>"
    return f"{modified}<ETag>&quot;{etag(key, held)}&quot;</ETag>"


def _named(bucket: str, key: str, content: str) -> str:
    return f"{_element('Bucket', bucket)}{_element('Key', key)}{content}"


def _element(name: str, text: str) -> str:
    return f"<{name}>{escape(text)}</{name}>"


def _document(name: str, content: str) -> Answer:
    return _xml(200, f"<{name} {_SPACE}>{content}</{name}>")


def _error(status: int, code: str) -> Answer:
    # botocore looks for an error without a namespace, as S3 sends it.
    return _xml(status, f"<Error><Code>{code}</Code><Message>{code}</Message></Error>")


def _xml(status: int, root: str) -> Answer:
    text = f'<?xml version="1.0" encoding="UTF-8"?>\n{root}'
    return Answer(status, {"Content-Type": "application/xml"}, text.encode())
