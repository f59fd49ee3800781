"""From the tree of errors to errno: one total table, the only place that knows the numbers.

Owns the translation. Never raises and never decides anything else. Called by ``guard`` and
``failures``. ``EAGAIN`` is absent because programs then retry for ever, ``ENOSYS`` because the
kernel takes it as "never ask again" and lets a close succeed.
"""

from __future__ import annotations

import errno
import os
from typing import NamedTuple

from phfs import errors


class Errno(NamedTuple):
    """An errno as a program (``number``), a reader of manuals (``name``) and a person sees it."""

    number: int
    name: str
    text: str


def _errno(name: str) -> Errno:
    number: int = getattr(errno, name)
    return Errno(number, name, os.strerror(number))


EIO = _errno("EIO")

TABLE: dict[type[errors.PhfsError], Errno] = {
    error: _errno(name)
    for error, name in {
        errors.PhfsError: "EIO",
        errors.ConfigError: "EIO",
        errors.MountError: "EIO",
        errors.VolumeError: "EIO",
        errors.Unfinished: "EIO",
        errors.FileError: "EIO",
        errors.NotFound: "ENOENT",
        errors.Exists: "EEXIST",
        errors.NotDirectory: "ENOTDIR",
        errors.IsDirectory: "EISDIR",
        errors.NotEmpty: "ENOTEMPTY",
        errors.Busy: "EBUSY",
        errors.Stale: "ESTALE",
        errors.NotSequential: "ESPIPE",
        errors.Unsupported: "EOPNOTSUPP",
        errors.ReadOnly: "EROFS",
        errors.NotPermitted: "EPERM",
        errors.Invalid: "EINVAL",
        errors.NameTooLong: "ENAMETOOLONG",
        errors.NameNotText: "EILSEQ",
        errors.CrossDevice: "EXDEV",
        errors.OutOfMemory: "ENOMEM",
        errors.BadHandle: "EBADF",
        errors.OperationFailed: "EIO",
        errors.StoreError: "EIO",
        errors.NoSuchKey: "ENOENT",
        errors.NoSuchBucket: "EIO",
        errors.NoSuchUpload: "EIO",
        errors.AccessDenied: "EACCES",
        errors.BadCredentials: "EACCES",
        errors.PreconditionFailed: "ESTALE",
        errors.InvalidKey: "EINVAL",
        errors.KeyTooLong: "ENAMETOOLONG",
        errors.InvalidRequest: "EIO",
        errors.QuotaExceeded: "EDQUOT",
        errors.StorageFull: "ENOSPC",
        errors.TooLarge: "EFBIG",
        errors.Archived: "EACCES",
        errors.NotSupported: "EIO",
        errors.UntrustedServer: "EIO",
        errors.TransientError: "EIO",
    }.items()
}

ANSWERS = frozenset({"ENOENT", "EEXIST", "ENOTEMPTY", "EISDIR", "ENOTDIR"})
"""Names of errnos that are answers to a question a program asked, not failures."""


def errno_of(error: errors.PhfsError) -> Errno:
    """The errno of the most specific class of the error that the table has."""
    for kind in type(error).__mro__:
        found = TABLE.get(kind)
        if found is not None:
            return found
    return EIO
