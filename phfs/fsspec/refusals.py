"""Errors of PHFS as programs know errors: an ``OSError`` with the errno a mount would give.

Owns the translation, by the mount's own table. Called by the other modules of ``fsspec``.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from phfs.errors import PhfsError
from phfs.fuse.errno import errno_of


def refusal(error: PhfsError) -> OSError:
    """``FileNotFoundError``, ``PermissionError`` or another, with why and what to do."""
    return OSError(errno_of(error).number, f"{error.why} {error.advice}".rstrip())


@contextmanager
def told() -> Iterator[None]:
    """Whatever PHFS refuses inside is raised as an ``OSError``."""
    try:
        yield
    except PhfsError as error:
        raise refusal(error) from error
