from __future__ import annotations

import errno
import os

import pytest

from phfs import errors
from phfs.fuse.errno import TABLE, errno_of

EXPECTED = {
    errors.NotFound: errno.ENOENT,
    errors.Exists: errno.EEXIST,
    errors.NotDirectory: errno.ENOTDIR,
    errors.IsDirectory: errno.EISDIR,
    errors.NotEmpty: errno.ENOTEMPTY,
    errors.Busy: errno.EBUSY,
    errors.Stale: errno.ESTALE,
    errors.NotSequential: errno.ESPIPE,
    errors.Unsupported: errno.EOPNOTSUPP,
    errors.ReadOnly: errno.EROFS,
    errors.NotPermitted: errno.EPERM,
    errors.Invalid: errno.EINVAL,
    errors.NameTooLong: errno.ENAMETOOLONG,
    errors.NameNotText: errno.EILSEQ,
    errors.CrossDevice: errno.EXDEV,
    errors.OutOfMemory: errno.ENOMEM,
    errors.BadHandle: errno.EBADF,
    errors.OperationFailed: errno.EIO,
    errors.NoSuchKey: errno.ENOENT,
    errors.NoSuchBucket: errno.EIO,
    errors.NoSuchUpload: errno.EIO,
    errors.AccessDenied: errno.EACCES,
    errors.BadCredentials: errno.EACCES,
    errors.WrongClock: errno.EACCES,
    errors.WrongRegion: errno.EACCES,
    errors.PreconditionFailed: errno.ESTALE,
    errors.InvalidKey: errno.EINVAL,
    errors.KeyTooLong: errno.ENAMETOOLONG,
    errors.InvalidRequest: errno.EIO,
    errors.PartsLost: errno.EIO,
    errors.QuotaExceeded: errno.EDQUOT,
    errors.StorageFull: errno.ENOSPC,
    errors.TooLarge: errno.EFBIG,
    errors.Archived: errno.EACCES,
    errors.NotSupported: errno.EIO,
    errors.UntrustedServer: errno.EIO,
    errors.TransientError: errno.EIO,
    errors.Throttled: errno.EIO,
    errors.ServerFault: errno.EIO,
    errors.TimedOut: errno.EIO,
    errors.ConnectionFailed: errno.EIO,
    errors.Corrupted: errno.EIO,
    errors.FileError: errno.EIO,
    errors.StoreError: errno.EIO,
    errors.ConfigError: errno.EIO,
    errors.DocumentError: errno.EIO,
    errors.MountError: errno.EIO,
    errors.VolumeError: errno.EIO,
    errors.Unfinished: errno.EIO,
    errors.PhfsError: errno.EIO,
}

GENERAL = (errors.PhfsError, errors.FileError, errors.StoreError)


def tree(kind: type[errors.PhfsError]) -> list[type[errors.PhfsError]]:
    return [kind, *(below for child in kind.__subclasses__() for below in tree(child))]


PRODUCT = [kind for kind in tree(errors.PhfsError) if kind.__module__ == errors.__name__]


@pytest.mark.parametrize("kind", PRODUCT)
def test_every_class_has_the_errno_it_should(kind: type[errors.PhfsError]) -> None:
    found = errno_of(kind("why"))
    assert found.number == EXPECTED[kind]
    assert errno.__dict__[found.name] == found.number
    assert found.text == os.strerror(found.number)


@pytest.mark.parametrize("kind", PRODUCT)
def test_no_class_is_mapped_only_because_everything_is(kind: type[errors.PhfsError]) -> None:
    nearest = next(base for base in kind.__mro__ if base in TABLE)
    assert nearest not in GENERAL or kind in GENERAL


def test_errnos_that_would_harm_are_never_given() -> None:
    assert not {found.number for found in TABLE.values()} & {errno.EAGAIN, errno.ENOSYS}
