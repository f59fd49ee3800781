"""The tokens of a listing, made so that a store which goes round in circles is found out.

Owns what a token carries beside the store's own: how many pages there were, how many of the last
ones were empty, and the digest of an earlier token to compare with (Brent's algorithm: the token
of each page whose number is a power of two; a circle is found within three times its length). So
nothing has to be remembered between two pages. Pure; called by ``prefix``.
"""

from __future__ import annotations

import hashlib
from typing import NamedTuple

from phfs.errors import InvalidRequest, ServerFault

MOST_EMPTY = 1000
"""Pages in a row with nothing in them: a store may skip what was deleted, but not for ever."""


class Place(NamedTuple):
    """Where a listing stands. ``token`` is the store's, None at the beginning."""

    pages: int = 0
    empty: int = 0
    compared: str = "-"
    token: str | None = None


START = Place()


def place_of(token: str | None) -> Place:
    """What ``token_after`` packed. Raises ``InvalidRequest`` for a token of another kind."""
    if token is None:
        return START
    pages, _, rest = token.partition(" ")
    empty, _, rest = rest.partition(" ")
    compared, blank, own = rest.partition(" ")
    if not (blank and pages.isdecimal() and empty.isdecimal()):
        raise InvalidRequest(f"{token[:40]!r}: is no continuation token of a listing")
    return Place(int(pages), int(empty), compared, own)


def token_after(place: Place, token: str | None, subject: str, *, empty: bool) -> str | None:
    """The token for the page behind one that ended with the store's ``token``.

    Raises ``ServerFault``, about ``subject``, if the store has begun again or sends nothing more.
    """
    if token is None:
        return None
    digest = hashlib.blake2b(token.encode(), digest_size=16).hexdigest()
    if digest == place.compared:
        raise ServerFault(f"{subject}: the object store lists the same names again and again")
    pages = place.pages + 1
    empties = place.empty + 1 if empty else 0
    if empties == MOST_EMPTY:
        raise ServerFault(
            f"{subject}: the object store goes on listing after {MOST_EMPTY} empty pages"
        )
    compared = digest if pages & (pages - 1) == 0 else place.compared
    return f"{pages} {empties} {compared} {token}"
