"""What is worth an alert: each rule turns one measured window into verdicts. Pure; unknown is never bad."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

from modelyard.core.errors import InvalidInput
from modelyard.monitoring.alerts import Verdict
from modelyard.monitoring.quality import LOWER_IS_BETTER, METRICS
from modelyard.monitoring.windows import Window

Stage = str  # "traffic": judged when the window closes; "quality": when the labels have had their time


@dataclass(frozen=True, slots=True)
class DriftAlert:
    """Drift of each feature (of ``features``, or all); with ``share``, of that share of them at once."""

    features: tuple[str, ...] | None = None
    share: float | None = None
    for_windows: int = 1
    rollback: bool = False
    stage: ClassVar[Stage] = "traffic"

    @property
    def name(self) -> str:
        return "drift" if self.share is None else "drift share"

    def verdicts(self, window: Window, registered: Mapping[str, float]) -> list[Verdict]:
        scores = [s for s in window.drift if self.features is None or s.feature in self.features]
        if self.share is None:
            return [Verdict(s.feature, s.value, s.threshold, s.drifted) for s in scores]
        known = [s for s in scores if s.drifted is not None]
        moved = sum(1 for s in known if s.drifted) / len(known) if known else None
        return [Verdict("features", moved, self.share, None if moved is None else moved >= self.share)]


@dataclass(frozen=True, slots=True)
class QualityAlert:
    """A metric on the wrong side of ``limit``, or worse by ``worse_by`` than the metric registered with the version.

    It must be so by ``sure`` standard errors (1.645 is 95 % on one side), on at least ``min_labelled`` rows.
    """

    metric: str
    limit: float | None = None
    worse_by: float | None = None
    sure: float = 1.645
    min_labelled: int = 100
    for_windows: int = 1
    rollback: bool = False
    stage: ClassVar[Stage] = "quality"

    def __post_init__(self) -> None:
        if self.metric not in METRICS:
            raise InvalidInput(
                message=f"metric {self.metric!r} is not measured live; use one of {', '.join(sorted(METRICS))}"
            )
        if (self.limit is None) == (self.worse_by is None):
            raise InvalidInput(message=f"an alert on {self.metric} needs either limit or worse_by")

    @property
    def name(self) -> str:
        return "quality" if self.limit is not None else "quality loss"

    def verdicts(self, window: Window, registered: Mapping[str, float]) -> list[Verdict]:
        sign = -1.0 if self.metric in LOWER_IS_BETTER else 1.0
        threshold = self.limit
        if self.worse_by is not None and self.metric in registered:
            threshold = registered[self.metric] - sign * self.worse_by
        found = window.quality.get(self.metric)
        value = found.value if found else None
        if found is None or threshold is None or found.standard_error is None or found.rows < self.min_labelled:
            return [Verdict(self.metric, value, threshold, None)]
        return [
            Verdict(self.metric, value, threshold, sign * (threshold - found.value) > self.sure * found.standard_error)
        ]


@dataclass(frozen=True, slots=True)
class ErrorAlert:
    """More than a share ``above`` of the requests failed, of at least ``min_requests``."""

    above: float = 0.05
    min_requests: int = 20
    for_windows: int = 1
    rollback: bool = False
    stage: ClassVar[Stage] = "traffic"

    @property
    def name(self) -> str:
        return "errors"

    def verdicts(self, window: Window, registered: Mapping[str, float]) -> list[Verdict]:
        rate = window.error_rate
        known = rate is not None and window.requests >= self.min_requests
        return [Verdict("error rate", rate, self.above, rate > self.above if known and rate is not None else None)]


Rule = DriftAlert | QualityAlert | ErrorAlert
