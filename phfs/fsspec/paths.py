"""Which strings name a file of a group: ``phfs:///p`` is the object ``groups/<group>/p``.

Owns the rule that nothing outside the group can be named. Never looks anything up. Called by
``filesystem``.
"""

from __future__ import annotations

from phfs.errors import Invalid

PROTOCOL = "phfs"

_BEGINNING = f"{PROTOCOL}://"


def stripped(url: str) -> str:
    """The path of a URL, or a path in the shape that all have: from ``/`` on, none at its end.

    Raises ``Invalid`` for what is no path: an empty part, ``.`` or ``..``, a host.
    """
    path = url
    if url.startswith(_BEGINNING):
        path = url[len(_BEGINNING) :]
        if path and not path.startswith("/"):
            raise Invalid(
                f"{url!r} has two slashes where a path begins with the third.",
                f"Give {_BEGINNING}/{path}.",
            )
    inner = path.removeprefix("/").removesuffix("/")
    if inner:
        for part in inner.split("/"):
            if part in ("", ".", ".."):
                wrong = f"a part {part!r}" if part else "two slashes in a row"
                raise Invalid(
                    f"{url!r} has {wrong}, which no path of a group has.",
                    f"Give a path from the group's directory on, as in {_BEGINNING}/data/x.csv.",
                )
    elif path not in ("", "/"):
        raise Invalid(f"{url!r} is no path.", f"The group's own directory is {_BEGINNING}/.")
    return f"/{inner}"
