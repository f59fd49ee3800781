"""The one tree of errors: what happened, why, and what to do about it.

Owns every exception PHFS raises on purpose. Knows no errno (``fuse/errno.py`` maps the tree), no
library and no layer. Everybody may import it.

::

    PhfsError
    ├── ConfigError            the user's options or variables are wrong      (exit 2)
    │   └── DocumentError      a document is wrong, in one place or several
    ├── MountError             the mount could not be made                    (exit 1)
    │   └── Unfinished         it ended, and not everything was saved         (exit 3)
    ├── VolumeError            a volume of a pod is not in place or not up to date
    ├── FileError              the file system refuses or cannot do an operation
    │   ├── NotFound · Exists · NotDirectory · IsDirectory · NotEmpty         (answers)
    │   ├── Busy · Stale · NotSequential · Unsupported · ReadOnly
    │   ├── NotPermitted · Invalid · NameTooLong · NameNotText · CrossDevice
    │   └── OutOfMemory · BadHandle · OperationFailed
    └── StoreError             the object store refused or failed
        ├── NoSuchKey · NoSuchBucket · NoSuchUpload · AccessDenied
        ├── BadCredentials · WrongClock · WrongRegion
        ├── PreconditionFailed · InvalidKey · KeyTooLong · InvalidRequest · PartsLost
        ├── QuotaExceeded · StorageFull · TooLarge · Archived · NotSupported · UntrustedServer
        └── TransientError     may go away by itself; the only ones that are retried
            └── Throttled · ServerFault · TimedOut · ConnectionFailed · Corrupted
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar


class PhfsError(Exception):
    """Something went wrong that has a reason a person can read.

    ``why`` is one sentence naming the path, key, option or value; ``advice`` one sentence on what
    to do, by default the one of the class.
    """

    default_advice: ClassVar[str] = ""

    def __init__(self, why: str, advice: str | None = None) -> None:
        super().__init__(why)
        self.why = why
        self.advice = self.default_advice if advice is None else advice


class ConfigError(PhfsError):
    """An option, variable or argument is missing or wrong."""


class DocumentError(ConfigError):
    """A document is wrong; ``problems`` has one sentence for each place, with its path in front."""

    def __init__(self, why: str, problems: Sequence[str] = ()) -> None:
        super().__init__(why)
        self.problems = tuple(problems)


class MountError(PhfsError):
    """The mount could not be made or did not answer."""


class Unfinished(MountError):
    """The mount was ended before everything that was begun was saved."""


class VolumeError(PhfsError):
    """A volume of a pod could not be put in place, or not be brought up to date."""

    default_advice = "Tell whoever manages the volume."


class FileError(PhfsError):
    """The file system refuses an operation, or could not carry it out."""


class NotFound(FileError):
    """There is no such file or directory."""


class Exists(FileError):
    """The name is taken."""


class NotDirectory(FileError):
    """A directory was needed and a file found."""


class IsDirectory(FileError):
    """A file was needed and a directory found."""


class NotEmpty(FileError):
    """The directory still has entries."""


class Busy(FileError):
    """The file is being written or read by somebody through this mount."""

    default_advice = "Wait until the other program has closed the file, then try again."


class Stale(FileError):
    """The version of the file this handle or inode stands for is no longer in the bucket."""

    default_advice = "Open the file again to get its current version."


class NotSequential(FileError):
    """A write at another offset than the end of what was written."""

    default_advice = (
        "Objects are written once, from start to end: write the file on a local disk (for example "
        "under /tmp) and copy it here when it is complete."
    )


class Unsupported(FileError):
    """An object store cannot do this."""

    default_advice = "Write a new file, or change a copy on a local disk and copy it back here."


class ReadOnly(FileError):
    """The mount is read-only."""

    default_advice = "Write somewhere else, or ask for the volume to be mounted read-write."


class NotPermitted(FileError):
    """The operation is reserved for the file system itself."""


class Invalid(FileError):
    """The arguments make no sense for this file system."""


class NameTooLong(FileError):
    """A name has more than 255 bytes, or a key more than 1024."""

    default_advice = "Choose a shorter name."


class NameNotText(FileError):
    """A name is not UTF-8."""

    default_advice = "Rename the file to a UTF-8 name (convmv does it for many files)."


class CrossDevice(FileError):
    """The rename is too large to be done in one step; mv(1) then copies by itself."""


class OutOfMemory(FileError):
    """The memory limit is spent by files that only their own writer can finish."""


class BadHandle(FileError):
    """The handle is not open for this."""


class OperationFailed(FileError):
    """An operation was begun and could not be completed."""


class StoreError(PhfsError):
    """The object store refused a request, or failed it."""


class NoSuchKey(StoreError):
    """There is no object under the key."""


class NoSuchBucket(StoreError):
    """There is no such bucket."""


class NoSuchUpload(StoreError):
    """The multipart upload does not exist: completed, aborted or never begun."""

    default_advice = "Write the file again; if it stays, tell whoever runs the object store."


class AccessDenied(StoreError):
    """The key pair is known but may not do this."""

    default_advice = "Ask whoever manages the bucket for the missing right."


class BadCredentials(StoreError):
    """The store does not know the access key, or the signature does not fit it."""

    default_advice = "Check the access key, the secret key and, if temporary, the session token."


class WrongClock(BadCredentials):
    """The store's clock and this machine's are too far apart for a signature."""

    default_advice = "Set this machine's clock."


class WrongRegion(BadCredentials):
    """The bucket is not in the region that was signed for."""

    default_advice = (
        "Give the bucket's own region with --region, or the address of its region with "
        "--endpoint-url."
    )


class PreconditionFailed(StoreError):
    """If-Match or If-None-Match did not hold (412)."""


class InvalidKey(StoreError):
    """The store cannot hold an object under this key."""

    default_advice = "Choose another name."


class KeyTooLong(InvalidKey):
    """The key is longer than the store takes."""

    default_advice = "Choose a shorter name."


class InvalidRequest(StoreError):
    """The store says the request is wrong."""


class PartsLost(InvalidRequest):
    """The store has not got the parts any more that it had taken for an upload."""

    default_advice = "Write the file again; if it stays, tell whoever runs the object store."


class QuotaExceeded(StoreError):
    """The bucket's or the user's quota is spent."""

    default_advice = "Delete what is no longer needed, or ask for a larger quota."


class StorageFull(StoreError):
    """The store has no space left."""

    default_advice = "Tell whoever runs the object store."


class TooLarge(StoreError):
    """The object or the part is larger than the store takes."""


class Archived(StoreError):
    """The object is in an archive storage class and has to be restored first."""

    default_advice = "Restore the object (aws s3api restore-object), then open the file again."


class NotSupported(StoreError):
    """The store does not implement the request."""


class UntrustedServer(StoreError):
    """The store's certificate does not prove that it is the store."""

    default_advice = "Give the certificate that vouches for it with --ca-bundle."


class TransientError(StoreError):
    """A failure that may go away by itself; the only ones that are retried."""

    default_advice = "Try again; if it stays, tell whoever runs the object store."


class Throttled(TransientError):
    """The store asks for fewer requests (503 SlowDown, 429)."""


class ServerFault(TransientError):
    """The store failed inside (5xx)."""


class TimedOut(TransientError):
    """No answer, or no progress, within the time allowed."""


class ConnectionFailed(TransientError):
    """The connection was refused, reset or cut."""


class Corrupted(TransientError):
    """Bytes arrived that do not fit their length or checksum."""
