"""Late labels find their predictions by id: before or after them, twice (the last wins), or never.

Memory is bounded: at most ``limit`` predictions and ``limit`` labels wait. The oldest go first, and are counted: a
prediction that has gone can no longer be labelled, a label that has gone can no longer be found.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Hashable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

LIMIT = 500_000


@dataclass(frozen=True, slots=True)
class _Prediction:
    time: datetime
    slot: Hashable
    output: Any


class LabelJoin:
    """The pairs of output and truth, by slot: whatever the predictions are grouped by. Feeding order does not matter
    while times differ and nothing was evicted."""

    def __init__(self, limit: int = LIMIT) -> None:
        self.limit = limit
        self.evicted = 0
        self._predictions: OrderedDict[str, dict[int, _Prediction]] = OrderedDict()
        self._labels: OrderedDict[str, tuple[datetime, Any]] = OrderedDict()
        self._pairs: dict[Hashable, dict[str, tuple[Any, Any]]] = {}
        self._slots: dict[Hashable, set[str]] = {}  # the ids of the predictions that wait in each slot

    def predict(self, identity: str, version: int, time: datetime, slot: Hashable, output: Any) -> set[Hashable]:
        """Takes a prediction; returns the slots whose pairs changed. The last prediction of a version for one id is the
        one that counts."""
        changed: set[Hashable] = set()
        versions = self._predictions.setdefault(identity, {})
        before = versions.get(version)
        if before is not None:
            if before.time > time:
                return changed
            self._leave(before.slot, identity)
            if self._pairs.get(before.slot, {}).pop(identity, None) is not None:
                changed.add(before.slot)
        versions[version] = _Prediction(time, slot, output)
        self._slots.setdefault(slot, set()).add(identity)
        if len(self._predictions) > self.limit:
            oldest, gone = self._predictions.popitem(last=False)
            for prediction in gone.values():
                self._leave(prediction.slot, oldest)
            self.evicted += 1
        label = self._labels.get(identity)
        if label is not None:
            self._pairs.setdefault(slot, {})[identity] = (output, label[1])
            changed.add(slot)
        return changed

    def label(self, identity: str, time: datetime, value: Any) -> set[Hashable]:
        """Takes a label; returns the slots whose pairs changed."""
        before = self._labels.get(identity)
        if before is not None and before[0] > time:
            return set()
        self._labels[identity] = (time, value)
        self._labels.move_to_end(identity)
        if len(self._labels) > self.limit:
            self._labels.popitem(last=False)
            self.evicted += 1
        predictions = self._predictions.get(identity, {}).values()
        for prediction in predictions:
            self._pairs.setdefault(prediction.slot, {})[identity] = (prediction.output, value)
        return {prediction.slot for prediction in predictions}

    def pairs(self, slot: Hashable) -> list[tuple[Any, Any]]:
        """Output and truth of the labelled predictions of a slot, by id, so that the order of arrival leaves no trace."""
        found = self._pairs.get(slot, {})
        return [found[identity] for identity in sorted(found)]

    def labelled(self, slot: Hashable) -> int:
        return len(self._pairs.get(slot, ()))

    @property
    def waiting(self) -> int:
        """How many ids have a prediction that can be labelled."""
        return len(self._predictions)

    def forget(self, slot: Hashable) -> None:
        """Drops the pairs of a slot that nobody will ask for again, and its predictions: a label that comes now finds nothing."""
        self._pairs.pop(slot, None)
        for identity in self._slots.pop(slot, ()):
            versions = self._predictions[identity]
            for version in [v for v, prediction in versions.items() if prediction.slot == slot]:
                del versions[version]
            if not versions:
                del self._predictions[identity]

    def _leave(self, slot: Hashable, identity: str) -> None:
        identities = self._slots.get(slot, set())
        identities.discard(identity)
        if not identities:
            self._slots.pop(slot, None)
