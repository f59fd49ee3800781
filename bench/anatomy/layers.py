"""The boundaries of a mount's layers, and how work is told apart there.

Owns the table of methods where one layer calls the next. They are replaced for as long as
something is recorded, and nowhere else. Called by ``jobs``.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any, NamedTuple

from bench.anatomy.recorder import Layer, Recorder
from phfs.fuse.operations import Operations
from phfs.s3 import head, xml
from phfs.s3.client import S3Store
from phfs.s3.prefix import PrefixedStore
from phfs.s3.sign import Signer
from phfs.s3.wire import Wire
from phfs.vfs.filesystem import FileSystem

Choose = Callable[..., Layer]


class Boundary(NamedTuple):
    """Calling one of ``names`` of ``owner`` enters the layer that ``choose`` says."""

    owner: object
    names: tuple[str, ...]
    choose: Choose


def _always(layer: Layer) -> Choose:
    return lambda *_: layer


def _received(wire: Wire, *_: object) -> Layer:
    """Until the first byte of an answer has come, the store is at work."""
    return Layer.RECEIVE if wire.begun else Layer.WAIT


FILE_CALLS = ("lookup", "open", "read", "flush", "release")
STORE_CALLS = ("head", "get", "list_page")

BOUNDARIES = (
    Boundary(Operations, FILE_CALLS, _always(Layer.HANDLERS)),
    Boundary(FileSystem, FILE_CALLS, _always(Layer.FILES)),
    Boundary(PrefixedStore, STORE_CALLS, _always(Layer.WRAPPERS)),
    Boundary(S3Store, STORE_CALLS, _always(Layer.CLIENT)),
    Boundary(Signer, ("sign",), _always(Layer.SIGN)),
    Boundary(Wire, ("send",), _always(Layer.SEND)),
    Boundary(Wire, ("receive",), _received),
    Boundary(head, ("parse",), _always(Layer.PARSE)),
    Boundary(xml, ("parse", "page"), _always(Layer.PARSE)),
)


@contextmanager
def recorded(recorder: Recorder) -> Iterator[None]:
    """Every boundary tells the recorder, inside."""
    with ExitStack() as restoring:
        for owner, names, choose in BOUNDARIES:
            for name in names:
                work = getattr(owner, name)
                setattr(owner, name, _telling(recorder, work, choose))
                restoring.callback(setattr, owner, name, work)
        yield


def _telling(recorder: Recorder, work: Callable[..., Any], choose: Choose) -> Callable[..., Any]:
    """``work``, with its beginning and its end told."""

    @functools.wraps(work)
    async def awaited(*args: Any, **named: Any) -> Any:
        layer = choose(*args)
        recorder.enter(layer)
        try:
            return await work(*args, **named)
        finally:
            recorder.leave(layer)

    @functools.wraps(work)
    def called(*args: Any, **named: Any) -> Any:
        layer = choose(*args)
        recorder.enter(layer)
        try:
            return work(*args, **named)
        finally:
            recorder.leave(layer)

    return awaited if inspect.iscoroutinefunction(work) else called
