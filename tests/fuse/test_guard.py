from __future__ import annotations

import errno
import logging
from collections.abc import Awaitable, Callable

import pyfuse3
import pytest
import trio

from phfs.errors import Busy, NotFound, PhfsError, ServerFault, Stale
from phfs.fuse.guard import explained
from tests.fuse.conftest import NOBODY, Boundary
from tests.fuse.fake import HANDLE

A = pyfuse3.InodeT(2)
ROOT = pyfuse3.InodeT(1)
FH = pyfuse3.FileHandleT(HANDLE)


async def failing(boundary: Boundary, error: BaseException) -> int:
    boundary.volume.error = error
    with pytest.raises(pyfuse3.FUSEError) as caught:
        await boundary.operations.read(FH, 0, 10)
    return caught.value.errno


async def test_an_error_of_the_tree_becomes_its_errno_and_is_explained(boundary: Boundary) -> None:
    assert await failing(boundary, Busy("/a is being written.")) == errno.EBUSY
    (failure,) = boundary.failures.newest_first()
    assert (failure.path, failure.operation, failure.errno.name) == ("/a", "read", "EBUSY")
    assert failure.why == "/a is being written."
    assert failure.advice == Busy.default_advice


async def test_an_answer_is_not_a_failure(boundary: Boundary) -> None:
    assert await failing(boundary, NotFound("There is no /b.")) == errno.ENOENT
    assert boundary.failures.newest_first() == []


@pytest.mark.expects_log
@pytest.mark.parametrize("defect", [KeyError("x"), OSError(errno.EAGAIN, "?"), AssertionError()])
async def test_a_defect_is_eio_with_its_traceback_in_the_log(
    boundary: Boundary, defect: Exception, caplog: pytest.LogCaptureFixture
) -> None:
    assert await failing(boundary, defect) == errno.EIO
    (record,) = [r for r in caplog.records if r.levelno == logging.ERROR]
    assert record.exc_info is not None
    assert record.exc_info[1] is defect
    assert type(defect).__name__ in boundary.failures.text()


async def test_no_memory(boundary: Boundary) -> None:
    assert await failing(boundary, MemoryError()) == errno.ENOMEM


@pytest.mark.expects_log
async def test_groups_are_unwrapped(boundary: Boundary) -> None:
    group = BaseExceptionGroup("", [ExceptionGroup("", [ServerFault("The store is ill.")])])
    assert await failing(boundary, group) == errno.EIO
    assert boundary.failures.newest_first()[0].why == "The store is ill."


@pytest.mark.expects_log
def test_a_defect_counts_more_than_what_it_led_to() -> None:
    group = BaseExceptionGroup("", [ServerFault("ill"), ExceptionGroup("", [ValueError("bug")])])
    assert "ValueError: bug" in explained(group).why


async def test_a_cancelled_request_is_answered(boundary: Boundary) -> None:
    codes = []
    with trio.CancelScope() as scope:
        scope.cancel()
        try:
            await trio.lowlevel.checkpoint()
        except trio.Cancelled as cancelled:
            codes.append(await failing(boundary, cancelled))
        await trio.lowlevel.checkpoint()
        codes.append(0)
    assert codes == [errno.EIO]  # and the scope is cancelled all the same
    assert "being stopped" in boundary.failures.newest_first()[0].why


async def test_what_the_kernel_asks_again_for_is_not_shown(boundary: Boundary) -> None:
    boundary.volume.error = Stale("/a was replaced.")
    for request in (
        boundary.operations.open(A, pyfuse3.FlagT(0), NOBODY),
        boundary.operations.getattr(A, NOBODY),
        boundary.operations.opendir(A, NOBODY),
    ):
        with pytest.raises(pyfuse3.FUSEError) as caught:
            await request
        assert caught.value.errno == errno.ESTALE
    assert boundary.failures.newest_first() == []
    await failing(boundary, Stale("/a was replaced while it was read."))
    assert len(boundary.failures.newest_first()) == 1


@pytest.mark.expects_log
async def test_forget_lets_nothing_out(
    boundary: Boundary, caplog: pytest.LogCaptureFixture
) -> None:
    boundary.volume.error = RuntimeError("bug")
    await boundary.operations.forget([(A, 1)])
    assert boundary.volume.calls == [("forget", 2, 1)]
    assert any(record.exc_info for record in caplog.records)


@pytest.mark.expects_log
async def test_every_handler_turns_a_defect_into_an_errno(boundary: Boundary) -> None:
    ops, volume = boundary.operations, boundary.volume
    mode, flags = pyfuse3.ModeT(0o100644), pyfuse3.FlagT(0)
    name = pyfuse3.FileNameT(b"a")
    token = pyfuse3.ReaddirToken()
    attributes, fields = pyfuse3.EntryAttributes(), pyfuse3.SetattrFields()
    requests: dict[str, Callable[[], Awaitable[object]]] = {
        "lookup": lambda: ops.lookup(ROOT, name, NOBODY),
        "getattr": lambda: ops.getattr(A, NOBODY),
        "setattr": lambda: ops.setattr(A, attributes, fields, FH, NOBODY),
        "mknod": lambda: ops.mknod(ROOT, name, mode, 0, NOBODY),
        "mkdir": lambda: ops.mkdir(ROOT, name, mode, NOBODY),
        "unlink": lambda: ops.unlink(ROOT, name, NOBODY),
        "rmdir": lambda: ops.rmdir(ROOT, name, NOBODY),
        "rename": lambda: ops.rename(ROOT, name, ROOT, name, flags, NOBODY),
        "open": lambda: ops.open(A, flags, NOBODY),
        "create": lambda: ops.create(ROOT, name, mode, flags, NOBODY),
        "read": lambda: ops.read(FH, 0, 1),
        "write": lambda: ops.write(FH, 0, b"x"),
        "flush": lambda: ops.flush(FH),
        "fsync": lambda: ops.fsync(FH, False),
        "release": lambda: ops.release(FH),
        "opendir": lambda: ops.opendir(ROOT, NOBODY),
        "readdir": lambda: ops.readdir(FH, 0, token),
        "releasedir": lambda: ops.releasedir(FH),
    }
    for handler, request in requests.items():
        volume.error = ZeroDivisionError(handler)
        with pytest.raises(pyfuse3.FUSEError) as caught:
            await request()
        assert caught.value.errno == errno.EIO, handler
        assert handler in boundary.failures.newest_first()[0].why


async def test_a_closed_coroutine_is_not_answered(boundary: Boundary) -> None:
    boundary.volume.error = GeneratorExit()
    with pytest.raises(GeneratorExit):
        await boundary.operations.read(FH, 0, 10)
    assert boundary.failures.newest_first() == []


def test_an_error_of_the_tree_is_itself() -> None:
    error = PhfsError("why")
    assert explained(error) is error
