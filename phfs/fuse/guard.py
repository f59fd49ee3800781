"""The one guard around every handler: whatever is raised leaves as an errno, and all is counted.

Owns the rule that nothing but ``pyfuse3.FUSEError`` leaves a handler, because anything else ends
the mount. Never handles a request itself. Applied by ``operations``.
"""

from __future__ import annotations

import functools
import logging
from collections.abc import Callable, Coroutine, Iterator
from time import perf_counter
from typing import Any, TypeVar, cast

import pyfuse3
import trio

from phfs.core.inodes import ROOT
from phfs.core.names import EXPLANATIONS
from phfs.errors import OperationFailed, OutOfMemory, PhfsError, Stale
from phfs.fuse.counts import Counts
from phfs.fuse.errno import errno_of
from phfs.fuse.failures import Failures
from phfs.fuse.volume import RESERVED

log = logging.getLogger(__name__)

_OWN_NAME = EXPLANATIONS.encode()


Handler = TypeVar("Handler", bound=Callable[..., Coroutine[Any, Any, Any]])
"""A method of an object that has ``failures``, the ring to report to, and ``counts``."""


def guarded(
    operation: str, locate: Callable[..., str], *, retried: bool = False
) -> Callable[[Handler], Handler]:
    """Decorate a handler.

    ``operation`` is its name for people; ``locate`` gives the path, from the handler's arguments
    and only after a failure. ``retried``: the kernel answers ``ESTALE`` by looking the path up
    again, so that the program sees no failure.
    """

    def decorate(handler: Handler) -> Handler:
        @functools.wraps(handler)
        async def guard(self: Any, *args: Any) -> Any:
            counts: Counts = self.counts
            tally = counts.aside if _about_itself(args) else counts.of(operation)
            began = perf_counter()
            try:
                answer = await handler(self, *args)
            except GeneratorExit:  # the loop is gone and nobody waits for an answer
                raise
            except BaseException as error:
                known = explained(error)
                if not (retried and isinstance(known, Stale)):
                    failures: Failures = self.failures
                    failures.report(locate(self, *args), operation, known)
                errno = errno_of(known)
                tally.add(perf_counter() - began)
                tally.errors[errno.name] += 1
                raise pyfuse3.FUSEError(errno.number) from None
            tally.add(perf_counter() - began)
            return answer

        return cast(Handler, guard)

    return decorate


def _about_itself(args: tuple[Any, ...]) -> bool:
    """Whether a request is about the mount's own directory: looking at the counts is not counted.

    The first argument is an inode or a handle, but for ``statfs``.
    """
    first = args[0]
    if not isinstance(first, int):
        return False
    return first >= RESERVED or (first == ROOT and len(args) > 1 and args[1] == _OWN_NAME)


def silenced(handler: Handler) -> Handler:
    """Decorate a handler that has nobody to answer to: a defect is logged and that is all."""

    @functools.wraps(handler)
    async def guard(self: Any, *args: Any) -> None:
        try:
            await handler(self, *args)
        except GeneratorExit:
            raise
        except BaseException as error:
            explained(error)

    return cast(Handler, guard)


def explained(error: BaseException) -> PhfsError:
    """The error to show for whatever was raised; defects are logged with their traceback.

    Of a group the first defect counts, then the first error of the tree.
    """
    if isinstance(error, PhfsError):
        return error
    leaves = list(_leaves(error))
    known = [leaf for leaf in leaves if isinstance(leaf, PhfsError)]
    for leaf in leaves:
        if isinstance(leaf, MemoryError):
            return OutOfMemory("The daemon has no memory left.", "Close files, then try again.")
        if not isinstance(leaf, PhfsError | trio.Cancelled):
            log.error("a handler failed", exc_info=leaf)
            return OperationFailed(
                f"PHFS failed inside: {type(leaf).__name__}: {leaf}",
                "This is a defect of PHFS: report it with the daemon's log.",
            )
    if known:
        return known[0]
    return OperationFailed("The mount is being stopped.", "Try again when it is mounted again.")


def _leaves(error: BaseException) -> Iterator[BaseException]:
    if isinstance(error, BaseExceptionGroup):
        for inner in error.exceptions:
            yield from _leaves(inner)
    else:
        yield error
