"""Doubles for the tests of the serving room: a recorder in memory, and versions that need no library."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from modelyard.profiles.signature import Field, Signature
from modelyard.serving.engine import Served
from modelyard.serving.records import LabelRecord, PredictionRecord

SIGNATURE = Signature((Field("distance", "number"), Field("carrier", "string")), (Field("prediction", "number"),))


@dataclass
class Memory:
    """A recorder that keeps records in lists, and takes no label when it is full."""

    predictions: list[PredictionRecord] = field(default_factory=list)
    label_records: list[LabelRecord] = field(default_factory=list)
    full: bool = False
    closed: int = 0

    def prediction(self, record: PredictionRecord) -> bool:
        self.predictions.append(record)
        return True

    def labels(self, record: LabelRecord) -> bool:
        if not self.full:
            self.label_records.append(record)
        return not self.full

    def close(self) -> None:
        self.closed += 1


def served(
    number: int, predict: Callable[[Any], Any] | None = None, *, name: str = "flights", signature: Any = SIGNATURE
) -> Served:
    """A version that answers its own number plus the distance, unless told otherwise."""

    def adds(columns: Any) -> dict[str, Any]:
        return {"prediction": np.asarray(columns["distance"], dtype=np.float64) + 1000 * number}

    return Served(name, number, f"sha256:{number:064x}", signature, predict or adds)
