"""Runs the monitor of a deployment in the background, and takes a version out of production when an alert asks for it."""

from __future__ import annotations

import logging
from collections.abc import Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

from modelyard.client.workspace import Workspace
from modelyard.core.clock import to_text
from modelyard.core.errors import AliasMoved, InvalidPolicy, NoEarlierVersion, PolicyRefused
from modelyard.deployments.measurement import deployment_monitor
from modelyard.deployments.records import DeploymentRow
from modelyard.monitoring.alerts import Alert
from modelyard.monitoring.config import MonitorConfig
from modelyard.monitoring.exporters.prometheus import Snapshot
from modelyard.monitoring.monitor import Monitor

_log = logging.getLogger(__name__)


def wants_rollback(alerts: Iterable[Alert], config: MonitorConfig, on_alert: str, live: int | None) -> Alert | None:
    """The first firing alert about the live version that asks to take it out of production, or None.

    It asks when its rule says ``rollback``, or when the deployment wants that for every alert.
    """
    asking = {(rule.name, getattr(rule, "metric", None)) for rule in config.alerts if rule.rollback}
    for alert in alerts:
        if alert.state != "firing" or alert.version != live:
            continue
        if on_alert == "rollback" or asking & {(alert.rule, None), (alert.rule, alert.subject)}:
            return alert
    return None


def proof(alert: Alert) -> dict[str, Any]:
    """What a rollback's ledger row says of its alert; equal for the same alert, and for no other."""
    return {
        "rule": alert.rule,
        "subject": alert.subject,
        "version": alert.version,
        "value": alert.value,
        "threshold": alert.threshold,
        "since": None if alert.since is None else to_text(alert.since),
    }


class Watch:
    """The monitoring of one deployment, while this process holds its lease. ``snapshot`` is what ``/metrics`` shows."""

    def __init__(self, workspace: Workspace, name: str) -> None:
        self._workspace = workspace
        self._registry = workspace.registry
        self._name = name
        self._monitor: Monitor | None = None
        self._settings: object = None
        self._busy: Future[None] | None = None
        self._executor = ThreadPoolExecutor(1, thread_name_prefix="monitor")
        self._in_vain: set[object] = set()
        self._told = ""
        self.snapshot = Snapshot(name)

    def tick(self, row: DeploymentRow, live: int | None) -> bool:
        """Looks at what is new, in the background; acts on the alerts that stand. Whether it moved the alias."""
        if self._busy is not None:
            if not self._busy.done():
                return False
            error = self._busy.exception()
            self._busy = None
            if error is not None:
                if str(error) != self._told:  # once while it stays the same
                    _log.warning("monitoring of %s goes on after: %s", self._name, error)
                self._told = str(error)
                self._monitor = None  # its memory may be ahead of what was kept
        moved = self._act(row, live)
        self._busy = self._executor.submit(self._process, row)
        return moved

    def release(self) -> None:
        """Another process monitors now: forget everything, and show nothing."""
        if self._busy is None or self._busy.done():
            self._monitor, self.snapshot = None, Snapshot(self._name)

    def close(self, timeout: float = 10.0) -> None:
        """Waits for what runs."""
        if self._busy is not None:
            try:
                self._busy.exception(timeout)
            except TimeoutError:
                _log.warning("monitoring of %s was cut off", self._name)
        self._executor.shutdown(wait=False, cancel_futures=True)

    def _process(self, row: DeploymentRow) -> None:
        if self._monitor is None or self._settings != row.config.monitor:
            self._settings = row.config.monitor
            self._monitor = deployment_monitor(self._workspace, row)
        for transition in self._monitor.process().transitions:
            _log.warning("alert: %s", transition.reason)
        self.snapshot = Snapshot(self._name, self._monitor.windows, self._monitor.alerts)

    def _act(self, row: DeploymentRow, live: int | None) -> bool:
        if self._monitor is None:
            return False
        alert = wants_rollback(self._monitor.alerts, self._monitor.config, row.config.monitor.on_alert, live)
        if alert is None or live is None:
            return False
        evidence = {"deployment": self._name, "alert": proof(alert)}
        if (alert.key, alert.since) in self._in_vain or self._acted(row, alert):
            return False
        shown = "unknown" if alert.value is None else f"{alert.value:.4g}"
        reason = f"{alert.rule} of {alert.subject} on {row.model}/{live} is {shown}, the threshold is {alert.threshold}"
        try:
            self._registry.roll_back_alias(
                "model", row.model, row.alias, expected=live, reason=reason, evidence=evidence
            )
        except AliasMoved:
            return False
        except (NoEarlierVersion, PolicyRefused, InvalidPolicy) as refusal:
            _log.error("an alert asks to roll back, but %s (%s)", refusal, reason)
            self._in_vain.add((alert.key, alert.since))
            return False
        _log.warning("rolled back %s: %s", row.subject, reason)
        return True

    def _acted(self, row: DeploymentRow, alert: Alert) -> bool:
        """Whether the ledger knows of a rollback for this very alert: once is enough, also after a restart, and when a person
        has put the version back since."""
        same = {key: value for key, value in proof(alert).items() if key not in ("value", "threshold")}
        for entry in self._registry.history(kind="model", subject=row.subject, limit=200):
            told = ((entry.evidence or {}).get("alert") or {}) if isinstance(entry.evidence, dict) else {}
            if entry.action == "alias.rollback" and {key: told.get(key) for key in same} == same:
                return True
        return False
