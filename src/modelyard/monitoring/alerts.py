"""The life of an alert: a table of states, and one pure step.

A rule looks at each window once and says bad, good or unknown for a subject (a feature, a metric). An alert fires when
``for_windows`` windows in a row were bad, and resolves when as many in a row were good; unknown windows move nothing.
When the version gets no more traffic (``retired``), what it had is resolved: nobody can look at it any more.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Literal

State = Literal["clear", "pending", "firing", "resolved"]
Event = Literal["bad", "bad enough", "good", "good enough", "retired"]

TRANSITIONS: dict[tuple[State, Event], State] = {
    ("clear", "bad"): "pending",
    ("clear", "bad enough"): "firing",
    ("clear", "good"): "clear",
    ("clear", "good enough"): "clear",
    ("clear", "retired"): "clear",
    ("pending", "bad"): "pending",
    ("pending", "bad enough"): "firing",
    ("pending", "good"): "clear",
    ("pending", "good enough"): "clear",
    ("pending", "retired"): "clear",
    ("firing", "bad"): "firing",
    ("firing", "bad enough"): "firing",
    ("firing", "good"): "firing",
    ("firing", "good enough"): "resolved",
    ("firing", "retired"): "resolved",
    ("resolved", "bad"): "pending",
    ("resolved", "bad enough"): "firing",
    ("resolved", "good"): "resolved",
    ("resolved", "good enough"): "resolved",
    ("resolved", "retired"): "resolved",
}


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a rule found in one window about one subject; ``bad`` is ``None`` where it cannot be known."""

    subject: str
    value: float | None
    threshold: float | None
    bad: bool | None


@dataclass(frozen=True, slots=True)
class Alert:
    """The state of one rule on one subject of one version. Times are event times: ``since`` is the start of the first bad
    window, ``fired`` and ``resolved`` the ends of the windows that decided, ``seen`` the end of the last one judged."""

    rule: str
    subject: str
    version: int
    state: State = "clear"
    since: datetime | None = None
    fired: datetime | None = None
    resolved: datetime | None = None
    seen: datetime | None = None
    value: float | None = None
    threshold: float | None = None
    bad: int = 0
    good: int = 0

    @property
    def key(self) -> tuple[str, str, int]:
        return (self.rule, self.subject, self.version)


@dataclass(frozen=True, slots=True)
class Transition:
    """An alert that fired or resolved; ``rollback`` when its rule asks to take the version out of production."""

    action: Literal["fire", "resolve"]
    alert: Alert
    before: State
    rollback: bool = False

    @property
    def reason(self) -> str:
        """One sentence for people."""
        a = self.alert
        if self.action == "resolve":
            gone = a.good == 0  # retired: no good window was needed
            cause = "the version gets no more traffic" if gone else f"it is {_shown(a.value)}"
            return f"{a.rule} of {a.subject} on version {a.version} resolved: {cause}"
        return f"{a.rule} of {a.subject} on version {a.version} is {_shown(a.value)}, the threshold is {_shown(a.threshold)}"

    def evidence(self) -> dict[str, Any]:
        return {"version": self.alert.version, "value": self.alert.value, "threshold": self.alert.threshold,
                "windows": self.alert.bad}  # fmt: skip


def step(
    alert: Alert, verdict: Verdict, start: datetime, end: datetime, for_windows: int = 1, rollback: bool = False
) -> tuple[Alert, Transition | None]:
    """The alert after one window, and its transition where it fired or resolved."""
    if verdict.bad is None:
        return replace(alert, seen=end), None
    fresh = verdict.bad and alert.state in ("clear", "resolved")
    if fresh:
        alert = replace(alert, since=start, fired=None, resolved=None, bad=0, good=0)
    bad, good = (alert.bad + 1, 0) if verdict.bad else (alert.bad, alert.good + 1)
    event: Event
    if verdict.bad:
        event = "bad enough" if bad >= for_windows else "bad"
    else:
        event = "good enough" if good >= for_windows else "good"
    state = TRANSITIONS[alert.state, event]
    after = replace(alert, state=state, seen=end, value=verdict.value, threshold=verdict.threshold, bad=bad, good=good)
    return _moved(alert, after, end, rollback)


def retire(alert: Alert, at: datetime) -> tuple[Alert, Transition | None]:
    """The alert of a version that got no traffic up to ``at``."""
    return _moved(alert, replace(alert, state=TRANSITIONS[alert.state, "retired"], seen=at, good=0), at, False)


def _moved(before: Alert, after: Alert, at: datetime, rollback: bool) -> tuple[Alert, Transition | None]:
    if after.state == before.state or after.state in ("clear", "pending"):
        return after, None
    if after.state == "firing":
        after = replace(after, fired=at)
        return after, Transition("fire", after, before.state, rollback)
    after = replace(after, resolved=at)
    return after, Transition("resolve", after, before.state)


def _shown(value: float | None) -> str:
    return "unknown" if value is None else f"{value:.3g}"
