"""Programs are bounded in time and output, end for sure, and have no rights but those given."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from pathlib import Path

import pytest
import trio

from phfs.sidecar import programs
from phfs.sidecar.programs import Ended
from phfs.system.privileges import Identity

pytestmark = pytest.mark.real

PATIENCE = 60.0


async def run(script: str, seconds: float = PATIENCE) -> Ended:
    with trio.fail_after(2 * PATIENCE):
        return await programs.run(["sh", "-c", script], seconds=seconds)


async def until(true: Callable[[], bool]) -> None:
    with trio.fail_after(PATIENCE):
        while not true():
            await trio.sleep(0.01)


def is_there(pid: int) -> bool:
    try:
        return "State:\tZ" not in Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return False


async def test_what_it_says_and_how_it_ends() -> None:
    assert await run("echo out; echo err >&2; exit 3") == Ended(3, "out\n", "err\n")
    assert (await run("true")).is_done
    assert not (await run("false")).is_done
    assert (await run("kill -TERM $$")).code == -signal.SIGTERM


async def test_one_that_takes_too_long_is_killed_with_its_children(tmp_path: Path) -> None:
    ended = await run(f"sleep 600 & echo $! >{tmp_path}/child; echo begun; wait", seconds=2)
    assert ended.code is None
    child = int((tmp_path / "child").read_text())
    await until(lambda: not is_there(child))


async def test_a_child_that_goes_on_does_not_hold_anybody_up(tmp_path: Path) -> None:
    ended = await run(f"setsid sleep 600 & echo $! >{tmp_path}/child; echo done")
    child = int((tmp_path / "child").read_text())
    os.kill(child, signal.SIGKILL)
    assert (ended.code, ended.out) == (0, "done\n")


async def test_cancelled_it_is_killed(tmp_path: Path) -> None:
    pid = tmp_path / "pid"
    async with trio.open_nursery() as nursery:
        nursery.start_soon(run, f"echo $$ >{pid}.new; mv {pid}.new {pid}; sleep 600")
        await until(pid.exists)
        nursery.cancel_scope.cancel()
    await until(lambda: not is_there(int(pid.read_text())))


async def test_of_much_output_the_beginning_is_kept() -> None:
    ended = await run("echo first; head -c 3000000 /dev/zero | tr '\\0' x")
    assert ended.code == 0
    assert ended.out.startswith("first\n")
    assert len(ended.out) == programs.OUTPUT_BYTES


async def test_it_has_nothing_of_our_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SECRET_KEY", "x")
    ended = await programs.run(["env"], seconds=PATIENCE, environment={"GIVEN": "y"})
    names = {line.partition("=")[0] for line in ended.out.splitlines()}
    assert {"GIVEN", "PATH", "LC_ALL"} <= names
    assert "SECRET_KEY" not in names


async def test_one_that_is_not_there_is_an_error() -> None:
    with pytest.raises(FileNotFoundError):
        await programs.run(["no-such-program"], seconds=PATIENCE)


@pytest.mark.real
async def test_as_somebody_else_it_has_no_rights() -> None:
    """Needs root."""
    ended = await programs.run(
        ["sh", "-c", "id -u; id -G; umask; cat /proc/self/oom_score_adj /proc/self/status"],
        seconds=PATIENCE,
        identity=Identity(65534, 65533),
    )
    uid, groups, umask, score, *status = ended.out.splitlines()
    assert (uid, groups, umask, score) == ("65534", "65533", "0022", "500")
    facts = dict(line.split(":\t", 1) for line in status if ":\t" in line)
    for name in ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"):
        assert int(facts[name], 16) == 0, name
    assert facts["NoNewPrivs"] == "1"
