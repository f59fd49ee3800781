"""``python -m bench``: measures a mount and the floor alternately and prints ratios.

Owns the order of measurements and the report. Both sides run against the same MinIO on a tmpfs, one
after the other in every round, because machines are noisy and only ratios inside one run count.
"""

from __future__ import annotations

import argparse
import json
import shutil
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from bench.scenarios import Scenario, scenarios
from bench.subjects import MIB, Floor, Mount
from tests.support.minio import MinioServer

STALE_SECONDS = 1.2
"""A little more than the default metadata TTL: what was listed is asked for again."""


class Result(NamedTuple):
    """Speeds by round, and the daemon's cost per amount."""

    name: str
    unit: str
    target: float
    mount: list[float]
    floor: list[float]
    ratio: float
    spread: float
    cpu_seconds: float
    cpu_per_gib: float | None
    peak_mib: float


def _timed(work: Callable[[], object]) -> float:
    begin = time.perf_counter()
    work()
    return time.perf_counter() - begin


def measure(scenario: Scenario, mount: Mount, rounds: int) -> Result:
    """Run both sides ``rounds`` times in turn, after one round that is not counted."""
    speeds: dict[str, list[float]] = {"mount": [], "floor": []}
    cpu, peak = [], 0.0
    scale = MIB / 1e6 if scenario.unit == "MB/s" else 1.0
    for number in range(rounds + 1):
        time.sleep(STALE_SECONDS)
        mount.reset_peak()
        before = mount.usage().cpu
        seconds = {"mount": _timed(lambda: scenario.mount(mount.path))}
        usage = mount.usage()
        seconds["floor"] = _timed(scenario.floor)
        if number:
            cpu.append(usage.cpu - before)
            peak = max(peak, usage.peak_mib)
            for side, value in seconds.items():
                speeds[side].append(scenario.amount * scale / value)
    ratios = [a / b for a, b in zip(speeds["mount"], speeds["floor"], strict=True)]
    gib = scenario.amount / 1024 if scenario.unit == "MB/s" else None
    median_cpu = statistics.median(cpu)
    return Result(
        scenario.name,
        scenario.unit,
        scenario.target,
        speeds["mount"],
        speeds["floor"],
        statistics.median(ratios),
        max(ratios) - min(ratios),
        median_cpu,
        None if gib is None else median_cpu / gib,
        peak,
    )


def _line(result: Result) -> str:
    cpu = "" if result.cpu_per_gib is None else f"{result.cpu_per_gib:.2f} s/GiB"
    mark = "ok" if result.ratio >= result.target else "BELOW"
    return (
        f"{result.name:<28} {statistics.median(result.mount):>8.0f} "
        f"{statistics.median(result.floor):>8.0f} {result.unit:<5} {result.ratio:>6.2f} "
        f"±{result.spread / 2:<5.2f} {result.target:>5.2f} {mark:<6} {result.peak_mib:>5.0f} MiB "
        f"{cpu}"
    )


def main() -> None:
    """Measure and report."""
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__.split("\n")[0])
    parser.add_argument("--quick", action="store_true", help="smaller amounts, fewer rounds")
    parser.add_argument("--rounds", type=int, default=None, help="counted rounds (5; quick: 3)")
    parser.add_argument("--only", default="", help="only scenarios whose name contains this")
    parser.add_argument("--output", type=Path, default=Path("bench-results"))
    parser.add_argument(
        "--tmpfs", type=Path, default=Path("/dev/shm"), help="where MinIO's data go"
    )
    arguments = parser.parse_args()
    rounds = arguments.rounds or (3 if arguments.quick else 5)
    work = Path(tempfile.mkdtemp(prefix="phfs-bench-", dir=arguments.tmpfs))
    results: list[Result] = []
    try:
        server = MinioServer(work)
        floor = Floor(server)
        mount = Mount(server)
        print(f"{'':<28} {'mount':>8} {'boto3':>8} {'':<5} {'ratio':>6} {'':<6} {'least':>5}")
        try:
            for scenario in scenarios(floor, work, quick=arguments.quick):
                if arguments.only in scenario.name:
                    results.append(measure(scenario, mount, rounds))
                    print(_line(results[-1]), flush=True)
        finally:
            mount.close()
            server.close()
    finally:
        shutil.rmtree(work, ignore_errors=True)
    arguments.output.mkdir(exist_ok=True)
    report = arguments.output / "results.json"
    report.write_text(json.dumps([result._asdict() for result in results], indent=1) + "\n")
    print(f"written to {report}")


if __name__ == "__main__":
    main()
