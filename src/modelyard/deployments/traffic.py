"""The traffic of one window, sorted into what each version did; fed from the traffic log, bit by bit."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from modelyard.deployments.analysis import Sample
from modelyard.serving.records import LabelRecord, PredictionRecord, is_label
from modelyard.serving.traffic_log import Cursor, TrafficLog

EARLY_LABELS = 200_000
"""Labels that are kept although their prediction has not been seen; the oldest go first."""

NUMBERS = ("probability", "prediction")
"""The outputs that can be compared as numbers, the first that a model gives."""


@dataclass
class _Side:
    """What one version did. Rows are found again by id; the last label of an id is the one that counts."""

    requests: int = 0
    errors: int = 0
    rows: int = 0
    latencies_ms: list[float] = field(default_factory=list)
    predictions: list[float] = field(default_factory=list)
    waiting: dict[str, dict[str, Any]] = field(default_factory=dict)
    place: dict[str, int] = field(default_factory=dict)
    outputs: dict[str, list[Any]] = field(default_factory=dict)
    truth: list[Any] = field(default_factory=list)

    def predicted(self, record: PredictionRecord) -> Iterable[str]:
        """Takes a record; gives the ids that now wait for their label."""
        self.requests += 1
        if record.status >= 400:  # whatever is logged with such a status is the version's own failure
            self.errors += 1
            return ()
        self.latencies_ms.append(record.latency_ms)
        self.rows += len(record.ids)
        number = next((record.outputs[name] for name in NUMBERS if name in record.outputs), ())
        self.predictions.extend(float(v) if _is_number(v) else float("nan") for v in number)
        for i, identity in enumerate(record.ids):
            if identity not in self.place:
                self.waiting[identity] = {
                    name: values[i] if i < len(values) else None for name, values in record.outputs.items()
                }
        return record.ids

    def label(self, identity: str, value: Any) -> bool:
        """Whether a row of this side has the id."""
        if identity in self.place:
            self.truth[self.place[identity]] = value
            return True
        row = self.waiting.pop(identity, None)
        if row is None:
            return False
        self.place[identity] = len(self.truth)
        self.truth.append(value)
        for name in row:
            self.outputs.setdefault(name, []).append(row[name])
        return True

    def sample(self) -> Sample:
        return Sample(
            self.requests, self.errors, self.rows, self.latencies_ms, self.predictions, self.outputs, self.truth
        )


class Window:
    """The requests that came since ``start``, and the labels that came for them whenever they came."""

    def __init__(self, stable: int | None, candidate: int, start: datetime) -> None:
        self.start = start
        self._key = {("stable", stable): "stable", ("canary", candidate): "candidate"}
        self._sides = {"stable": _Side(), "candidate": _Side()}
        self._early: dict[str, Any] = {}

    def feed(self, records: Iterable[PredictionRecord | LabelRecord]) -> None:
        """Takes records in any order; those of other versions or of before the window are passed over."""
        for record in records:
            if isinstance(record, PredictionRecord):
                self._predicted(record)
            else:
                for identity, value in zip(record.ids, record.values, strict=False):
                    self._labelled(identity, value)

    @property
    def stable(self) -> Sample:
        return self._sides["stable"].sample()

    @property
    def candidate(self) -> Sample:
        return self._sides["candidate"].sample()

    def _predicted(self, record: PredictionRecord) -> None:
        name = self._key.get((record.role, record.version))
        if name is None or record.time < self.start:
            return
        side = self._sides[name]
        for identity in side.predicted(record):
            if identity in self._early:
                side.label(identity, self._early[identity])

    def _labelled(self, identity: str, value: Any) -> None:
        if not is_label(value):
            return
        found = [side.label(identity, value) for side in self._sides.values()]
        if not any(found):
            self._early[identity] = value
            if len(self._early) > EARLY_LABELS:
                del self._early[next(iter(self._early))]


class WindowReader:
    """Keeps the window of the present step up to date from the log; begins again when the step does."""

    def __init__(self, log: TrafficLog) -> None:
        self._log = log
        self._key: tuple[object, ...] | None = None
        self._window: Window | None = None
        self._cursor: Cursor = {}

    def window(self, rollout: int, stable: int | None, candidate: int, start: datetime) -> Window:
        """The window of a step, with all that has been logged until now."""
        if self._window is None or self._key != (rollout, start):
            if self._key is None or self._key[0] != rollout:
                self._cursor = _from(self._log, start)
            self._key, self._window = (rollout, start), Window(stable, candidate, start)
        records, self._cursor = self._log.read(self._cursor)
        self._window.feed(records)
        return self._window

    def close(self) -> None:
        """Lets the memory go; the next window is read from the log again."""
        self._key, self._window, self._cursor = None, None, {}


def _is_number(value: Any) -> bool:
    return not isinstance(value, str) and is_label(value)


def _from(log: TrafficLog, start: datetime) -> Cursor:
    """A cursor past the files that were last written before ``start``, and so cannot hold anything of the window."""
    cursor: Cursor = {}
    for segment in log.segments():
        try:
            stat = segment.path.stat()
        except FileNotFoundError:  # removed by whoever keeps the folder small
            continue
        if stat.st_mtime < start.timestamp() - 5:
            cursor[segment.path.name] = stat.st_size
    return cursor
