"""What Prometheus is told: names, labels, and figures that add up."""

from __future__ import annotations

from typing import Any

from prometheus_client.parser import text_string_to_metric_families

from phfs.fuse.counts import Counts
from phfs.sidecar.metrics import rendered
from phfs.sidecar.standing import Being, Standing


def standing(id_: str, being: Being, why: str = "") -> Standing:
    return Standing(
        id=id_, name=id_, kind="pv", path="/x", access="rw", being=being, since=0.0, why=why
    )


def samples(text: bytes) -> dict[tuple[str, tuple[tuple[str, str], ...]], float]:
    return {
        (sample.name, tuple(sorted(sample.labels.items()))): sample.value
        for family in text_string_to_metric_families(text.decode())
        for sample in family.samples
    }


def status() -> dict[str, Any]:
    counts = Counts()
    for seconds in (0.0005, 0.05, 20.0):
        counts.of("read").add(seconds)
    counts.of("read").errors["EIO"] += 2
    counts.read(b"12345")
    return {
        **counts.values(),
        "failures": 2,
        "crashes": 1,
        "limits": {"memory_limit_bytes": 64},
        "memory": {"limit_bytes": 64, "used_bytes": 3, "waiting": 1},
        "open": {"files": 4, "directories": 0},
        "requests": {"requests.get": 7, "errors.TimedOut": 2, "bytes.in": 9, "retries": 2},
        "uploads": {"begun": 1, "aborted": 0},
    }


def test_volumes_are_counted_by_state() -> None:
    found = samples(rendered(
        [
            standing("a", Being.IN_PLACE),
            standing("b", Being.IN_PLACE, "It does not answer."),
            standing("c", Being.FAILED, "Why."),
            standing("d", Being.OUT, "Not this pod's."),
        ],
        None,
    ))  # fmt: skip
    by_state = {
        labels[0][1]: value for (name, labels), value in found.items() if name == "phfs_volumes"
    }
    assert by_state == {"in_place": 2, "failed": 1, "out": 1, "waiting": 0}
    assert found["phfs_volume_in_place", (("kind", "pv"), ("volume", "c"))] == 0
    assert found["phfs_volume_late", (("kind", "pv"), ("volume", "b"))] == 1
    assert ("phfs_volume_in_place", (("kind", "pv"), ("volume", "d"))) not in found


def test_a_mount_that_does_not_answer_has_no_figures() -> None:
    found = samples(rendered([], None))
    assert found["phfs_mount_up", ()] == 0
    assert [name for name, _ in found if name.startswith("phfs_operation")] == []


def test_a_mounts_figures() -> None:
    found = samples(rendered([], status()))
    assert found["phfs_mount_up", ()] == 1
    assert found["phfs_memory_limit_bytes", ()] == 64
    assert found["phfs_memory_bytes", (("use", "used"),)] == 3
    assert found["phfs_open_files", ()] == 4
    assert found["phfs_failures_total", ()] == 2
    assert found["phfs_crashes_total", ()] == 1
    assert found["phfs_read_bytes_total", ()] == 5
    assert found["phfs_store_received_bytes_total", ()] == 9
    assert found["phfs_store_retries_total", ()] == 2
    assert found["phfs_store_requests_total", (("kind", "get"),)] == 7
    assert found["phfs_store_errors_total", (("error", "TimedOut"),)] == 2
    errors = (("errno", "EIO"), ("operation", "read"))
    assert found["phfs_operation_errors_total", errors] == 2


def test_a_histogram_adds_up() -> None:
    found = samples(rendered([], status()))
    of_read = (("operation", "read"),)
    buckets = {
        dict(labels)["le"]: value
        for (name, labels), value in found.items()
        if name == "phfs_operation_seconds_bucket" and dict(labels)["operation"] == "read"
    }
    assert buckets == {"0.001": 1, "0.01": 1, "0.1": 2, "1": 2, "10": 2, "+Inf": 3}
    assert found["phfs_operation_seconds_count", of_read] == 3
    assert found["phfs_operation_seconds_sum", of_read] > 20


def test_a_status_of_another_shape_costs_its_figures_only() -> None:
    found = samples(rendered([], {"requests": [], "operations": None, "memory": 3, "open": "x"}))
    assert found["phfs_mount_up", ()] == 1
    assert found["phfs_read_bytes_total", ()] == 0
