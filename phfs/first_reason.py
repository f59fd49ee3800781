"""One error out of a group of trio's, for the sake of one sentence.

Owns nothing else. Called by whoever runs tasks and speaks to a person: ``mount`` and ``cli``.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from phfs.errors import PhfsError


@contextmanager
def first_reason() -> Iterator[None]:
    """Raise the error of the tree that a group of trio's is made of, for the sake of one sentence;
    a group with a defect in it stays as it is."""
    try:
        yield
    except BaseExceptionGroup as group:
        reasons, defects = group.split(PhfsError)
        if reasons is None or defects is not None:
            raise
        first: BaseException = reasons
        while isinstance(first, BaseExceptionGroup):
            first = first.exceptions[0]
        raise first from None
