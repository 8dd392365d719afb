"""Live traffic in windows of event time, one a version; what replicas measured apart is added up."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from modelyard.core.clock import to_text
from modelyard.core.errors import InvalidInput
from modelyard.monitoring.drift import DriftScore
from modelyard.monitoring.latency import Latencies
from modelyard.monitoring.quality import Measured
from modelyard.profiles.profile import Profile
from modelyard.serving.records import PredictionRecord

_LENGTHS = {"hour": timedelta(hours=1), "day": timedelta(days=1), "week": timedelta(days=7)}


@dataclass(frozen=True, slots=True)
class Cut:
    """How traffic is cut: ``hour``, ``day``, ``week`` (from Monday), ``month``, all in UTC, or ``rows:N``.

    >>> Cut.parse("month").end(datetime.fromisoformat("2026-12-01T00:00Z")).isoformat()
    '2027-01-01T00:00:00+00:00'
    """

    unit: str
    rows: int = 0

    @classmethod
    def parse(cls, text: str) -> Cut:
        """Raises :class:`InvalidInput`; ``str(Cut.parse(text)) == text``."""
        if text in (*_LENGTHS, "month"):
            return cls(text)
        if isinstance(text, str) and (match := re.fullmatch(r"rows:([1-9]\d{0,8})", text)):
            return cls("rows", int(match[1]))
        raise InvalidInput(message=f"a window of {text!r} is unknown; use hour, day, week, month, or rows:1000")

    def __str__(self) -> str:
        return f"rows:{self.rows}" if self.rows else self.unit

    def start(self, when: datetime) -> datetime:
        """The start of the window that holds an aware instant in UTC; of windows of time only."""
        day = when.replace(hour=0, minute=0, second=0, microsecond=0)
        match self.unit:
            case "hour":
                return when.replace(minute=0, second=0, microsecond=0)
            case "week":
                return day - timedelta(days=day.weekday())
            case "month":
                return day.replace(day=1)
        return day

    def end(self, start: datetime) -> datetime:
        """The first instant that is no longer in the window that begins at ``start``."""
        if self.unit == "month":
            return start.replace(year=start.year + start.month // 12, month=start.month % 12 + 1)
        return start + _LENGTHS[self.unit]


@dataclass(frozen=True)
class Tally:
    """What was seen in one window of one version; ``a + b`` is what two replicas saw together.

    ``rows`` are predicted rows. ``requests`` are the answered and the failed ones, ``stable_requests`` those of them under
    the role stable. A request counts as an error when the
    model failed on it (status 500 or more); refused ones (400 to 499) are the caller's and count nowhere else.
    """

    rows: int = 0
    requests: int = 0
    stable_requests: int = 0
    errors: int = 0
    refused: int = 0
    latencies: Latencies = field(default_factory=Latencies)
    profile: Profile | None = None

    @classmethod
    def of(cls, records: Sequence[PredictionRecord], reference: Profile | None) -> Tally:
        """The tally of records of one version, counted into the bins of its reference. A column of the reference is
        looked for in the inputs, then in the outputs."""
        good = [record for record in records if record.status < 400]
        lengths = [len(record.ids) for record in good]
        profile = None
        if reference is not None and any(lengths):
            columns: dict[str, list[Any]] = {}
            for name in reference.names:
                values: list[Any] = []
                columns[name] = values
                for record, rows in zip(good, lengths, strict=True):
                    found = record.inputs.get(name, record.outputs.get(name))
                    values.extend(found if found is not None and len(found) == rows else [None] * rows)
            profile = reference.count(columns)
        refused = sum(1 for record in records if 400 <= record.status < 500)
        return cls(
            rows=sum(lengths),
            requests=len(records) - refused,
            stable_requests=sum(1 for r in records if r.role == "stable" and not 400 <= r.status < 500),
            errors=sum(1 for record in records if record.status >= 500),
            refused=refused,
            latencies=Latencies(record.latency_ms for record in good),
            profile=profile,
        )

    def __add__(self, other: Tally) -> Tally:
        profiles = [t.profile for t in (self, other) if t.profile is not None]
        return Tally(
            self.rows + other.rows,
            self.requests + other.requests,
            self.stable_requests + other.stable_requests,
            self.errors + other.errors,
            self.refused + other.refused,
            self.latencies + other.latencies,
            profiles[0] + profiles[1] if len(profiles) == 2 else profiles[0] if profiles else None,
        )


@dataclass(frozen=True)
class Window:
    """One measured window. ``judged`` names the kinds of alert rules that have had their say on it; quality is judged
    later than the rest, since labels come late."""

    version: int
    start: datetime
    end: datetime
    rows: int
    labelled: int
    requests: int = 0
    stable_requests: int = 0
    errors: int = 0
    refused: int = 0
    latency_ms: Mapping[str, float | None] = field(default_factory=dict)
    drift: tuple[DriftScore, ...] = ()
    quality: Mapping[str, Measured] = field(default_factory=dict)
    means: Mapping[str, float] = field(default_factory=dict)
    judged: frozenset[str] = frozenset()

    @property
    def error_rate(self) -> float | None:
        return self.errors / self.requests if self.requests else None

    def results(self) -> dict[str, Any]:
        """All but the columns of its own that a table of windows has; JSON."""
        return {
            "requests": self.requests,
            "stable_requests": self.stable_requests,
            "errors": self.errors,
            "refused": self.refused,
            "latency_ms": dict(self.latency_ms),
            "drift": [score.to_json() for score in self.drift],
            "quality": {name: measured.to_json() for name, measured in self.quality.items()},
            "means": dict(self.means),
            "judged": sorted(self.judged),
        }

    def to_json(self) -> dict[str, Any]:
        return {
            "version": self.version,
            "start": to_text(self.start),
            "end": to_text(self.end),
            "rows": self.rows,
            "labelled": self.labelled,
            **self.results(),
        }

    @classmethod
    def from_results(
        cls, version: int, start: datetime, end: datetime, rows: int, labelled: int, results: Mapping[str, Any]
    ) -> Window:
        """The inverse of :meth:`results`."""
        return cls(
            version,
            start,
            end,
            rows,
            labelled,
            results["requests"],
            results["stable_requests"],
            results["errors"],
            results["refused"],
            dict(results["latency_ms"]),
            tuple(DriftScore(**score) for score in results["drift"]),
            {name: Measured.from_json(measured) for name, measured in results["quality"].items()},
            dict(results["means"]),
            frozenset(results["judged"]),
        )
