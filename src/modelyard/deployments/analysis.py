"""What is compared between the stable version and the candidate, and when it is enough to go on, stop, or ask.

Both samples come from the *same* window of traffic, split by a hash of the routing key, so they differ by chance and by version only.
Each step of a rollout has a window of its own: pooling steps of different weight would mix hours of the day into the difference.

Phases are those of Argo Rollouts' analysis runs. *Could not measure* (``error``) is not *measured and bad* (``failed``), and only
``successful`` lets a rollout go on: unknown never promotes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Any

GROWTH = 1.5
"""The labelled sample must have grown by half since the last look before the quality is looked at again."""

GUARDS = ("errors", "latency", "predictions")
"""Measurements that are looked at on every tick; the others are the reason why a step passes."""


class Phase(StrEnum):
    """What is known of a measurement, or of all of them."""

    PENDING = "pending"  # nothing to measure yet
    RUNNING = "running"  # measured, and not yet certain
    SUCCESSFUL = "successful"
    FAILED = "failed"
    INCONCLUSIVE = "inconclusive"  # time or looks are used up, and still not certain
    ERROR = "error"  # could not be measured


@dataclass(frozen=True)
class AnalysisRule:
    """What a candidate must show in each step. The defaults are those of ``[deployment.analysis]``.

    ``metric``
        ``auc``, ``accuracy`` (higher is better), ``log_loss``, ``brier``, ``rmse``, ``mae`` (lower is better), or ``none`` when no labels will come.
    ``margin``
        How much worse than the stable version is still good enough, in units of the metric.
    ``confidence``
        One-sided, over all looks at one step together.
    ``min_rows``
        Labelled rows of each version before the first look (predicted rows when ``metric`` is ``none``).
    ``max_looks``
        How often the quality is looked at in a step.
    ``timeout_seconds``
        After so long in one step, what is not certain is inconclusive.
    ``min_requests``
        Requests to each version before errors and latency are judged as good.
    ``max_error_rate``
        Share of requests that may fail, 0 to 1.
    ``max_latency_ratio``, ``min_latency_ms``
        The candidate's 95th percentile may be so many times the stable one's; below ``min_latency_ms`` it is always fast enough.
    ``max_prediction_shift``
        Kolmogorov-Smirnov distance (0 to 1) between the two versions' predictions; ``None`` is 0.5 when ``metric`` is ``none`` and no limit otherwise.
    ``on_inconclusive``
        ``pause`` (a person decides) or ``abort``.
    """

    metric: str = "none"
    margin: float = 0.02
    confidence: float = 0.95
    min_rows: int = 200
    max_looks: int = 8
    timeout_seconds: float = 3600.0
    min_requests: int = 20
    max_error_rate: float = 0.02
    max_latency_ratio: float = 3.0
    min_latency_ms: float = 50.0
    max_prediction_shift: float | None = None
    on_inconclusive: str = "pause"

    @property
    def shift_limit(self) -> float | None:
        """The limit of the prediction shift that is in force."""
        if self.max_prediction_shift is None and self.metric == "none":
            return 0.5
        return self.max_prediction_shift


@dataclass(frozen=True, eq=False)
class Sample:
    """What one version did in the window.

    ``requests`` and ``errors`` count requests, ``rows`` the rows answered; ``latencies_ms`` has one value for each request that was answered;
    ``predictions`` one number a row (empty when the model gives none). ``truth`` and each column of ``outputs`` hold the labelled rows, aligned.
    The sequences may grow after; they are read only during a call.
    """

    requests: int = 0
    errors: int = 0
    rows: int = 0
    latencies_ms: Sequence[float] = ()
    predictions: Sequence[float] = ()
    outputs: Mapping[str, Sequence[Any]] = field(default_factory=dict)
    truth: Sequence[Any] = ()

    @property
    def labelled(self) -> int:
        return len(self.truth)

    @property
    def error_rate(self) -> float:
        return self.errors / self.requests if self.requests else 0.0


@dataclass(frozen=True)
class Measurement:
    """One comparison: the values, the confidence bounds of what was tested against ``limit``, and the sentence that says what follows."""

    name: str
    phase: Phase
    reason: str
    stable: float | None = None
    candidate: float | None = None
    lower: float | None = None
    upper: float | None = None
    limit: float | None = None
    stable_count: int = 0
    candidate_count: int = 0

    def to_json(self) -> dict[str, Any]:
        return {**vars(self), "phase": str(self.phase)}

    @classmethod
    def from_json(cls, document: Mapping[str, Any]) -> Measurement:
        return cls(**{**document, "phase": Phase(document["phase"])})


@dataclass(frozen=True)
class Analysis:
    """All measurements of one step, what they say together, and how often the quality was looked at (``look``, at ``look_rows`` labelled rows)."""

    phase: Phase
    reasons: tuple[str, ...]
    measurements: tuple[Measurement, ...] = ()
    look: int = 0
    look_rows: int = 0
    seconds: float = field(default=0.0, compare=False)

    @property
    def reason(self) -> str:
        return "; ".join(self.reasons)

    def measurement(self, name: str) -> Measurement | None:
        return next((m for m in self.measurements if m.name == name), None)

    def to_json(self) -> dict[str, Any]:
        return {
            "phase": str(self.phase),
            "reasons": list(self.reasons),
            "measurements": [m.to_json() for m in self.measurements],
            "look": self.look,
            "look_rows": self.look_rows,
            "seconds": round(self.seconds, 3),
        }

    @classmethod
    def from_json(cls, document: Mapping[str, Any]) -> Analysis:
        return cls(
            Phase(document["phase"]),
            tuple(document["reasons"]),
            tuple(Measurement.from_json(m) for m in document["measurements"]),
            document["look"],
            document["look_rows"],
            document["seconds"],
        )


def analyse(
    stable: Sample,
    candidate: Sample,
    rule: AnalysisRule,
    *,
    seconds: float = 0.0,
    before: Analysis | None = None,
    positive: Any = None,
) -> Analysis:
    """What the samples say after ``seconds`` of a step; ``before`` is the analysis at the tick before, which knows the looks taken;
    ``positive`` the label of the positive class (see :func:`modelyard.monitoring.quality.measure`).

    Pure. Called at every tick, with samples that only grow; see :mod:`modelyard.deployments.measures` for the statistics of each measurement.
    """
    from modelyard.deployments import measures

    late = seconds >= rule.timeout_seconds
    look, look_rows = (before.look, before.look_rows) if before else (0, 0)
    found = [measures.errors(stable, candidate, rule), measures.latency(stable, candidate, rule)]
    if rule.metric == "none":
        found.append(measures.rows(stable, candidate, rule))
    else:
        rows = min(stable.labelled, candidate.labelled)
        earlier = before.measurement(rule.metric) if before else None
        decided = earlier is not None and earlier.phase in (Phase.SUCCESSFUL, Phase.FAILED)
        due = rows >= max(rule.min_rows, GROWTH * look_rows) or (late and rows > look_rows and rows >= rule.min_rows)
        if due and not decided and look < rule.max_looks:
            measured = measures.quality(stable, candidate, rule, positive)
            if measured.phase is not Phase.PENDING:  # what cannot be measured yet was not looked at
                look, look_rows = look + 1, rows
            found.append(measured)
        else:
            found.append(_waiting(earlier, stable, candidate, rule, look, look_rows))
    if rule.shift_limit is not None:
        found.append(measures.shift(stable, candidate, rule.shift_limit, rule))
    used_up = late or (rule.metric != "none" and look >= rule.max_looks)
    phase, reasons = _together(found, late=used_up, timeout=rule.timeout_seconds if late else None, looks=look)
    return Analysis(phase, reasons, tuple(found), look, look_rows, seconds)


def _waiting(
    earlier: Measurement | None, stable: Sample, candidate: Sample, rule: AnalysisRule, look: int, look_rows: int
) -> Measurement:
    """Between two looks the last one stands: looking again at nearly the same rows is how noise becomes a finding."""
    usual, ours = stable.labelled, candidate.labelled
    if earlier is not None and (look or earlier.phase is not Phase.PENDING):
        if earlier.phase is Phase.RUNNING and look < rule.max_looks:
            needed = int(-(-GROWTH * look_rows // 1))
            words = earlier.reason.partition("; next look")[0]
            told = f"{words}; next look at {needed} labelled rows"
            return replace(earlier, reason=told, stable_count=usual, candidate_count=ours)
        return replace(earlier, stable_count=usual, candidate_count=ours)
    words = (
        f"{ours} labelled rows of the candidate and {usual} of the stable version so far, "
        f"{rule.min_rows} of each are needed to compare {rule.metric}"
    )
    return Measurement(rule.metric, Phase.PENDING, words, limit=-rule.margin, stable_count=usual, candidate_count=ours)


def _together(
    found: Sequence[Measurement], *, late: bool, timeout: float | None, looks: int
) -> tuple[Phase, tuple[str, ...]]:
    """The worst measurement decides; only when all are successful is the whole."""
    by_phase: dict[Phase, list[str]] = {}
    for measurement in found:
        by_phase.setdefault(measurement.phase, []).append(measurement.reason)
    if Phase.FAILED in by_phase:
        return Phase.FAILED, tuple(by_phase[Phase.FAILED])
    if set(by_phase) == {Phase.SUCCESSFUL}:
        told = [m.reason for m in found if m.name not in GUARDS]
        return Phase.SUCCESSFUL, (
            *told,
            f"{' and '.join(m.name for m in found if m.name in GUARDS)} within their limits",
        )
    unsure = [m for m in found if m.phase is not Phase.SUCCESSFUL]
    reasons = tuple(m.reason for m in unsure)
    # What waits for more requests goes on after the last look; the quality itself can only change by a look.
    if late and (timeout is not None or any(m.name not in GUARDS for m in unsure)):
        why = f"not certain after {timeout:g} s" if timeout is not None else f"not certain after {looks} looks"
        return Phase.INCONCLUSIVE, (why, *reasons)
    for phase in (Phase.ERROR, Phase.PENDING, Phase.RUNNING):
        if phase in by_phase:
            return phase, reasons
    raise AssertionError(f"no measurement decides in {sorted(by_phase)}")
