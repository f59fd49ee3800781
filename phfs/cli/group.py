"""Runs what a command does with a group's files, without a mount.

Owns which store is opened for it, and that one sentence comes out of whatever fails. Called by
``commands`` that have ``shared.add_place``.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from typing import TypeVar

import trio

from phfs.config import MountConfig
from phfs.first_reason import first_reason
from phfs.s3 import opening
from phfs.s3.opening import Linking
from phfs.s3.resumable import Records
from phfs.s3.store import Store

T = TypeVar("T")


def run(config: MountConfig, work: Callable[[Store], Awaitable[T]]) -> T:
    """What ``work`` returns, run by trio with the store of the place ``config`` names.

    Raises ``ConfigError`` and what ``work`` raises.
    """
    with _telling(config), opening.reading(config) as store:
        return trio.run(work, store)


def run_linking(config: MountConfig, work: Callable[[Store, Linking], Awaitable[T]]) -> T:
    """As ``run``, for ``work`` that makes links to objects."""
    with _telling(config), opening.linking(config) as (store, link):
        return trio.run(work, store, link)


def run_copying(config: MountConfig, work: Callable[[Store, Records], Awaitable[T]]) -> T:
    """As ``run``, for ``work`` that begins uploads and goes on with interrupted ones."""
    with _telling(config), opening.copying(config) as (store, records):
        return trio.run(work, store, records)


@contextmanager
def _telling(config: MountConfig) -> Iterator[None]:
    """Inside, whatever fails comes out as one error, that of the place as a whole in its words."""
    with opening.refusals(config), _one_reason():
        yield


@contextmanager
def _one_reason() -> Iterator[None]:
    """Of a group of trio's the one error that counts: a person's Ctrl-C, a reader of the output
    who has gone, or an error of the tree."""
    with first_reason():
        try:
            yield
        except BaseExceptionGroup as group:
            for kind in (KeyboardInterrupt, BrokenPipeError):
                if group.subgroup(kind) is not None:
                    raise kind from None
            raise
