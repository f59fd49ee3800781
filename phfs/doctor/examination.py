"""Runs checks one after the other: each in its time, none for which something before is missing.

Owns what a check may find, and that whatever happens inside one is a finding. Called by ``run``.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from enum import Enum
from typing import NamedTuple

import trio

from phfs.errors import PhfsError

SECONDS = 20.0
"""How long a check may take, unless it says otherwise."""


class Result(Enum):
    """How a check ended."""

    OK = "ok"
    WARN = "warn"
    """It works, and not as it should."""
    FAIL = "fail"
    """A mount does not work, or not all of it."""
    SKIP = "skip"


class Verdict(NamedTuple):
    """What a check found: a result, a sentence, and what to do if it is not well."""

    result: Result
    text: str
    advice: str = ""


def ok(text: str) -> Verdict:
    """All is well."""
    return Verdict(Result.OK, text)


def warn(text: str, advice: str) -> Verdict:
    """Something is not as it should be."""
    return Verdict(Result.WARN, text, advice)


def fail(text: str, advice: str) -> Verdict:
    """Something does not work."""
    return Verdict(Result.FAIL, text, advice)


def skip(text: str) -> Verdict:
    """There was nothing to be looked at."""
    return Verdict(Result.SKIP, text)


class Finding(NamedTuple):
    """A check that has run, or was left out: ``seconds`` it took."""

    check: str
    result: Result
    text: str
    advice: str
    seconds: float

    def values(self) -> dict[str, object]:
        """Plain values, for JSON."""
        return {
            "check": self.check,
            "result": self.result.value,
            "text": self.text,
            "advice": self.advice,
            "seconds": round(self.seconds, 3),
        }


class Examination:
    """What was found so far; ``tell`` hears each finding at once."""

    def __init__(self, tell: Callable[[Finding], None]) -> None:
        self.findings: list[Finding] = []
        self.server = ""
        """What the store calls itself."""
        self._tell = tell

    async def check(
        self,
        name: str,
        look: Callable[[], Awaitable[Verdict]],
        *,
        needs: tuple[str, ...] = (),
        seconds: float = SECONDS,
    ) -> None:
        """Run a check, unless one that it ``needs`` was not well. Never raises what goes wrong."""
        missing = next((need for need in needs if not self.passed(need)), None)
        begun = trio.current_time()
        if missing is not None:
            verdict = skip(f"makes no sense before {missing!r} is well")
        else:
            verdict = await _judge(look, seconds)
        took = trio.current_time() - begun
        finding = Finding(name, verdict.result, verdict.text, verdict.advice, took)
        self.findings.append(finding)
        self._tell(finding)

    def passed(self, name: str) -> bool:
        """Whether a check has run and was not a failure."""
        return any(
            finding.check == name and finding.result in (Result.OK, Result.WARN)
            for finding in self.findings
        )

    @property
    def code(self) -> int:
        """The exit code: 1 if anything is a failure."""
        return 1 if self.count(Result.FAIL) else 0

    def count(self, result: Result) -> int:
        """How many checks ended so."""
        return sum(finding.result is result for finding in self.findings)


async def _judge(look: Callable[[], Awaitable[Verdict]], seconds: float) -> Verdict:
    verdict: Verdict | None = None
    with trio.move_on_after(seconds):
        try:
            verdict = await look()
        except PhfsError as error:
            verdict = fail(error.why, error.advice)
        except OSError as error:
            said = f"{error.strerror or error}: {error.filename or ''}".rstrip(": ")
            verdict = fail(said, "If it is not clear why, report it with phfs doctor --json.")
        except Exception as error:
            verdict = fail(
                f"the check itself went wrong ({error!r})",
                "This is a defect of PHFS: report it with phfs doctor --json.",
            )
    if verdict is None:
        return fail(f"did not end within {seconds:g} seconds", "Try again; if it stays, report it.")
    return verdict


def in_thread(look: Callable[[], Verdict]) -> Callable[[], Awaitable[Verdict]]:
    """A check that blocks; it is left behind when its time is over."""

    async def wait() -> Verdict:
        return await trio.to_thread.run_sync(look, abandon_on_cancel=True)

    return wait
