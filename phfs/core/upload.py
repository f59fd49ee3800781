"""The state machine of a streamed write: what one write handle may do next.

Everything that affects the state of an upload and its transitions lives in this file. It decides;
it never sends, waits or looks at a clock. Called by ``vfs/writer`` only, which carries out what
``on_flush`` says and reports back by ``fire``.

An object is written once, from byte 0 to the end, by one handle. A later write on the same handle
goes on at the end of what was committed.
"""

from __future__ import annotations

from enum import Enum, auto

from phfs.errors import NotSequential, PhfsError, Unsupported

GROW_EVERY = 950
"""Parts of one size before the size doubles: with the smallest first size, 5 MiB, 10,000 parts then
hold 7 TiB, more than the 5 TiB S3 allows an object."""


class State(Enum):
    """Where the write of one version stands."""

    EMPTY = auto()
    """Nothing written."""
    BUFFERING = auto()
    """Everything written so far is in memory."""
    STREAMING = auto()
    """Parts have been sent; the tail is in memory."""
    COMMITTING = auto()
    """The store is asked to publish."""
    COMMITTED = auto()
    """Published; nothing new since."""
    FAILED = auto()
    """The handle has failed for good."""
    DISCARDED = auto()
    """The file was unlinked: writes succeed and go nowhere."""


class Event(Enum):
    """What may happen to a write."""

    WRITE = auto()
    """Bytes were appended to the buffer."""
    SEND = auto()
    """A part leaves, or the committed object becomes the first part by a copy inside the store."""
    FLUSH = auto()
    """A commit begins."""
    STORED = auto()
    """The store has published."""
    RESTART = auto()
    """Truncation to 0."""
    FAIL = auto()
    DISCARD = auto()


class Action(Enum):
    """What a flush has to do."""

    NOTHING = auto()
    PUT = auto()
    COMPLETE = auto()


TRANSITIONS: dict[tuple[State, Event], State] = {
    (State.EMPTY, Event.WRITE): State.BUFFERING,
    (State.EMPTY, Event.FLUSH): State.COMMITTING,
    (State.BUFFERING, Event.WRITE): State.BUFFERING,
    (State.BUFFERING, Event.SEND): State.STREAMING,
    (State.BUFFERING, Event.FLUSH): State.COMMITTING,
    (State.STREAMING, Event.WRITE): State.STREAMING,
    (State.STREAMING, Event.SEND): State.STREAMING,
    (State.STREAMING, Event.FLUSH): State.COMMITTING,
    (State.COMMITTING, Event.STORED): State.COMMITTED,
    (State.COMMITTED, Event.WRITE): State.BUFFERING,
    (State.COMMITTED, Event.SEND): State.STREAMING,
    **{
        (state, Event.RESTART): State.EMPTY
        for state in (State.EMPTY, State.BUFFERING, State.STREAMING, State.COMMITTED)
    },
    **{
        (state, event): end
        for event, end in ((Event.FAIL, State.FAILED), (Event.DISCARD, State.DISCARDED))
        for state in State
        if state not in (State.FAILED, State.DISCARDED)
    },
}
"""Every transition there is; an event that is not here for a state is a defect of the caller."""


class Upload:
    """One handle's write.

    ``base_size``: bytes of the version that was there when the handle was opened (0 if there was
    none). ``path`` is for messages only.
    """

    def __init__(self, path: str, *, base_size: int, truncated: bool) -> None:
        self.path = path
        self.state = State.EMPTY
        self.end = 0
        """The offset at which the next write has to start, in bytes."""
        self.error: PhfsError | None = None
        self.truncating = truncated and base_size > 0
        """A version with bytes is to be emptied, and that is not committed."""
        self._closed_to_writes = base_size > 0 and not truncated

    @property
    def dirty(self) -> bool:
        """Uncommitted bytes, or an uncommitted truncation of a version that had some."""
        return self.truncating or self.state in (
            State.BUFFERING,
            State.STREAMING,
            State.COMMITTING,
        )

    @property
    def dead(self) -> bool:
        """Failed or discarded: nothing will come of it."""
        return self.state in (State.FAILED, State.DISCARDED)

    def fire(self, event: Event) -> None:
        """Apply an event; an illegal one raises ``RuntimeError`` and changes nothing."""
        target = TRANSITIONS.get((self.state, event))
        if target is None:
            raise RuntimeError(f"{event.name} in state {self.state.name}")
        self.state = target
        if event is Event.STORED:
            self.truncating = False

    def check_write(self, offset: int) -> None:
        """Refuse a write the object store cannot take.

        Raises the handle's first error again, ``Unsupported`` for a change inside an existing
        object, ``NotSequential`` for a write elsewhere than at the end.
        """
        if self.error is not None:
            raise self.error
        if self._closed_to_writes:
            raise Unsupported(
                f"{self.path} has content already, and an object cannot be changed in place or "
                "appended to.",
                "Write a new file, or copy it to a local disk, change it there and copy it back.",
            )
        if offset != self.end:
            raise NotSequential(
                f"{self.path} is written from start to end: the next byte expected was at offset "
                f"{self.end}, a write came for offset {offset}."
            )

    def wrote(self, size: int) -> None:
        """``size`` bytes were taken into the buffer."""
        self.fire(Event.WRITE)
        self.end += size

    def restart(self, base_size: int) -> None:
        """Truncation to 0 of a file whose committed version has ``base_size`` bytes.

        Raises the handle's first error.
        """
        if self.error is not None:
            raise self.error
        self.fire(Event.RESTART)
        self.end = 0
        self.truncating = base_size > 0
        self._closed_to_writes = False

    def on_flush(self, *, unborn: bool, durable: bool) -> Action:
        """What a flush has to do. Raises the handle's first error.

        ``unborn``: nothing has been committed under the name yet, so that even an empty object is
        news. ``durable`` (fsync, release, drain): a pending truncation counts too.
        """
        if self.error is not None:
            raise self.error
        match self.state:
            case State.BUFFERING:
                return Action.PUT
            case State.STREAMING:
                return Action.COMPLETE
            case State.EMPTY if unborn or (self.truncating and durable):
                return Action.PUT
            case _:
                return Action.NOTHING

    def fail(self, error: PhfsError) -> None:
        """The handle has failed for good; the first error stays."""
        if self.error is None and self.state is not State.DISCARDED:
            self.error = error
            self.fire(Event.FAIL)
            self.truncating = False

    def discard(self) -> None:
        """The file is gone: what was not committed is thrown away, in silence as POSIX wants."""
        if self.state not in (State.FAILED, State.DISCARDED):
            self.fire(Event.DISCARD)
            self.truncating = False


def part_size(number: int, first: int, most: int) -> int:
    """Bytes of part ``number`` (from 1): ``first``, doubled every ``GROW_EVERY`` parts, at most
    ``most`` (what memory allows)."""
    return max(first, min(most, first << ((number - 1) // GROW_EVERY)))
