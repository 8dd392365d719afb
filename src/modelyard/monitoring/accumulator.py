"""The windows that are still open: records go in, in any portions; tallies and label pairs come out."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable
from datetime import datetime, timedelta
from typing import Any

from modelyard.monitoring.labels import LabelJoin
from modelyard.monitoring.windows import Cut, Tally
from modelyard.profiles.profile import Profile
from modelyard.serving.records import LabelRecord, PredictionRecord, is_label, plausible

Key = tuple[int, datetime]
"""Version and start of a window."""

OUTPUTS = ("label", "probability", "prediction")  # what quality is measured from

_SKEW = timedelta(days=1)
_TICK = timedelta(microseconds=1)


class WindowAccumulator:
    """Cuts records into windows by event time, counts them, and joins labels.

    ``reference`` gives the profile whose bins a version is counted into, or ``None``. A window of time closes when an
    event at or after its end (and ``lateness``) was seen, of any version; a window of rows when it is full. An event
    time more than a day ahead of its arrival closes nothing: one request with a wrong year must not end all windows.
    Records of a window that was dropped are counted in ``late`` and otherwise ignored; what nothing can be made of, such
    as an event time of the year 9999, in ``skipped``: whatever is in the log, the rest of it is measured.

    Windows of time do not depend on the order or the portions of the records. Windows of rows follow the order of arrival.
    """

    def __init__(
        self,
        cut: Cut,
        reference: Callable[[int], Profile | None],
        lateness: timedelta = timedelta(0),
        join: LabelJoin | None = None,
    ) -> None:
        self.cut = cut
        self.lateness = lateness
        self.join = join or LabelJoin()
        self.windows: dict[Key, Tally] = {}
        self.dirty: set[Key] = set()
        self.watermark: datetime | None = None
        self.late = 0
        self.skipped = 0
        self._reference = reference
        self._dropped: dict[int, datetime] = {}
        self._filling: dict[int, Key] = {}  # windows of rows: the open one of each version
        self._started: dict[int, datetime] = {}  # the start of the newest one
        self._filled: defaultdict[Key, int] = defaultdict(int)
        self._ends: dict[Key, datetime] = {}

    def add(self, records: Iterable[PredictionRecord | LabelRecord]) -> None:
        """Takes records; those of predictions should come about in the order of arrival."""
        portions: defaultdict[Key, list[PredictionRecord]] = defaultdict(list)
        changed: set[Any] = set()
        for record in records:
            if isinstance(record, LabelRecord):
                for identity, value in zip(record.ids, record.values, strict=False):
                    if is_label(value):
                        changed |= self.join.label(identity, record.time, value)
                    else:
                        self.skipped += 1
                continue
            if not (plausible(record.time) and plausible(record.event_time)):
                self.skipped += 1
                continue
            key = self._key(record)
            if key is None:
                self.late += 1
                continue
            portions[key].append(record)
            if record.event_time <= record.time + _SKEW:
                self.watermark = max(self.watermark or record.event_time, record.event_time)
            if record.status < 400:
                outputs = [record.outputs.get(name) for name in OUTPUTS]
                for i, identity in enumerate(record.ids):
                    row = tuple(column[i] if column is not None and i < len(column) else None for column in outputs)
                    changed |= self.join.predict(identity, record.version, record.time, key, row)
        for key, portion in portions.items():
            self.windows[key] = self.windows.get(key, Tally()) + Tally.of(portion, self._reference(key[0]))
        self.dirty |= set(portions) | {key for key in changed if key in self.windows}

    def _key(self, record: PredictionRecord) -> Key | None:
        version, when = record.version, record.event_time
        if not self.cut.rows:
            floor = self._dropped.get(version)
            start = self.cut.start(when)
            return None if floor is not None and start <= floor else (version, start)
        key = self._filling.get(version)
        if key is None:
            before = self._started.get(version)
            start = when if before is None else max(when, before + _TICK)  # a start belongs to one window
            key = (version, start)
            self._filling[version], self._started[version] = key, start
        self._filled[key] += len(record.ids) if record.status < 400 else 0
        self._ends[key] = max(self._ends.get(key, key[1]), when)
        if self._filled[key] >= self.cut.rows:
            del self._filling[version], self._filled[key]
        return key

    def end(self, key: Key) -> datetime:
        """The end of a window: for windows of rows, just after the latest event in it."""
        return self._ends[key] + _TICK if self.cut.rows else self.cut.end(key[1])

    def closed(self, finish: bool = False) -> list[Key]:
        """The windows that are complete, in the order of their ends; with ``finish`` all of them."""
        if self.watermark is None:
            return []
        open_ones = set(self._filling.values())
        keys = [
            key
            for key in self.windows
            if finish or (key not in open_ones if self.cut.rows else self.end(key) + self.lateness <= self.watermark)
        ]
        return sorted(keys, key=lambda key: (self.end(key), key[1], key[0]))

    def labelled_outputs(self, key: Key) -> tuple[dict[str, list[Any]], list[Any]]:
        """The outputs of the labelled rows of a window as columns, and what turned out to be true."""
        pairs = self.join.pairs(key)
        columns = {name: [row[i] for row, _ in pairs] for i, name in enumerate(OUTPUTS)}
        return {n: c for n, c in columns.items() if any(v is not None for v in c)}, [truth for _, truth in pairs]

    def drop(self, key: Key) -> None:
        """Forgets a window; records that still come for it or for one before it are late."""
        version, start = key
        self.windows.pop(key, None)
        self.dirty.discard(key)
        self._ends.pop(key, None)
        self.join.forget(key)
        self._dropped[version] = max(self._dropped.get(version, start), start)
