"""Credentials that follow their source: a file that is replaced, a token that runs out.

Owns when a source is looked at again, and what holds while it gives nothing usable: the old keys,
as long as they are good. A look may block (it reads a file, starts a program, asks the network), so
``refresh_needed`` says beforehand whether signing would look. Never logs a key. Made by
``control``; used by ``sign``.
"""

from __future__ import annotations

import logging
import os
import threading
import time
from collections.abc import Callable
from pathlib import Path

from botocore.credentials import Credentials, ReadOnlyCredentials, SharedCredentialProvider
from botocore.exceptions import BotoCoreError, ConfigParseError, PartialCredentialsError

from phfs.errors import BadCredentials, ConfigError

log = logging.getLogger(__name__)

LOOK_SECONDS = 1.0
"""How long a changed file may go unnoticed, and how long a source is left alone that was asked
again because the store refused its keys, and had no others."""

EARLY_SECONDS = 60.0
"""The least time between two renewals of a token that is still good. botocore begins a quarter of
an hour before the end, and MinIO's tokens are often no longer than that: it would renew them for
every request."""

LAST_SECONDS = 10.0
"""From this long before its end on, a token is renewed as often as is allowed."""


Clock = Callable[[], float]
"""Seconds that only ever grow."""


class RenewedCredentials(Credentials):
    """Keys that may become others. Any thread may use them; a state of them is always one pair."""

    def __init__(self, frozen: ReadOnlyCredentials | None, clock: Clock) -> None:
        self._frozen = frozen
        self._clock = clock
        self._lock = threading.Lock()
        self._warned = False

    def refresh_needed(self, refresh_in: float | None = None) -> bool:
        """Whether ``get_frozen_credentials`` would look at the source, and may block."""
        raise NotImplementedError

    def get_frozen_credentials(self) -> ReadOnlyCredentials:
        """The keys of now. Raises ``BadCredentials`` when the last ones are no good any more."""
        if self.refresh_needed():
            with self._lock:
                if self.refresh_needed():
                    self._follow()
        assert self._frozen is not None
        return self._frozen

    def renew(self, refused: ReadOnlyCredentials) -> bool:
        """Look whether there are other keys than those the store ``refused``. May block."""
        with self._lock:
            if self._frozen != refused:
                return True
            try:
                found = self._look()
            except (BadCredentials, ConfigError) as error:
                self._warn(error)
                return False
            return self._take(found)

    def _follow(self) -> None:
        raise NotImplementedError

    def _look(self) -> ReadOnlyCredentials | None:
        """What the source gives now; None if it is too early to ask it again."""
        raise NotImplementedError

    def _take(self, found: ReadOnlyCredentials | None) -> bool:
        if found is None:
            return False
        self._warned = False
        changed = found != self._frozen
        if changed and self._frozen is not None:
            log.info("the keys for the object store have been renewed")
        self._frozen = found
        return changed

    def _warn(self, error: BadCredentials | ConfigError) -> None:
        if not self._warned:
            log.warning("%s The keys of before are used on.", error.why)
        self._warned = True


class FileCredentials(RenewedCredentials):
    """The keys of a ``section`` of a file in the format of AWS's shared files, followed when it is
    replaced (as Kubernetes does, by turning a symbolic link) or written anew.

    Raises ``ConfigError`` if there are none at first. Later a file that is half written, gone or
    not readable leaves the keys as they are.
    """

    def __init__(self, file: Path, section: str = "default", clock: Clock = time.monotonic) -> None:
        self._file = file
        self._section = section
        self._seen = _state(file)
        self._next_look = clock() + LOOK_SECONDS
        super().__init__(_read(file, section), clock)

    def refresh_needed(self, refresh_in: float | None = None) -> bool:  # noqa: ARG002
        """Once a second."""
        return self._clock() >= self._next_look

    def _follow(self) -> None:
        self._next_look = self._clock() + LOOK_SECONDS
        if _state(self._file) == self._seen:
            return
        try:
            self._take(self._look())
        except ConfigError as error:
            self._warn(error)

    def _look(self) -> ReadOnlyCredentials:
        # First the state: a change while it is read is seen as one afterwards.
        state = _state(self._file)
        found = _read(self._file, self._section)
        self._seen = state
        return found


class SourceCredentials(RenewedCredentials):
    """Keys from one of botocore's sources: a web identity, a program, a container, a machine.

    ``find`` asks for them from the beginning. Those that run out renew themselves by botocore's
    means; those that the store refuses are asked for anew. Raises what ``find`` raises.
    """

    def __init__(
        self,
        found: Credentials,
        find: Callable[[], Credentials],
        clock: Clock = time.monotonic,
    ) -> None:
        self._found = found
        self._find = find
        self._asked = clock()
        self._asked_in_vain = -LOOK_SECONDS
        # What renews itself may have to ask the network for its first keys: not here.
        waits = _runs_out(found, within=None)
        super().__init__(None if waits else found.get_frozen_credentials(), clock)

    def refresh_needed(self, refresh_in: float | None = None) -> bool:
        """Whether the token is near its end, and was not just renewed."""
        if self._frozen is None:
            return True
        if not _runs_out(self._found, within=refresh_in):
            return False
        urgent = _runs_out(self._found, within=LAST_SECONDS)
        return self._clock() - self._asked >= (LOOK_SECONDS if urgent else EARLY_SECONDS)

    @property
    def ends(self) -> int | None:
        """When the keys of now end, in epoch seconds; None if they do not say."""
        moment = getattr(self._found, "_expiry_time", None)
        return None if moment is None else int(moment.timestamp())

    def _follow(self) -> None:
        self._asked = self._clock()
        try:
            self._take(self._renewed())
        except BadCredentials as error:
            if self._frozen is None or _runs_out(self._found, within=0):
                raise
            self._warn(error)

    def _renewed(self) -> ReadOnlyCredentials:
        try:
            found = self._found.get_frozen_credentials()
        # Each source has errors of its own, some of them no more than RuntimeError.
        except Exception as error:
            raise BadCredentials(f"The keys cannot be renewed: {_reason(error)}.") from None
        if fault := fault_of(found):
            raise BadCredentials(f"The keys cannot be renewed: {fault}.")
        return found

    def _look(self) -> ReadOnlyCredentials | None:
        if self._clock() - self._asked_in_vain < LOOK_SECONDS:
            return None
        self._asked = self._asked_in_vain = self._clock()
        self._found = self._find()
        found = self._renewed()
        if found != self._frozen:
            self._asked_in_vain = -LOOK_SECONDS
        return found


def _runs_out(credentials: Credentials, *, within: float | None) -> bool:
    """Whether a token ends in so many seconds (None: botocore's idea of early)."""
    due = getattr(credentials, "refresh_needed", None)
    return due is not None and bool(due(within))


def _state(file: Path) -> tuple[int, ...]:
    """What changes when a file is replaced or written."""
    try:
        found = os.stat(file)
    except OSError:
        return ()
    return (found.st_dev, found.st_ino, found.st_mtime_ns, found.st_size)


def _read(file: Path, section: str) -> ReadOnlyCredentials:
    """The keys of a section. Raises ``ConfigError`` that shows no line of the file."""
    try:
        with file.open("rb"):
            pass  # botocore takes a file it may not read for an empty one
        found = SharedCredentialProvider(str(file), section).load()
    except OSError as error:
        raise ConfigError(
            f"The keys in {file} cannot be read: {error.strerror}.",
            f"Give a file that exists and that user {os.geteuid()}, as whom this process runs, "
            "may read.",
        ) from None
    except ConfigParseError:
        raise ConfigError(
            f"The keys in {file} cannot be used: it is not in the format of ~/.aws/credentials.",
            _what_to_write(section),
        ) from None
    except PartialCredentialsError:
        raise ConfigError(
            f"The keys in {file} cannot be used: under [{section}] one of the pair is missing.",
            _what_to_write(section),
        ) from None
    except BotoCoreError as error:
        raise ConfigError(
            f"The keys in {file} cannot be used: {_reason(error)}.", _what_to_write(section)
        ) from None
    frozen = None if found is None else found.get_frozen_credentials()
    if frozen is None or not (frozen.access_key and frozen.secret_key):
        raise ConfigError(
            f"There are no keys in {file} under [{section}].", _what_to_write(section)
        )
    if fault := fault_of(frozen):
        raise ConfigError(f"The keys in {file} cannot be used: {fault}.", _what_to_write(section))
    return frozen


def fault_of(keys: ReadOnlyCredentials) -> str | None:
    """Why these keys cannot be sent in a header, without showing them; None if they can."""
    parts = {
        "access key": keys.access_key,
        "secret key": keys.secret_key,
        "session token": keys.token,
    }
    for name, text in parts.items():
        if text and not text.isprintable():
            return f"the {name} has a line break or another character that none has"
    return None


def _what_to_write(section: str) -> str:
    return (
        f"Write a line [{section}] and below it aws_access_key_id = … and aws_secret_access_key = …"
    )


def _reason(error: Exception) -> str:
    return (str(error) or type(error).__name__).rstrip(".")
