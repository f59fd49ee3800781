"""The Content-Type an object gets from its name.

Owns the table. The system's ``/etc/mime.types`` is not read: the same name gives the same type on
every machine.
"""

from __future__ import annotations

import mimetypes

DEFAULT = "application/octet-stream"

DIRECTORY = "application/x-directory"
"""The type of a directory's marker, as the AWS console and most S3 tools write it."""

EXTRA = {
    ".ipynb": "application/x-ipynb+json",
    ".parquet": "application/vnd.apache.parquet",
    ".arrow": "application/vnd.apache.arrow.file",
    ".feather": "application/vnd.apache.arrow.file",
    ".jsonl": "application/jsonl",
    ".yaml": "application/yaml",
    ".yml": "application/yaml",
    ".toml": "application/toml",
    ".md": "text/markdown",
    ".log": "text/plain",
    ".gz": "application/gzip",
    ".bz2": "application/x-bzip2",
    ".xz": "application/x-xz",
    ".zst": "application/zstd",
}
"""Types of the field that Python's own table lacks, or gives as an encoding (IANA registry)."""

_TYPES = mimetypes.MimeTypes(filenames=())
for _suffix, _type in EXTRA.items():
    _TYPES.add_type(_type, _suffix)


def content_type(name: str) -> str:
    """The type for a file's name or key, by its ending."""
    guessed, encoding = _TYPES.guess_type(name.rsplit("/", 1)[-1], strict=True)
    if encoding is not None:
        return EXTRA.get("." + name.rsplit(".", 1)[-1].lower(), DEFAULT)
    return guessed or DEFAULT
