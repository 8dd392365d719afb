"""Windows and alerts in the registry: tables ``windows`` and ``alerts``, and a ledger row when one fires or resolves."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import and_, delete, insert, select, update

from modelyard.core.clock import from_micros, to_micros
from modelyard.monitoring.alerts import Alert, Transition
from modelyard.monitoring.memory import Kept
from modelyard.monitoring.windows import Window
from modelyard.registry.registry import Registry
from modelyard.registry.schema import alerts as alert_rows
from modelyard.registry.schema import windows as window_rows
from modelyard.registry.transaction import Transaction


class RegistryRecords:
    """The records of one deployment in the workspace of a registry; see :class:`modelyard.monitoring.memory.Records`."""

    def __init__(self, registry: Registry, deployment: str) -> None:
        self.registry = registry
        self.deployment = deployment

    def load(self) -> Kept:
        with self.registry.read() as connection:
            windows = connection.execute(
                select(window_rows).where(self._mine(window_rows)).order_by(window_rows.c.start, window_rows.c.version)
            ).mappings()
            found = tuple(_window(row) for row in windows)
            alerts = connection.execute(
                select(alert_rows).where(self._mine(alert_rows)).order_by(alert_rows.c.since, alert_rows.c.id)
            ).mappings()
            latest = {alert.key: alert for alert in map(_alert, alerts)}
        return Kept(found, tuple(latest.values()))

    def save(self, window: Window, alerts: Sequence[Alert], transitions: Sequence[Transition]) -> None:
        with self.registry.begin() as tx:
            self._save_window(tx, window)
            before = {alert.key: self._save_alert(tx, alert) for alert in alerts}
            for transition in transitions:
                alert = transition.alert
                if before.get(alert.key) == alert.state:  # somebody was here before us
                    continue
                tx.record(
                    f"alert.{transition.action}",
                    kind="deployment",
                    name=self.deployment,
                    subject=self.deployment,
                    before={"rule": alert.rule, "subject": alert.subject, "state": transition.before},
                    after={"rule": alert.rule, "subject": alert.subject, "state": alert.state},
                    reason=transition.reason,
                    evidence=transition.evidence(),
                )

    def _mine(self, table: Any) -> Any:
        return and_(table.c.workspace == self.registry.workspace, table.c.deployment == self.deployment)

    def _save_window(self, tx: Transaction, window: Window) -> None:
        start = to_micros(window.start)
        values = {
            "end": to_micros(window.end),
            "rows": window.rows,
            "labelled": window.labelled,
            "results": window.results(),
            "measured_time": to_micros(tx.now()),
        }
        table = window_rows
        this = and_(self._mine(table), table.c.version == window.version, table.c.start == start)
        if tx.execute(select(table.c.id).where(this)).first():
            tx.execute(update(table).where(this).values(values))
        else:
            tx.execute(
                insert(table).values(
                    workspace=self.registry.workspace,
                    deployment=self.deployment,
                    version=window.version,
                    start=start,
                    **values,
                )
            )

    def _save_alert(self, tx: Transaction, alert: Alert) -> str | None:
        """Returns the state that the alert had before."""
        table = alert_rows
        if alert.since is None:  # was never more than clear
            return None
        same = tx.execute(
            select(table)
            .where(self._mine(table), table.c.rule == alert.rule, table.c.subject == alert.subject)
            .where(table.c.since == to_micros(alert.since))
        ).mappings()
        found = next((row for row in same if row["evidence"]["version"] == alert.version), None)
        if alert.state == "clear":
            if found is not None:
                tx.execute(delete(table).where(table.c.id == found["id"]))
            return None
        values = {
            "state": alert.state,
            "value": alert.value,
            "threshold": alert.threshold,
            "fired_time": _micros(alert.fired),
            "resolved_time": _micros(alert.resolved),
            "evidence": {"version": alert.version, "bad": alert.bad, "good": alert.good, "seen": _micros(alert.seen)},
        }
        if found is not None:
            tx.execute(update(table).where(table.c.id == found["id"]).values(values))
            return str(found["state"])
        tx.execute(
            insert(table).values(
                workspace=self.registry.workspace,
                deployment=self.deployment,
                rule=alert.rule,
                subject=alert.subject,
                since=to_micros(alert.since),
                **values,
            )
        )
        return None


def _window(row: Mapping[Any, Any]) -> Window:
    return Window.from_results(
        row["version"], from_micros(row["start"]), from_micros(row["end"]), row["rows"], row["labelled"], row["results"]
    )


def _alert(row: Mapping[Any, Any]) -> Alert:
    evidence = row["evidence"]
    return Alert(
        row["rule"],
        row["subject"],
        evidence["version"],
        row["state"],
        from_micros(row["since"]),
        _instant(row["fired_time"]),
        _instant(row["resolved_time"]),
        _instant(evidence["seen"]),
        row["value"],
        row["threshold"],
        evidence["bad"],
        evidence["good"],
    )


def _micros(when: datetime | None) -> int | None:
    return None if when is None else to_micros(when)


def _instant(micros: int | None) -> datetime | None:
    return None if micros is None else from_micros(micros)
