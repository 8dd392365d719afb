"""The monitor of one deployment: reads what is new in its traffic log, measures windows, judges alerts, keeps both.

It can be stopped at any instant. On a restart it reads the log again from the start, which rebuilds the windows, while
the records say which of them were judged: no window is judged twice by the same kind of rule, so no alert fires twice.
If the older part of the log is gone by then, the kept windows stay as they are: a window never loses rows.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Protocol

from modelyard.monitoring.accumulator import Key, WindowAccumulator
from modelyard.monitoring.alerts import Alert, Transition, retire, step
from modelyard.monitoring.config import MonitorConfig
from modelyard.monitoring.drift import DriftScore, compare
from modelyard.monitoring.memory import Records
from modelyard.monitoring.quality import measure
from modelyard.monitoring.windows import Window
from modelyard.profiles.profile import NumericProfile, Profile
from modelyard.serving.records import LabelRecord, PredictionRecord

KEEP = 400  # windows held in memory; a label or a record for an older one is ignored
PORTION = 16 * 2**20  # bytes of each file of the log that are read at a time


class Log(Protocol):
    """The part of :class:`modelyard.serving.traffic_log.TrafficLog` that is used here."""

    def read(
        self, after: Mapping[str, int] | None = None, limit_bytes: int | None = None
    ) -> tuple[list[PredictionRecord | LabelRecord], dict[str, int]]: ...


@dataclass(frozen=True)
class Reference:
    """What live traffic of a version is held against: the profile of its training data, and its registered metrics."""

    profile: Profile | None = None
    metrics: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class Progress:
    """What one call found: windows that are new or have changed, and alerts that fired or resolved, in order."""

    windows: tuple[Window, ...] = ()
    transitions: tuple[Transition, ...] = ()


class Monitor:
    """One at a time for a deployment. ``references`` is asked once a version."""

    def __init__(
        self,
        log: Log,
        references: Callable[[int], Reference],
        config: MonitorConfig,
        records: Records,
        keep: int = KEEP,
    ) -> None:
        self.config = config
        self.keep = keep
        self._log = log
        self._records = records
        self._known: dict[int, Reference] = {}
        self._references = references
        self._cursor: dict[str, int] = {}
        self._accumulator = WindowAccumulator(config.window, lambda v: self._reference(v).profile, config.lateness)
        self._stages = {rule.name: rule.stage for rule in config.alerts}
        kept = records.load()
        self._windows: dict[Key, Window] = {(w.version, w.start): w for w in kept.windows}
        self._alerts: dict[tuple[str, str, int], Alert] = {alert.key: alert for alert in kept.alerts}

    @property
    def windows(self) -> list[Window]:
        """All measured windows, by start and version."""
        return sorted(self._windows.values(), key=lambda w: (w.start, w.version))

    @property
    def alerts(self) -> list[Alert]:
        """The alerts that are pending or firing, or were, by rule, subject and version."""
        return sorted((a for a in self._alerts.values() if a.state != "clear"), key=lambda alert: alert.key)

    @property
    def skipped(self) -> int:
        """The predictions and labels of the log that nothing could be made of."""
        return self._accumulator.skipped

    def process(self, finish: bool = False) -> Progress:
        """Reads the log to its end and measures what has closed; with ``finish`` all open windows close and all labels
        that are to come have come. Raises what the log or the records raise; calling again then goes on."""
        self._catch_up()
        windows: list[Window] = []
        transitions: list[Transition] = []
        for stage in ("traffic", "quality"):
            for key in self._accumulator.closed(finish):
                judge = self._due(key, stage, finish) and stage not in self._judged(key)
                if not judge and key not in self._accumulator.dirty:
                    continue
                window = self._measure(key)
                kept = self._windows.get(key)
                if kept is not None and not judge and replace(window, means=kept.means) == kept:  # means are rounded
                    self._accumulator.dirty.discard(key)
                    continue
                if kept is not None and _poorer(window, kept):
                    continue
                changes: list[Transition] = []
                alerts: list[Alert] = []
                if judge:
                    alerts, changes = self._judge(window, stage)
                    window = replace(window, judged=window.judged | {stage})
                self._records.save(window, alerts, changes)
                self._windows[key] = window
                self._alerts |= {alert.key: alert for alert in alerts}
                self._accumulator.dirty.discard(key)
                windows = [w for w in windows if (w.version, w.start) != key] + [window]
                transitions += changes
        self._forget(finish)
        return Progress(tuple(sorted(windows, key=lambda w: (w.start, w.version))), tuple(transitions))

    def _catch_up(self) -> None:
        # To the end before anything closes: a replica that is read later must not find its windows gone. Windows of rows
        # depend on the order of arrival, which portions of several files would mix up.
        limit = None if self.config.window.rows else PORTION
        while True:
            records, cursor = self._log.read(self._cursor, limit)
            self._accumulator.add(records)
            longest = max((end - self._cursor.get(name, 0) for name, end in cursor.items()), default=0)
            self._cursor = dict(cursor)
            if limit is None or longest < limit:
                return

    def _reference(self, version: int) -> Reference:
        if version not in self._known:
            self._known[version] = self._references(version)
        return self._known[version]

    def _judged(self, key: Key) -> frozenset[str]:
        return self._windows[key].judged if key in self._windows else frozenset()

    def _due(self, key: Key, stage: str, finish: bool) -> bool:
        if stage == "traffic" or finish:
            return True
        due = self._accumulator.end(key) + self.config.lateness + self.config.label_delay
        return self._accumulator.watermark is not None and due <= self._accumulator.watermark

    def _measure(self, key: Key) -> Window:
        version, start = key
        tally = self._accumulator.windows[key]
        outputs, truth = self._accumulator.labelled_outputs(key)
        profile = self._reference(version).profile
        return Window(
            version=version,
            start=start,
            end=self._accumulator.end(key),
            rows=tally.rows,
            labelled=self._accumulator.join.labelled(key),
            requests=tally.requests,
            stable_requests=tally.stable_requests,
            errors=tally.errors,
            refused=tally.refused,
            latency_ms={f"p{p}": tally.latencies.quantile(p / 100) for p in (50, 95, 99)},
            drift=self._drift(key, profile, tally.profile),
            quality=measure(outputs, truth, self.config.positive),
            means={
                c.name: c.moments.mean for c in tally.profile or () if isinstance(c, NumericProfile) and c.moments.n
            },
            judged=self._judged(key),
        )

    def _drift(self, key: Key, reference: Profile | None, current: Profile | None) -> tuple[DriftScore, ...]:
        if reference is None or current is None:
            return ()
        timed = not self.config.window.rows
        seconds = (self._accumulator.end(key) - key[1]).total_seconds() if timed else None
        return tuple(compare(reference, current, self.config.drift, seconds=seconds))

    def _judge(self, window: Window, stage: str) -> tuple[list[Alert], list[Transition]]:
        """Alerts are about what serves users: windows in which the version was only a canary move nothing."""
        changed: list[Alert] = []
        transitions: list[Transition] = []
        if window.stable_requests:
            for rule in self.config.alerts:
                if rule.stage != stage:
                    continue
                for verdict in rule.verdicts(window, self._reference(window.version).metrics):
                    key = (rule.name, verdict.subject, window.version)
                    alert = self._alerts.get(key, Alert(*key))
                    alert, moved = step(alert, verdict, window.start, window.end, rule.for_windows, rule.rollback)
                    changed.append(alert)
                    transitions += [moved] if moved else []
            for alert in self._alerts.values():
                if self._stages.get(alert.rule, "traffic") == stage and self._gone(alert, window):
                    retired, moved = retire(alert, window.start)
                    changed.append(retired)
                    transitions += [moved] if moved else []
        return changed, transitions

    def _gone(self, alert: Alert, window: Window) -> bool:
        """Whether the alert is open on a version that had no stable traffic since before the window of another."""
        if alert.version == window.version or alert.state not in ("pending", "firing"):
            return False
        served = (
            self._accumulator.end((version, start)) > window.start
            for (version, start), tally in self._accumulator.windows.items()
            if version == alert.version and tally.stable_requests
        )
        return alert.seen is not None and alert.seen <= window.start and not any(served)

    def _forget(self, finish: bool) -> None:
        closed = self._accumulator.closed(finish)
        for key in closed[: max(0, len(self._accumulator.windows) - self.keep)]:
            if self._judged(key) >= {"traffic", "quality"}:
                self._accumulator.drop(key)


def _poorer(window: Window, kept: Window) -> bool:
    """Whether less is known of a window than was kept: part of its log has gone since."""
    return window.rows < kept.rows or window.requests < kept.requests or window.labelled < kept.labelled
