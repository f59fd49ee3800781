"""A main container's command with something in front of it: waiting, keeping artifacts.

Owns what is put in front, and how it is known again and taken away. Called by ``render``.
"""

from __future__ import annotations

from collections.abc import Sequence

ARTIFACTS = ("/run/phfs/phfs-artifacts", "--")
"""Where the sidecar puts the program that keeps a job's artifacts, in the main container."""

ENDED = "/run/phfs-end/ended"
"""What tells a sidecar in the classic form, by being there, that the job is over."""

_MARK = "phfs-wait"

# As the first process of its container a shell is told of signals only where it asks for them.
# VOLUMES.txt is there from the beginning; names of people's never begin a line of it.
_WAIT = """\
trap 'exit 143' TERM
until [ -e /run/phfs/VOLUMES.txt ] && ! grep -q '^Being put in place' /run/phfs/VOLUMES.txt; do
  sleep 1
done
"""

_THEN_SAY = """\
trap 'kill -TERM "$child"' TERM INT
"$@" &
child=$!
while :; do
  wait "$child"
  code=$?
  kill -0 "$child" 2>/dev/null || break
done
"""


def keeping_artifacts(command: Sequence[str]) -> list[str]:
    """``command``, after which ``./artifacts`` are kept."""
    return [*ARTIFACTS, *command]


def waiting(command: Sequence[str]) -> list[str]:
    """``command``, begun when every volume is settled; it is then the process itself."""
    return ["/bin/sh", "-c", f'{_WAIT}exec "$@"', _MARK, *command]


def waiting_and_saying(command: Sequence[str], *, after_failure: bool) -> list[str]:
    """The same, and the sidecar is told to end; ``after_failure``: also if the command failed."""
    say = f": >{ENDED}"
    say = say if after_failure else f'[ "$code" -ne 0 ] || {say}'
    return ["/bin/sh", "-c", f'{_WAIT}{_THEN_SAY}{say}\nexit "$code"', _MARK, *command]


def unwrapped(command: Sequence[str]) -> list[str]:
    """The command as it was before any of these."""
    words = list(command)
    if words[:2] == ["/bin/sh", "-c"] and words[3:4] == [_MARK]:
        words = words[4:]
    if tuple(words[: len(ARTIFACTS)]) == ARTIFACTS:
        words = words[len(ARTIFACTS) :]
    return words
