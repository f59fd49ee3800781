"""Every state of a streamed write meets every event; part sizes reach S3's limits."""

from __future__ import annotations

import pytest

from phfs.core.upload import TRANSITIONS, Action, Event, State, Upload, part_size
from phfs.errors import NotSequential, TimedOut, Unsupported

E, B, S, C, D = State.EMPTY, State.BUFFERING, State.STREAMING, State.COMMITTING, State.COMMITTED
F, X = State.FAILED, State.DISCARDED

# Written out by hand: rows are states, columns events in the order of ``COLUMNS``; None is refused.
COLUMNS = (
    Event.WRITE,
    Event.SEND,
    Event.FLUSH,
    Event.STORED,
    Event.RESTART,
    Event.FAIL,
    Event.DISCARD,
)
EXPECTED: dict[State, tuple[State | None, ...]] = {
    E: (B, None, C, None, E, F, X),
    B: (B, S, C, None, E, F, X),
    S: (S, S, C, None, E, F, X),
    C: (None, None, None, D, None, F, X),
    D: (B, S, None, None, E, F, X),
    F: (None, None, None, None, None, None, None),
    X: (None, None, None, None, None, None, None),
}


def in_state(state: State, *, base_size: int = 0) -> Upload:
    upload = Upload("/f", base_size=base_size, truncated=True)
    upload.state = state
    return upload


@pytest.mark.parametrize("state", State)
@pytest.mark.parametrize("event", Event)
def test_every_state_meets_every_event(state: State, event: Event) -> None:
    wanted = EXPECTED[state][COLUMNS.index(event)]
    assert TRANSITIONS.get((state, event)) is wanted
    upload = in_state(state)
    if wanted is None:
        with pytest.raises(RuntimeError, match=f"{event.name} in state {state.name}"):
            upload.fire(event)
        assert upload.state is state
    else:
        upload.fire(event)
        assert upload.state is wanted


@pytest.mark.parametrize("unborn", [False, True])
@pytest.mark.parametrize("durable", [False, True])
@pytest.mark.parametrize("truncating", [False, True])
@pytest.mark.parametrize("state", State)
def test_what_a_flush_has_to_do(
    state: State, unborn: bool, durable: bool, truncating: bool
) -> None:
    upload = in_state(state)
    upload.truncating = truncating
    action = upload.on_flush(unborn=unborn, durable=durable)
    if state is B:
        assert action is Action.PUT
    elif state is S:
        assert action is Action.COMPLETE
    elif state is E:
        wanted = Action.PUT if unborn or (truncating and durable) else Action.NOTHING
        assert action is wanted
    else:
        assert action is Action.NOTHING


@pytest.mark.parametrize("state", State)
@pytest.mark.parametrize("truncating", [False, True])
def test_what_counts_as_being_written(state: State, truncating: bool) -> None:
    upload = in_state(state)
    upload.truncating = truncating
    assert upload.dirty == (truncating or state in (B, S, C))
    assert upload.dead == (state in (F, X))


def test_writes_follow_each_other() -> None:
    upload = Upload("/f", base_size=0, truncated=False)
    upload.check_write(0)
    upload.wrote(10)
    upload.check_write(10)
    for offset in (0, 9, 11):
        with pytest.raises(NotSequential, match=rf"expected was at offset 10.* offset {offset}\."):
            upload.check_write(offset)
    assert (upload.end, upload.state) == (10, B)


def test_content_that_was_there_is_not_changed_until_it_is_cut() -> None:
    upload = Upload("/f", base_size=7, truncated=False)
    for offset in (0, 7):
        with pytest.raises(Unsupported, match="/f has content already"):
            upload.check_write(offset)
    upload.restart(base_size=7)
    assert upload.truncating
    assert upload.dirty
    upload.check_write(0)


def test_only_a_version_with_bytes_is_truncated() -> None:
    assert not Upload("/f", base_size=0, truncated=True).dirty
    assert Upload("/f", base_size=1, truncated=True).dirty


def test_the_first_error_stays() -> None:
    upload = Upload("/f", base_size=1, truncated=True)
    first = TimedOut("first")
    upload.fail(first)
    upload.fail(TimedOut("second"))
    assert not upload.dirty
    calls = (
        lambda: upload.check_write(0),
        lambda: upload.restart(0),
        lambda: upload.on_flush(unborn=True, durable=True),
    )
    for call in calls:
        with pytest.raises(TimedOut) as raised:
            call()
        assert raised.value is first


def test_what_is_discarded_does_not_fail() -> None:
    upload = Upload("/f", base_size=1, truncated=True)
    upload.discard()
    upload.fail(TimedOut("late"))
    upload.discard()
    assert (upload.state, upload.error, upload.truncating) == (X, None, False)


def test_what_failed_is_not_discarded() -> None:
    upload = in_state(B)
    upload.fail(TimedOut("first"))
    upload.discard()
    assert upload.state is F


@pytest.mark.parametrize("first", [5 * 1024**2, 8 * 1024**2, 64 * 1024**2])
def test_ten_thousand_parts_reach_five_tebibytes(first: int) -> None:
    sizes = [part_size(number, first, 5 * 1024**3) for number in range(1, 10_001)]
    assert sizes[:950] == [first] * 950
    assert sizes == sorted(sizes)
    assert sum(sizes) >= 5 * 1024**4


def test_a_part_is_never_larger_than_memory_allows_nor_smaller_than_the_first() -> None:
    assert max(part_size(number, 8, 20) for number in range(1, 10_001)) == 20
    assert {part_size(number, 8, 2) for number in range(1, 10_001)} == {8}
