"""Where windows and alerts are kept: the contract, and the implementation that forgets them with the process."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol

from modelyard.monitoring.alerts import Alert, Transition
from modelyard.monitoring.windows import Window


@dataclass(frozen=True)
class Kept:
    """All windows of a deployment by start and version, and its alerts that are pending or firing, or were."""

    windows: tuple[Window, ...] = ()
    alerts: tuple[Alert, ...] = ()


class Records(Protocol):
    """Keeps what the monitor of one deployment found. Called by one monitor at a time."""

    def load(self) -> Kept:
        """What was saved; empty at first. Of alerts with one key, the latest."""
        ...

    def save(self, window: Window, alerts: Sequence[Alert], transitions: Sequence[Transition]) -> None:
        """Keeps a window (in place of one of the same version and start) and the alerts as they are after it, and writes a
        ledger row for each transition: all of it, or after a crash nothing. A clear alert is one to forget, unless it
        had fired. Saving the same again changes nothing and writes no second ledger row."""
        ...


@dataclass
class MemoryRecords:
    """For a look at a log without a yard, and for tests."""

    windows: dict[tuple[datetime, int], Window] = field(default_factory=dict)
    alerts: dict[tuple[str, str, int], Alert] = field(default_factory=dict)
    transitions: list[Transition] = field(default_factory=list)

    def load(self) -> Kept:
        return Kept(tuple(self.windows[key] for key in sorted(self.windows)), tuple(self.alerts.values()))

    def save(self, window: Window, alerts: Sequence[Alert], transitions: Sequence[Transition]) -> None:
        self.windows[window.start, window.version] = window
        for alert in alerts:
            if alert.state == "clear":
                self.alerts.pop(alert.key, None)
            else:
                self.alerts[alert.key] = alert
        self.transitions += [t for t in transitions if t not in self.transitions]
