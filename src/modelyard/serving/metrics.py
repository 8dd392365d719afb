"""The numbers of one replica, in a Prometheus registry of its own that upper rooms may add collectors to."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import lru_cache

from prometheus_client import CollectorRegistry, Counter, Histogram
from prometheus_client.metrics_core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from modelyard.serving.routes import Routes

_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
_SIZES = (1, 2, 4, 8, 16, 32, 64, 128, 256, 1024, 4096)


class Metrics:
    """Counters and histograms of the requests of one replica.

    ``role`` is ``stable`` or ``canary``, and empty where a request was refused before a version saw it. A canary's failure that
    the stable version made good counts for both.
    """

    def __init__(self, registry: CollectorRegistry | None = None) -> None:
        self.registry = CollectorRegistry() if registry is None else registry
        labels = ("role", "version")
        self._requests = Counter(
            "modelyard_requests_total",
            "Prediction requests by who answered and with which status",
            (*labels, "status"),
            registry=self.registry,
        )
        self._rows = Counter("modelyard_rows_total", "Rows predicted", labels, registry=self.registry)
        self._seconds = Histogram(
            "modelyard_request_seconds",
            "From the decoded request to its prediction, waiting included",
            labels,
            buckets=_SECONDS,
            registry=self.registry,
        )
        self._batches = Histogram(
            "modelyard_batch_requests", "Requests that ran as one batch", buckets=_SIZES, registry=self.registry
        )
        self._labels = Counter("modelyard_labels_total", "Labels received", registry=self.registry)
        # a label lookup takes a lock and builds a key: once a combination is enough
        self._series = lru_cache(256)(self._find)

    def answered(self, role: str, version: str, status: int, rows: int, seconds: float) -> None:
        """One request that a version answered, or failed."""
        requests, rows_total, latency = self._series(role, version, status)
        requests.inc()
        latency.observe(seconds)
        if status < 400:
            rows_total.inc(rows)

    def refused(self, status: int) -> None:
        """One request that no version was asked: malformed, too much, or nothing is loaded."""
        self._requests.labels("", "", str(status)).inc()

    def batch(self, requests: int, rows: int) -> None:
        self._batches.observe(requests)

    def labelled(self, count: int) -> None:
        self._labels.inc(count)

    def watch(
        self,
        routes: Callable[[], Routes],
        swaps: Callable[[], int],
        in_flight: Callable[[], int],
        dropped: Callable[[], int],
    ) -> None:
        """Show these live values at each scrape; all are read at the same moment."""
        self.registry.register(_Live(routes, swaps, in_flight, dropped))

    def _find(self, role: str, version: str, status: int) -> tuple[Counter, Counter, Histogram]:
        return (
            self._requests.labels(role, version, str(status)),
            self._rows.labels(role, version),
            self._seconds.labels(role, version),
        )


class _Live(Collector):
    """Values that the engine already has: reading them at the scrape cannot disagree with it."""

    def __init__(
        self,
        routes: Callable[[], Routes],
        swaps: Callable[[], int],
        in_flight: Callable[[], int],
        dropped: Callable[[], int],
    ) -> None:
        self._routes = routes
        self._swaps = swaps
        self._in_flight = in_flight
        self._dropped = dropped

    def collect(self) -> Iterator[Metric]:
        routes = self._routes()
        info = GaugeMetricFamily(
            "modelyard_loaded_info",
            "The versions that are loaded; always 1",
            labels=("role", "model", "version", "digest"),
        )
        for role, served in routes.loaded:
            info.add_metric((role, served.name, str(served.number), served.digest), 1)
        yield info
        yield GaugeMetricFamily(
            "modelyard_canary_weight", "The share of routing keys that goes to the canary", value=routes.weight
        )
        yield GaugeMetricFamily("modelyard_in_flight_requests", "Requests being answered", value=self._in_flight())
        yield CounterMetricFamily("modelyard_swaps", "Changes of what is loaded", value=self._swaps())
        yield CounterMetricFamily(
            "modelyard_traffic_dropped", "Records that the traffic log had no room for", value=self._dropped()
        )
