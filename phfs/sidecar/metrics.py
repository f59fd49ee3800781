"""The sidecar's figures and those of its mount, in Prometheus' text form.

Owns the names of metrics. Pure: what is asked for is given. Called by ``health``.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest
from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    Metric,
)
from prometheus_client.registry import Collector

from phfs.sidecar.standing import Being, Standing

CONTENT_TYPE = CONTENT_TYPE_LATEST

_GAUGES = (
    ("phfs_memory_limit_bytes", "For the data of open files.", ("limits", "memory_limit_bytes")),
    ("phfs_open_files", "Files that programs have open.", ("open", "files")),
    ("phfs_open_directories", "Directories that programs have open.", ("open", "directories")),
    ("phfs_inodes", "Files and directories that the kernel holds.", ("inodes",)),
    ("phfs_names_remembered", "Names whose attributes are cached.", ("names_remembered",)),
    ("phfs_fetched_ahead_bytes", "Bytes that nobody has read yet.", ("fetched_ahead_bytes",)),
    ("phfs_uptime_seconds", "Since the mount's process began.", ("uptime_seconds",)),
)  # fmt: skip

_COUNTERS = (
    ("phfs_failures", "Failures that .phfs/errors tells of.", ("failures",)),
    ("phfs_crashes", "Processes of the mount that died.", ("crashes",)),
    ("phfs_read_bytes", "Bytes that programs have read.", ("programs", "read_bytes")),
    ("phfs_written_bytes", "Bytes that programs have written.", ("programs", "written_bytes")),
    ("phfs_store_received_bytes", "Bytes that came from the store.", ("requests", "bytes.in")),
    ("phfs_store_sent_bytes", "Bytes that went to the store.", ("requests", "bytes.out")),
    ("phfs_store_retries", "Requests that were tried again.", ("requests", "retries")),
    ("phfs_fetched_ranges", "Ranges of objects that were fetched.", ("ranges_fetched",)),
    ("phfs_uploads_begun", "Uploads in parts.", ("uploads", "begun")),
    ("phfs_uploads_aborted", "Uploads in parts that were given up.", ("uploads", "aborted")),
)


def rendered(standings: Iterable[Standing], status: Mapping[str, Any] | None) -> bytes:
    """Everything. ``status``: what the mount's ``status.json`` has, None if it does not answer."""
    registry = CollectorRegistry(auto_describe=False)
    registry.register(_Given([*_volumes(list(standings)), *_mount(status)]))
    return generate_latest(registry)


class _Given(Collector):
    def __init__(self, metrics: list[Metric]) -> None:
        self._metrics = metrics

    def collect(self) -> Iterable[Metric]:
        return self._metrics


def _volumes(standings: list[Standing]) -> Iterator[Metric]:
    by_being = GaugeMetricFamily(
        "phfs_volumes", "The pod's volumes by how they are.", labels=["state"]
    )
    for being in Being:
        count = sum(one.being is being for one in standings)
        by_being.add_metric([being.replace(" ", "_")], count)
    yield by_being
    each = GaugeMetricFamily(
        "phfs_volume_in_place",
        "Whether a volume of the pod is in place.",
        labels=["volume", "kind"],
    )
    late = GaugeMetricFamily(
        "phfs_volume_late",
        "Whether a volume that is in place could not be brought up to date, or does not answer.",
        labels=["volume", "kind"],
    )
    for one in standings:
        if one.being is not Being.OUT:
            is_in_place = one.being is Being.IN_PLACE
            each.add_metric([one.id, one.kind], float(is_in_place))
            late.add_metric([one.id, one.kind], float(is_in_place and bool(one.why)))
    yield each
    yield late


def _mount(status: Mapping[str, Any] | None) -> Iterator[Metric]:
    yield GaugeMetricFamily(
        "phfs_mount_up", "Whether the mount of the group's objects answers.", status is not None
    )
    if status is None:
        return
    for name, text, path in _GAUGES:
        figure = _at(status, path)
        if figure is not None:
            yield GaugeMetricFamily(name, text, figure)
    for name, text, path in _COUNTERS:
        yield CounterMetricFamily(name, text, _at(status, path) or 0.0)
    memory = GaugeMetricFamily("phfs_memory_bytes", "Memory in use, by use.", labels=["use"])
    for use, figure in _figures(status.get("memory")):
        if use.endswith("_bytes") and use != "limit_bytes":
            memory.add_metric([use.removesuffix("_bytes")], figure)
    yield memory
    yield from _requests(status)
    yield from _operations(status)


def _requests(status: Mapping[str, Any]) -> Iterator[Metric]:
    made = CounterMetricFamily(
        "phfs_store_requests", "Requests to the store, by kind.", labels=["kind"]
    )
    failed = CounterMetricFamily(
        "phfs_store_errors", "Requests to the store that failed, by error.", labels=["error"]
    )
    for name, figure in _figures(status.get("requests")):
        kind, _, rest = name.partition(".")
        if kind == "requests":
            made.add_metric([rest], figure)
        elif kind == "errors":
            failed.add_metric([rest], figure)
    yield made
    yield failed


def _operations(status: Mapping[str, Any]) -> Iterator[Metric]:
    took = HistogramMetricFamily(
        "phfs_operation_seconds", "What programs asked for, how long it took.", labels=["operation"]
    )
    errors = CounterMetricFamily(
        "phfs_operation_errors",
        "What programs asked for and got an error, answers such as ENOENT among them.",
        labels=["operation", "errno"],
    )
    operations = status.get("operations")
    for name, one in operations.items() if isinstance(operations, Mapping) else ():
        total, buckets = 0.0, []
        for bound, figure in _figures(one.get("up_to_seconds")):
            total += figure
            buckets.append(("+Inf" if bound == "more" else bound, total))
        took.add_metric([name], buckets, one.get("seconds", 0.0))
        for errno, figure in _figures(one.get("errors")):
            errors.add_metric([name, errno], figure)
    yield took
    yield errors


def _at(status: Mapping[str, Any], path: tuple[str, ...]) -> float | None:
    found: Any = status
    for name in path:
        found = found.get(name) if isinstance(found, Mapping) else None
    return float(found) if isinstance(found, int | float) else None


def _figures(values: Any) -> Iterator[tuple[str, float]]:
    for name, figure in values.items() if isinstance(values, Mapping) else ():
        if isinstance(figure, int | float):
            yield str(name), float(figure)
