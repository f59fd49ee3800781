"""Runs what a command does with a group's files, without a mount.

Owns which store is opened for it, and that one sentence comes out of whatever fails. Called by
``commands`` that have ``shared.add_place``.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TypeVar

import trio

from phfs.config import MountConfig
from phfs.first_reason import first_reason
from phfs.s3 import opening
from phfs.s3.store import Store

T = TypeVar("T")


def run(config: MountConfig, work: Callable[[Store], Awaitable[T]], *, writes: bool = False) -> T:
    """What ``work`` returns, run by trio with the store of the place ``config`` names.

    ``writes``: it begins multipart uploads. Raises ``ConfigError`` and what ``work`` raises.
    """
    opened = opening.writing if writes else opening.reading
    with first_reason(), opened(config) as store:
        return trio.run(work, store)
