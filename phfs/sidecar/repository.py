"""A git volume's URL: what may be cloned, which reference, and how it is shown without its secrets.

Pure; runs no git. Called by ``dataset``.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from urllib.parse import urlsplit, urlunsplit

SCHEMES = ("https", "http", "ssh", "git")
"""git knows more, some of which start a program (``ext::``) or read the sidecar's own files."""

_SCP_LIKE = re.compile(
    r"(?:(?P<user>[A-Za-z0-9._-]+)@)?(?P<host>[A-Za-z0-9.-]+):(?P<path>[^:@][^@]*)"
)
# Without a scheme an @ behind the colon is a password that was put in the wrong form.
_REFERENCE = re.compile(r"(?![-/.])(?!.*(?:\.\.|//|@\{))[^\s~^:?*\[\\]{1,250}(?<![/.])")


@dataclass(frozen=True, kw_only=True)
class Repository:
    """``url`` may hold a token and is given to git only, never on a command line that others see;
    ``shown`` is for people. ``reference``: a branch, tag or commit; None is the remote's default.
    """

    url: str = field(repr=False)
    shown: str
    reference: str | None


def parse(text: str) -> Repository:
    """``URL[#REFERENCE]``. Raises ``ValueError`` with what is wrong, without the URL."""
    url, sign, reference = text.partition("#")
    if not text.isprintable() or " " in text:
        raise ValueError("the URL has blanks or control characters")
    if sign and not _REFERENCE.fullmatch(reference):
        raise ValueError("what follows '#' in the URL is no branch, tag or commit")
    return Repository(url=url, shown=_shown(url), reference=reference or None)


def _shown(url: str) -> str:
    if "://" not in url:
        return _scp_like(url)
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        raise ValueError("the URL has a host or port that is none") from None
    if parts.scheme not in SCHEMES:
        raise ValueError(f"the URL begins with none of {', '.join(SCHEMES)}")
    host = parts.hostname or ""
    if not re.fullmatch(r"[a-z0-9_.:-]+", host) or host.startswith("-"):
        raise ValueError("the URL has no host")
    if (parts.username or "").startswith("-"):
        raise ValueError("the URL's user begins with '-'")
    # An IPv6 address is in brackets.
    place = (f"[{host}]" if ":" in host else host) + (f":{port}" if port else "")
    return urlunsplit((parts.scheme, place, parts.path, "…" if parts.query else "", ""))


def _scp_like(url: str) -> str:
    found = _SCP_LIKE.fullmatch(url)
    if not found or url.startswith("-") or found["host"].startswith("-"):
        raise ValueError("the URL is neither https://…, ssh://… nor user@host:path")
    return f"{found['host']}:{found['path']}"
