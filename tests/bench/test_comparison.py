"""What goes into the documents: all tables, those over links, or the comparison with peers."""

from __future__ import annotations

from bench.comparison import parts, pictures
from phfs.bench.figures import figures
from phfs.bench.measure import FLOOR, Reading
from phfs.bench.record import Run
from phfs.bench.targets import verdicts
from tests.bench.fakes import scenario, series, subject, values

ONE = scenario("read-mmap-4")


def run(*, peers: bool, link: str = "direct") -> Run:
    results = [
        values(ONE, subject("phfs", link), 1.0, 60.0),
        values(ONE, subject(FLOOR, link), 1.0, 100.0),
    ]
    if peers:
        results.append(values(ONE, subject("s3fs"), 1.0, 30.0))
        results.append(series(ONE, subject("rclone"), Reading(0, error="it broke")))
    known = figures(results)
    return Run(known, verdicts(known), quick=True, rounds=1)


def test_a_run_of_phfs_alone_fills_all_tables() -> None:
    found = parts(run(peers=False))
    assert set(found) == {"bench-conditions", "bench-results", "bench-targets"}
    assert "| `read-mmap-4` | files/s | 60.0 | 0.600 | 100 |" in found["bench-results"]
    assert "_Cold: read-mmap-4: everything._" in found["bench-results"]
    assert "| 0.60 of the floor | ok |" in found["bench-targets"]
    names = pictures(run(peers=False))
    assert names
    assert all(f"images/{name}" in found["bench-results"] for name in names)


def test_a_run_over_links_only_leaves_the_tables_of_the_direct_one() -> None:
    found = parts(run(peers=False, link="40ms"))
    assert set(found) == {"bench-links"}
    assert "**40ms**" in found["bench-links"]
    assert "| `read-mmap-4` | files/s | 60.0 | 0.600 | 100 |" in found["bench-links"]
    assert pictures(run(peers=False, link="40ms")) == {}


def test_a_run_beside_peers_fills_the_comparison_only() -> None:
    found = parts(run(peers=True))
    assert set(found) == {"bench-peers"}
    assert "| scenario | unit | phfs | x floor | s3fs | rclone | floor |" in found["bench-peers"]
    assert "| 60.0 | 0.600 | 30.0 | failed | 100 |" in found["bench-peers"]
    assert pictures(run(peers=True)) == {}
