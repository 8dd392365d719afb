"""The latest windows and the alerts of deployments as Prometheus gauges, made when they are scraped.

Gauges keep no history: Prometheus does. Of each version of a deployment the latest window is shown; a score that is
unknown is left out, and so is a threshold without a score.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from modelyard.monitoring.alerts import Alert
from modelyard.monitoring.windows import Window


@dataclass(frozen=True)
class Snapshot:
    """What is known of one deployment."""

    deployment: str
    windows: Iterable[Window] = ()
    alerts: Iterable[Alert] = ()


_VERSION = ("deployment", "version")
_FAMILIES: dict[str, tuple[str, tuple[str, ...]]] = {
    "modelyard_drift_score": ("Distance of a feature from its reference", (*_VERSION, "feature", "metric")),
    "modelyard_drift_threshold": ("Score from which a feature counts as drifted", (*_VERSION, "feature", "metric")),
    "modelyard_drift_alert": ("1 while the feature counts as drifted", (*_VERSION, "feature", "metric")),
    "modelyard_quality": ("Quality on labelled predictions", (*_VERSION, "metric")),
    "modelyard_quality_standard_error": ("Standard error of the quality", (*_VERSION, "metric")),
    "modelyard_window_rows": ("Predicted rows in the latest window", _VERSION),
    "modelyard_window_labelled_rows": ("Rows of the latest window whose label is known", _VERSION),
    "modelyard_window_error_ratio": ("Share of requests on which the model failed", _VERSION),
    "modelyard_window_latency_milliseconds": ("Latency in the latest window", (*_VERSION, "quantile")),
    "modelyard_window_end_timestamp_seconds": ("End of the latest window, in event time", _VERSION),
    "modelyard_alert": (
        "1 while an alert is firing, 0.5 while pending, 0 once resolved",
        (*_VERSION, "rule", "subject"),
    ),
}
_STATES = {"pending": 0.5, "firing": 1.0, "resolved": 0.0}


class MonitoringCollector(Collector):
    """Register it with a ``CollectorRegistry``; ``snapshots`` is called at each scrape."""

    def __init__(self, snapshots: Callable[[], Iterable[Snapshot]]) -> None:
        self._snapshots = snapshots

    def describe(self) -> Iterable[Metric]:
        return _families().values()

    def collect(self) -> Iterator[Metric]:
        families = _families()
        for snapshot in self._snapshots():
            latest: dict[int, Window] = {}
            for window in sorted(snapshot.windows, key=lambda w: w.end):
                latest[window.version] = window
            for name, labels, value in _samples(snapshot, latest.values()):
                if value is not None:
                    families[name].add_metric(labels, value)
        yield from families.values()


def _families() -> dict[str, GaugeMetricFamily]:
    return {name: GaugeMetricFamily(name, text, labels=labels) for name, (text, labels) in _FAMILIES.items()}


def _samples(snapshot: Snapshot, windows: Iterable[Window]) -> Iterator[tuple[str, list[str], float | None]]:
    for window in windows:
        version = [snapshot.deployment, str(window.version)]
        for score in window.drift:
            labels = [*version, score.feature, score.metric]
            if score.drifted is not None:
                yield "modelyard_drift_score", labels, score.value
                yield "modelyard_drift_threshold", labels, score.threshold
                yield "modelyard_drift_alert", labels, float(score.drifted)
        for name, measured in window.quality.items():
            yield "modelyard_quality", [*version, name], measured.value
            yield "modelyard_quality_standard_error", [*version, name], measured.standard_error
        yield "modelyard_window_rows", version, window.rows
        yield "modelyard_window_labelled_rows", version, window.labelled
        yield "modelyard_window_error_ratio", version, window.error_rate
        for quantile, value in window.latency_ms.items():
            yield "modelyard_window_latency_milliseconds", [*version, f"0.{quantile[1:]}"], value
        yield "modelyard_window_end_timestamp_seconds", version, window.end.timestamp()
    for alert in snapshot.alerts:
        labels = [snapshot.deployment, str(alert.version), alert.rule, alert.subject]
        yield "modelyard_alert", labels, _STATES.get(alert.state)
