"""A webhook and its deliveries, as values.

A delivery is one ledger row on its way to one webhook::

    held ──────── its turn ─────────▶ pending ──── taken (2xx) ───▶ delivered
      ▲                                │  ▲  │                          │
      │                        refused │  │  └─ refused 12 times ─▶ failed
      │                                └──┘ later                       │
      └───────────────────────────── replay ◀──────────────────────────┘

Of each subject, the first row that is neither delivered nor failed is pending, and those after it are held: so rows of a subject arrive in
their order, and a receiver that refuses one of them holds back no other subject.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from modelyard.core.clock import to_text
from modelyard.core.names import WebhookName

ACTIVE, PAUSED = "active", "paused"
HELD, PENDING, DELIVERED, FAILED = "held", "pending", "delivered", "failed"
OPEN = (PENDING, HELD)
DONE = (DELIVERED, FAILED)
STATES = (*OPEN, *DONE)
KIND = "webhook"
"""Of its rows in the ledger."""


@dataclass(frozen=True)
class Webhook:
    """Somewhere that wants to hear of the ledger. ``secret`` is there only when the webhook was just made; ``origin`` is its URL as far as anyone may see it.

    ``cursor`` is the last ledger row that was looked at for it, ``behind`` how many there are after that; ``waiting`` and ``failed`` count its
    deliveries.
    """

    id: str
    name: WebhookName
    url: str
    origin: str
    filter: str
    state: str
    cursor: int
    behind: int
    waiting: int
    failed: int
    created_time: datetime
    created_by: str
    secret: str | None = None

    def __repr__(self) -> str:
        return f"Webhook({str(self.name)!r}, {self.origin!r}, {self.state!r})"

    def to_json(self) -> dict[str, Any]:
        found = {**vars(self), "created_time": to_text(self.created_time)}
        if self.secret is None:
            del found["secret"]
        return found


@dataclass(frozen=True)
class Delivery:
    """One ledger row on its way to a webhook. ``status`` and ``problem`` are those of the last attempt; ``next_time`` is when the next one may be made."""

    sequence: int
    subject: str
    state: str
    attempts: int
    next_time: datetime | None
    status: int | None
    problem: str
    delivered_time: datetime | None

    def to_json(self) -> dict[str, Any]:
        times = {name: getattr(self, name) for name in ("next_time", "delivered_time")}
        return {**vars(self), **{name: None if when is None else to_text(when) for name, when in times.items()}}
