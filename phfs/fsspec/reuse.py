"""The same connections for the same configuration, in one process.

Owns what is kept of them. Called by ``filesystem``.
"""

from __future__ import annotations

import os
from typing import Any

from phfs.config import MountConfig
from phfs.fsspec.objects import Objects

_kept: dict[tuple[object, ...], Objects] = {}


def objects(config: MountConfig, *, asynchronous: bool, loop: Any, **tuning: Any) -> Objects:
    """A group's objects; the same for the same configuration, so that connections are used again.

    Raises ``ConfigError`` if there are no keys.
    """
    if asynchronous or loop is not None:
        return Objects(config, asynchronous=asynchronous, loop=loop, **tuning)
    aws = tuple(sorted(item for item in os.environ.items() if item[0].startswith("AWS_")))
    name = (os.getpid(), aws, tuple(vars(config).items()), tuple(sorted(tuning.items())))
    if name not in _kept:
        _kept[name] = Objects(config, **tuning)
    return _kept[name]
