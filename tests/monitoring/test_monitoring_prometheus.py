"""What Prometheus sees of the latest windows and of the alerts."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.parser import text_string_to_metric_families

from modelyard.monitoring.alerts import Alert
from modelyard.monitoring.drift import DriftScore
from modelyard.monitoring.exporters.prometheus import MonitoringCollector, Snapshot
from modelyard.monitoring.quality import Measured
from modelyard.monitoring.windows import Window

# the parser gives labels in the order of the alphabet
ORDER = ("deployment", "version", "feature", "metric", "rule", "subject", "quantile")
_T0 = datetime(2026, 3, 2, tzinfo=UTC)
WINDOW = Window(
    2,
    _T0,
    _T0 + timedelta(days=1),
    rows=1000,
    labelled=400,
    requests=100,
    stable_requests=100,
    errors=2,
    latency_ms={"p50": 1.5, "p99": None},
    drift=(
        DriftScore("temp", "psi", 0.9, 0.2, True, 1000),
        DriftScore("hour", "psi", 0.01, 0.2, False, 1000),
        DriftScore("dest", "psi", 0.5, 0.2, None, 20),
    ),
    quality={"auc": Measured(0.71, 0.01, 400)},
)


def _scrape(*snapshots: Snapshot) -> dict[tuple[str, str], float]:
    registry = CollectorRegistry()
    registry.register(MonitoringCollector(lambda: snapshots))
    text = generate_latest(registry).decode()
    return {
        (
            sample.name.removeprefix("modelyard_"),
            " ".join(sample.labels[name] for name in ORDER if name in sample.labels),
        ): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def test_scores_quality_and_alerts_are_exposed() -> None:
    alert = Alert("drift", "temp", 2, "firing", _T0)
    found = _scrape(Snapshot("fraud", [WINDOW], [alert]))
    assert found == {
        ("drift_score", "fraud 2 temp psi"): 0.9,
        ("drift_threshold", "fraud 2 temp psi"): 0.2,
        ("drift_alert", "fraud 2 temp psi"): 1.0,
        ("drift_score", "fraud 2 hour psi"): 0.01,
        ("drift_threshold", "fraud 2 hour psi"): 0.2,
        ("drift_alert", "fraud 2 hour psi"): 0.0,
        ("quality", "fraud 2 auc"): 0.71,
        ("quality_standard_error", "fraud 2 auc"): 0.01,
        ("window_rows", "fraud 2"): 1000.0,
        ("window_labelled_rows", "fraud 2"): 400.0,
        ("window_error_ratio", "fraud 2"): 0.02,
        ("window_latency_milliseconds", "fraud 2 0.50"): 1.5,
        ("window_end_timestamp_seconds", "fraud 2"): (_T0 + timedelta(days=1)).timestamp(),
        ("alert", "fraud 2 drift temp"): 1.0,
    }


def test_the_latest_window_of_each_version_is_shown() -> None:
    later = replace(WINDOW, start=WINDOW.end, end=WINDOW.end + timedelta(days=1), rows=7)
    found = _scrape(Snapshot("fraud", [later, WINDOW, replace(WINDOW, version=1, rows=9)]))
    assert found["window_rows", "fraud 2"] == 7
    assert found["window_rows", "fraud 1"] == 9


@pytest.mark.parametrize(("state", "value"), [("pending", 0.5), ("firing", 1.0), ("resolved", 0.0)])
def test_the_state_of_an_alert_is_a_number(state: Any, value: float) -> None:
    assert _scrape(Snapshot("fraud", [], [Alert("errors", "error rate", 1, state, _T0)])) == {
        ("alert", "fraud 1 errors error rate"): value
    }


def test_nothing_measured_is_nothing_exposed() -> None:
    assert _scrape() == {}
