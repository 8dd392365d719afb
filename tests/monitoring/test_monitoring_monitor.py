"""The monitor over a real log and a real registry: restarts, crashes, late labels, versions that come and go."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sqlalchemy import select

from modelyard import Workspace
from modelyard.monitoring.alerts import Alert, Transition
from modelyard.monitoring.config import MonitorConfig
from modelyard.monitoring.memory import Kept, MemoryRecords, Records
from modelyard.monitoring.monitor import Monitor, Progress, Reference
from modelyard.monitoring.quality import Measured
from modelyard.monitoring.records import RegistryRecords
from modelyard.monitoring.windows import Cut, Window
from modelyard.profiles.profile import Profile
from modelyard.registry.schema import alerts as alert_rows
from modelyard.registry.schema import ledger as ledger_rows
from modelyard.serving.records import LabelRecord, PredictionRecord
from modelyard.serving.traffic_log import TrafficLog

_T0 = datetime(2026, 3, 2, tzinfo=UTC)
_DAY = timedelta(days=1)
_RNG = np.random.default_rng(5)
PROFILE = Profile.fit({"temp": _RNG.normal(0, 1, 5000), "hour": _RNG.integers(5, 22, 5000)})
CONFIG = MonitorConfig.from_json(
    {"alerts": [{"on": "drift"}, {"on": "errors"}, {"on": "quality", "metric": "auc", "worse_by": 0.1}]}
)


def references(version: int) -> Reference:
    return Reference(PROFILE, {"auc": 0.9})


def day(number: int, shift: float = 0.0, *, version: int = 1, role: str = "stable", rows: int = 300, good: bool = True,
        failed: bool = False, skill: float = 3.0) -> list[Any]:  # fmt: skip
    """The traffic of one day, 30 requests, and its labels."""
    rng = np.random.default_rng([number, version])
    start = _T0 + number * _DAY
    records: list[Any] = []
    for i in range(30):
        size = rows // 30
        ids = tuple(f"v{version}d{number}r{i}n{j}" for j in range(size))
        when = start + timedelta(minutes=40 * i)
        truth = rng.random(size) < 0.5
        score = 1 / (1 + np.exp(-rng.normal(np.where(truth, skill / 2, -skill / 2), 1.0)))
        records.append(
            PredictionRecord(
                f"d{number}r{i}v{version}", ids, when, when, "fraud", "one", version, "canary" if role == "canary" else "stable",
                {"temp": rng.normal(shift, 1, size).tolist(), "hour": rng.integers(5, 22, size).tolist()},
                {} if failed else {"label": (score > 0.5).tolist(), "probability": score.tolist()},
                2.0 + i / 10, 500 if failed else 200,
            )
        )  # fmt: skip
        if good:
            records.append(LabelRecord(when + timedelta(hours=3), ids, tuple(truth.tolist())))
    return records


class ListLog:
    """A log in memory, which grows by what is added."""

    def __init__(self, records: Sequence[Any] = ()) -> None:
        self.records = list(records)

    def read(self, after: Any = None, limit_bytes: int | None = None) -> tuple[list[Any], dict[str, int]]:
        start = (after or {}).get("all", 0)
        return sorted(self.records[start:], key=lambda r: r.time), {"all": len(self.records)}


@pytest.fixture(params=["memory", "registry"])
def records(request: pytest.FixtureRequest, tmp_path: Path) -> Records:
    if request.param == "memory":
        return MemoryRecords()
    return RegistryRecords(Workspace(tmp_path / "yard", actor="ana").registry, "fraud")


def _shown(transitions: Sequence[Transition]) -> list[str]:
    return [f"{t.action} {t.alert.rule} {t.alert.subject} v{t.alert.version}" for t in transitions]


def test_undrifted_days_raise_nothing_and_a_moved_feature_fires_and_resolves(records: Records) -> None:
    log = ListLog([*day(0), *day(1), *day(2, shift=1.5), *day(3, shift=1.5), *day(4), *day(5)])
    monitor = Monitor(log, references, CONFIG, records)
    progress = monitor.process()
    assert _shown(progress.transitions) == ["fire drift temp v1", "resolve drift temp v1"]
    fired, resolved = progress.transitions
    assert fired.alert.since == _T0 + 2 * _DAY
    assert (fired.alert.fired, resolved.alert.resolved) == (_T0 + 3 * _DAY, _T0 + 5 * _DAY)
    assert [w.start for w in progress.windows] == [_T0 + i * _DAY for i in range(5)]
    window = progress.windows[0]
    assert (window.rows, window.labelled, window.requests, window.error_rate) == (300, 300, 30, 0.0)
    assert window.quality["auc"].value > 0.9
    assert window.latency_ms["p50"] == pytest.approx(3.4, rel=0.03)
    assert window.means["temp"] == pytest.approx(0, abs=0.2)
    assert monitor.process() == Progress()


def test_a_log_read_in_any_portions_gives_the_same_windows_and_alerts(records: Records) -> None:
    everything = [r for n in range(6) for r in day(n, shift=1.5 if n == 2 else 0)]
    whole = Monitor(ListLog(everything), references, CONFIG, MemoryRecords()).process(finish=True)
    log = ListLog()
    monitor = Monitor(log, references, CONFIG, records)
    transitions: list[Transition] = []
    for start in range(0, len(everything), 37):
        log.records += everything[start : start + 37]
        transitions += monitor.process().transitions
    transitions += monitor.process(finish=True).transitions
    assert _shown(transitions) == _shown(whole.transitions) == ["fire drift temp v1", "resolve drift temp v1"]
    for one, other in zip(monitor.windows, whole.windows, strict=True):
        assert one == replace(other, means=one.means)


@pytest.mark.parametrize("cut", ["hour", "day", "week", "month", "rows:100"])
@pytest.mark.parametrize("when", [datetime.max.replace(tzinfo=UTC), datetime.min.replace(tzinfo=UTC)])
def test_an_impossible_time_in_the_log_costs_its_record_and_nothing_else(cut: str, when: datetime) -> None:
    fine = [*day(0), *day(1)]
    config = replace(CONFIG, window=Cut.parse(cut))
    expected = Monitor(ListLog(fine), references, config, MemoryRecords())
    expected.process(finish=True)
    wrong = [replace(fine[0], event_time=when), replace(fine[0], event_time=when, time=when)]
    monitor = Monitor(ListLog([*fine, *wrong]), references, config, MemoryRecords())
    monitor.process(finish=True)
    assert [replace(w, means={}) for w in monitor.windows] == [replace(w, means={}) for w in expected.windows]
    assert monitor.skipped == 2


@pytest.mark.parametrize("number", [10**400, float("inf"), [1], None])
def test_a_value_that_nobody_can_calculate_with_counts_as_missing(number: Any) -> None:
    prediction, label, *others = day(0)
    prediction.inputs["temp"][0] = number
    prediction.outputs["probability"][0] = number
    label = replace(label, values=(*label.values[:-1], number))
    log = ListLog([prediction, label, *others])
    monitor = Monitor(log, references, CONFIG, MemoryRecords())
    window = monitor.process(finish=True).windows[0]
    assert (window.rows, window.labelled, monitor.skipped) == (300, 299, 1)
    assert window.quality["auc"].rows == 298


class DiesAfter:
    """Records whose process is killed before the n-th save, or right after it."""

    def __init__(self, inner: Records, saves: int, *, kept: bool) -> None:
        self.inner, self.left, self.kept = inner, saves, kept

    def load(self) -> Kept:
        return self.inner.load()

    def save(self, window: Window, alerts: Sequence[Alert], transitions: Sequence[Transition]) -> None:
        self.left -= 1
        if self.left < 0 and not self.kept:
            raise KeyboardInterrupt
        self.inner.save(window, alerts, transitions)
        if self.left < 0:
            raise KeyboardInterrupt


def _ledger(registry: Any) -> list[str]:
    with registry.read() as connection:
        rows = connection.execute(select(ledger_rows).where(ledger_rows.c.kind == "deployment")).mappings()
        return [f"{row['action']} {row['after']['subject']} v{row['evidence']['version']}" for row in rows]


@pytest.mark.parametrize("kept", [False, True])
@pytest.mark.parametrize("saves", range(0, 12, 3))
def test_a_crash_at_any_save_leaves_the_same_windows_and_no_double_alert(ws: Workspace, saves: int, kept: bool) -> None:
    everything = [r for n in range(6) for r in day(n, shift=1.5 if n == 2 else 0)]
    undisturbed = MemoryRecords()
    Monitor(ListLog(everything), references, CONFIG, undisturbed).process(finish=True)
    records = RegistryRecords(ws.registry, "fraud")
    dying = Monitor(ListLog(everything), references, CONFIG, DiesAfter(records, saves, kept=kept))
    with pytest.raises(KeyboardInterrupt):
        dying.process(finish=True)
    Monitor(ListLog(everything), references, CONFIG, records).process(finish=True)
    assert records.load().windows == undisturbed.load().windows
    assert _ledger(ws.registry) == ["alert.fire temp v1", "alert.resolve temp v1"]


def test_a_restart_on_the_same_log_says_and_changes_nothing(records: Records) -> None:
    everything = [*day(0), *day(1, shift=1.5), *day(2, shift=1.5)]
    first = Monitor(ListLog(everything), references, CONFIG, records)
    assert _shown(first.process().transitions) == ["fire drift temp v1"]
    kept = records.load()
    second = Monitor(ListLog(everything), references, CONFIG, records)
    assert second.process() == Progress()
    assert records.load() == kept
    assert second.windows == first.windows
    assert second.alerts == first.alerts
    assert [a.state for a in second.alerts] == ["firing"]


def test_a_window_keeps_its_rows_when_the_older_log_is_gone(records: Records) -> None:
    Monitor(ListLog([*day(0), *day(1), *day(2)]), references, CONFIG, records).process()
    before = records.load()
    later = Monitor(ListLog([*day(0)[30:], *day(2)]), references, CONFIG, records)
    assert later.process() == Progress()
    assert records.load() == before


def test_labels_that_come_late_change_the_quality_of_a_closed_window(records: Records) -> None:
    log = ListLog([r for r in [*day(0), *day(1)] if isinstance(r, PredictionRecord)])
    monitor = Monitor(log, references, CONFIG, records)
    (window,) = monitor.process().windows
    assert (window.labelled, dict(window.quality)) == (0, {})
    log.records += [r for r in day(0) if isinstance(r, LabelRecord)]
    (window,) = monitor.process().windows
    assert window.labelled == 300
    assert records.load().windows == (window,)
    corrected = [replace(r, time=r.time + _DAY, values=tuple(not v for v in r.values)) for r in log.records[60:]]
    log.records += corrected
    (window,) = monitor.process().windows
    assert window.labelled == 300
    assert window.quality["auc"].value < 0.1


def test_quality_is_judged_once_when_its_labels_are_due(records: Records) -> None:
    config = replace(CONFIG, label_delay=2 * _DAY)
    log = ListLog([r for n in range(3) for r in day(n, skill=0.0)])
    monitor = Monitor(log, references, config, records)
    assert monitor.process().transitions == ()
    log.records += day(3, skill=0.0)
    (fired,) = monitor.process().transitions
    assert (fired.alert.rule, fired.alert.subject, fired.alert.since) == ("quality loss", "auc", _T0)
    assert fired.alert.threshold == pytest.approx(0.8)
    assert monitor.process(finish=True).transitions == ()


def test_without_labels_quality_says_nothing(records: Records) -> None:
    monitor = Monitor(ListLog([*day(0, good=False), *day(1, good=False)]), references, CONFIG, records)
    assert monitor.process(finish=True).transitions == ()


def test_failed_requests_fire_and_a_rule_may_ask_for_a_rollback(records: Records) -> None:
    config = MonitorConfig.from_json({"alerts": [{"on": "errors", "rollback": True}]})
    monitor = Monitor(ListLog([*day(0, failed=True), *day(1)]), references, config, records)
    (fired,) = monitor.process().transitions
    assert (fired.alert.subject, fired.alert.value, fired.rollback) == ("error rate", 1.0, True)
    assert fired.evidence() == {"version": 1, "value": 1.0, "threshold": 0.05, "windows": 1}


def test_a_canary_is_measured_and_raises_no_alert(records: Records) -> None:
    log = ListLog([*day(0), *day(0, version=2, role="canary", shift=3, failed=False), *day(1)])
    progress = Monitor(log, references, CONFIG, records).process()
    assert [(w.version, w.stable_requests) for w in progress.windows] == [(1, 30), (2, 0)]
    assert any(score.drifted for score in progress.windows[1].drift)
    assert progress.transitions == ()


def test_an_alert_of_a_version_that_was_replaced_is_resolved(records: Records) -> None:
    log = ListLog([*day(0, shift=1.5), *day(1, version=2), *day(2, version=2)])
    transitions = Monitor(log, references, CONFIG, records).process().transitions
    assert _shown(transitions) == ["fire drift temp v1", "resolve drift temp v1"]
    assert "no more traffic" in transitions[1].reason


def test_an_alert_stays_while_both_versions_serve(records: Records) -> None:
    log = ListLog([*day(0, shift=1.5), *day(0, version=2), *day(1, shift=1.5), *day(1, version=2), *day(2, version=2)])
    monitor = Monitor(log, references, CONFIG, records)
    assert _shown(monitor.process().transitions) == ["fire drift temp v1"]
    assert _shown(monitor.process(finish=True).transitions) == ["resolve drift temp v1"]


def test_a_version_without_reference_is_measured_without_drift(records: Records) -> None:
    monitor = Monitor(ListLog([*day(0, shift=5), *day(1)]), lambda version: Reference(), CONFIG, records)
    progress = monitor.process()
    assert [w.drift for w in progress.windows] == [()]
    assert progress.windows[0].rows == 300
    assert progress.transitions == ()


def test_windows_of_rows_are_measured_too(records: Records) -> None:
    config = replace(CONFIG, window=MonitorConfig.from_json({"window": "rows:150"}).window)
    progress = Monitor(ListLog([*day(0), *day(1, shift=2)]), references, config, records).process()
    assert [w.rows for w in progress.windows] == [150] * 4
    assert _shown(progress.transitions) == ["fire drift temp v1"]


def test_memory_holds_a_bounded_number_of_windows(records: Records) -> None:
    log = ListLog([r for n in range(6) for r in day(n, rows=30)])
    monitor = Monitor(log, references, CONFIG, records, keep=2)
    monitor.process()
    assert len(monitor.windows) == 5
    log.records += day(0, rows=30) + day(6, rows=30)
    progress = monitor.process()
    assert [w.start for w in progress.windows] == [_T0 + 5 * _DAY]


def test_what_is_kept_is_read_back_as_it_was(records: Records) -> None:
    window = Window(
        3, _T0, _T0 + _DAY, 10, 4, 5, 5, 1, 2, {"p50": 1.5, "p95": None}, quality={"auc": Measured(0.5, None, 1)},
        means={"temp": 0.1}, judged=frozenset({"traffic"}),
    )  # fmt: skip
    pending = Alert("drift", "temp", 3, "pending", _T0, seen=_T0 + _DAY, value=0.3, threshold=0.2, bad=1)
    records.save(window, [pending, Alert("drift", "hour", 3, seen=_T0)], [])
    assert records.load() == Kept((window,), (pending,))
    firing = replace(pending, state="firing", fired=_T0 + _DAY, bad=2)
    transition = Transition("fire", firing, "pending")
    for _ in range(2):
        records.save(window, [firing], [transition])
    assert records.load().alerts == (firing,)
    records.save(window, [replace(firing, state="resolved", resolved=_T0 + 2 * _DAY)], [])
    again = replace(pending, since=_T0 + 3 * _DAY)
    records.save(window, [again], [])
    assert records.load().alerts == (again,)


def test_an_alert_that_was_only_pending_leaves_no_row(ws: Workspace) -> None:
    config = MonitorConfig.from_json({"alerts": [{"on": "drift", "for_windows": 2}]})
    records = RegistryRecords(ws.registry, "fraud")
    log = ListLog([*day(0, shift=1.5), *day(1)])
    monitor = Monitor(log, references, config, records)
    monitor.process()
    assert [a.state for a in records.load().alerts] == ["pending"]
    log.records += day(2)
    monitor.process()
    with ws.registry.read() as connection:
        assert connection.execute(select(alert_rows)).all() == []
    assert monitor.alerts == []


def test_deployments_do_not_see_each_other(ws: Workspace) -> None:
    Monitor(ListLog([*day(0, shift=2), *day(1)]), references, CONFIG, RegistryRecords(ws.registry, "fraud")).process()
    assert RegistryRecords(ws.registry, "churn").load() == Kept()


def test_the_ledger_says_which_alert_fired_why_and_stays_whole(ws: Workspace) -> None:
    Monitor(ListLog([*day(0, shift=2), *day(1)]), references, CONFIG, RegistryRecords(ws.registry, "fraud")).process()
    with ws.registry.read() as connection:
        (row,) = connection.execute(select(ledger_rows).where(ledger_rows.c.action == "alert.fire")).mappings().all()
    assert (row["kind"], row["name"], row["subject"], row["actor"]) == ("deployment", "fraud", "fraud", "ana")
    assert row["after"] == {"rule": "drift", "subject": "temp", "state": "firing"}
    assert row["reason"].startswith("drift of temp on version 1 is ")
    assert row["evidence"]["value"] > row["evidence"]["threshold"]
    assert ws.registry.check_ledger()[1] == []


def test_the_real_traffic_log_is_read_to_its_end(tmp_path: Path) -> None:
    log = TrafficLog(tmp_path / "traffic", segment_bytes=20_000)
    writers = [log.open_writer(name) for name in ("one", "two")]
    for i, record in enumerate([*day(0), *day(1, shift=2), *day(2)]):
        writer = writers[i % 2]
        assert writer.prediction(record) if isinstance(record, PredictionRecord) else writer.labels(record)
    for writer in writers:
        writer.close()
    monitor = Monitor(log, references, CONFIG, MemoryRecords())
    progress = monitor.process(finish=True)
    assert [(w.rows, w.labelled) for w in progress.windows] == [(300, 300)] * 3
    assert _shown(progress.transitions) == ["fire drift temp v1", "resolve drift temp v1"]
