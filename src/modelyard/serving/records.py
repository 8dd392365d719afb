"""What the traffic log remembers: one record a request and version, one a batch of labels. Standard library only."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from math import isfinite
from typing import Any, Protocol

from modelyard.core.clock import to_text
from modelyard.serving.routes import Role

Label = float | int | str | bool

EARLIEST = datetime(1970, 1, 1, tzinfo=UTC)
LATEST = datetime(2200, 1, 1, tzinfo=UTC)
"""Live traffic speaks of times from ``EARLIEST`` on and before ``LATEST``; anything else is a slip of the pen."""


def is_label(value: Any) -> bool:
    """Whether a value can be a label: text, true, false, or a number that is finite as ``float64``."""
    try:
        return isinstance(value, str | bool) or (isinstance(value, int | float) and isfinite(value))
    except OverflowError:
        return False


def plausible(when: datetime) -> bool:
    """Whether an instant is one that traffic can speak of, and so one that windows can be cut around."""
    return EARLIEST <= when < LATEST


@dataclass(frozen=True, slots=True)
class PredictionRecord:
    """What one version answered to one request.

    ``inputs`` and ``outputs`` are columns with one value for each of ``ids``; ``outputs`` is empty where ``status`` is 400 or more.
    ``time`` is the arrival, ``event_time`` the moment that the request speaks of (a replay says its own). A request
    on which the canary failed leaves two records: the failure under ``canary``, the answer under ``stable``.
    """

    request: str
    ids: tuple[str, ...]
    time: datetime
    event_time: datetime
    deployment: str
    replica: str
    version: int
    role: Role
    inputs: dict[str, list[Any]]
    outputs: dict[str, list[Any]]
    latency_ms: float
    status: int
    error: str | None = None

    def to_json(self) -> dict[str, Any]:
        return {
            "request": self.request,
            "ids": list(self.ids),
            "time": to_text(self.time),
            "event_time": to_text(self.event_time),
            "deployment": self.deployment,
            "replica": self.replica,
            "version": self.version,
            "role": self.role,
            "inputs": self.inputs,
            "outputs": self.outputs,
            "latency_ms": round(self.latency_ms, 3),
            "status": self.status,
            "error": self.error,
        }

    @classmethod
    def from_json(cls, document: Mapping[str, Any]) -> PredictionRecord:
        """The inverse of :meth:`to_json`; raises ``KeyError``, ``TypeError`` or ``ValueError`` on anything else."""
        return cls(
            request=str(document["request"]),
            ids=tuple(document["ids"]),
            time=_instant(document["time"]),
            event_time=_instant(document["event_time"]),
            deployment=str(document["deployment"]),
            replica=str(document["replica"]),
            version=int(document["version"]),
            role="canary" if document["role"] == "canary" else "stable",
            inputs=dict(document["inputs"]),
            outputs=dict(document["outputs"]),
            latency_ms=float(document["latency_ms"]),
            status=int(document["status"]),
            error=document["error"],
        )


@dataclass(frozen=True, slots=True)
class LabelRecord:
    """What turned out to be true: one value for each of ``ids``, which are those of the predictions."""

    time: datetime
    ids: tuple[str, ...]
    values: tuple[Label, ...]

    def to_json(self) -> dict[str, Any]:
        return {"time": to_text(self.time), "ids": list(self.ids), "values": list(self.values)}

    @classmethod
    def from_json(cls, document: Mapping[str, Any]) -> LabelRecord:
        """The inverse of :meth:`to_json`; raises ``KeyError``, ``TypeError`` or ``ValueError`` on anything else."""
        return cls(_instant(document["time"]), tuple(document["ids"]), tuple(document["values"]))


def _instant(text: str) -> datetime:
    return datetime.fromisoformat(text).astimezone(UTC)


class Recorder(Protocol):
    """Whoever keeps records. Called on the event loop for every request: must return at once and must never raise."""

    def prediction(self, record: PredictionRecord) -> bool:
        """Whether the record was taken; ``False`` when there is no room for it."""
        ...

    def labels(self, record: LabelRecord) -> bool:
        """Whether the record was taken; ``False`` when there is no room for it."""
        ...

    def close(self) -> None:
        """Keeps what was taken, then lets go; called once or more, from any thread."""
        ...
