"""What came of delivering: attempt by attempt, and in numbers."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from datetime import datetime
from typing import Any

from modelyard.core.clock import to_text
from modelyard.events.sender import Answer


@dataclass(frozen=True)
class Attempt:
    """One attempt: ``outcome`` is ``delivered``, ``again`` (at ``next_time``), ``failed`` (no more of it) or ``paused`` (the receiver wants nothing more)."""

    webhook: str
    sequence: int | None
    subject: str
    outcome: str
    answer: Answer
    next_time: datetime | None = None

    def to_json(self) -> dict[str, Any]:
        told = asdict(self.answer)
        del told["asked"]
        again = None if self.next_time is None else to_text(self.next_time)
        return {**vars(self), "answer": told, "next_time": again}


Show = Callable[[Attempt], None]
"""Called with each attempt when it is noted; one call at a time."""


@dataclass
class Report:
    """``enqueued`` ledger rows were put in line; attempts ended ``delivered``, ``again`` or ``failed``; ``dropped`` old deliveries were forgotten.

    ``busy`` webhooks are those that another process delivers for, ``paused`` those that were left alone.
    """

    enqueued: int = 0
    delivered: int = 0
    again: int = 0
    failed: int = 0
    dropped: int = 0
    busy: set[str] = field(default_factory=set)
    paused: set[str] = field(default_factory=set)

    def count(self, attempt: Attempt) -> None:
        """Adds an attempt."""
        if attempt.outcome == "paused":
            self.paused.add(attempt.webhook)
        else:
            setattr(self, attempt.outcome, getattr(self, attempt.outcome) + 1)

    def add(self, other: Report) -> None:
        """Adds what another one counted."""
        for name in ("enqueued", "delivered", "again", "failed", "dropped"):
            setattr(self, name, getattr(self, name) + getattr(other, name))
        self.busy |= other.busy
        self.paused |= other.paused

    def to_json(self) -> dict[str, Any]:
        return {**vars(self), "busy": sorted(self.busy), "paused": sorted(self.paused)}
