"""Who delivers to a webhook: one process at a time, for as long as its lease runs.

The time of a lease is that of whoever takes it, so machines that deliver for one yard need clocks that agree to some seconds. Where they do not, or where a
process was stopped for longer than its lease, a delivery may be made twice; it is never lost.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, Row, or_, select, update

from modelyard.core.clock import to_micros
from modelyard.events.webhook import ACTIVE
from modelyard.registry import Transaction
from modelyard.registry.schema import webhooks

SECONDS = 60.0
"""Longer than an attempt can take; so long nobody delivers after a process was killed."""
LEAST_SECONDS = 40.0
"""With less than this left, the lease is renewed before the next attempt."""


def locked(tx: Transaction, webhook_id: str) -> Row[Any] | None:
    """The row of a webhook, which nobody else changes until the transaction ends, nor its deliveries; None when it is gone."""
    return tx.execute(select(webhooks).where(webhooks.c.id == webhook_id).with_for_update()).first()


def take(tx: Transaction, webhook_id: str, holder: str) -> datetime | None:
    """Until when ``holder`` may deliver; None while another may, or when the webhook is paused or gone."""
    now = tx.now()
    until = now + timedelta(seconds=SECONDS)
    mine_or_free = or_(webhooks.c.lease_holder == holder, free(now))
    change = update(webhooks).where(webhooks.c.id == webhook_id, webhooks.c.state == ACTIVE, mine_or_free)
    taken = tx.execute(change.values(lease_holder=holder, lease_until=to_micros(until))).rowcount
    return until if taken == 1 else None


def release(tx: Transaction, webhook_id: str, holder: str) -> None:
    """Lets the next one deliver at once; nothing when the lease is another's."""
    mine = (webhooks.c.id == webhook_id, webhooks.c.lease_holder == holder)
    tx.execute(update(webhooks).where(*mine).values(lease_holder=None, lease_until=None))


def free(now: datetime) -> ColumnElement[bool]:
    """Whether nobody delivers to a webhook at an instant."""
    longest = to_micros(now + timedelta(seconds=SECONDS))
    return or_(
        webhooks.c.lease_holder.is_(None),
        webhooks.c.lease_until <= to_micros(now),
        webhooks.c.lease_until > longest,  # taken when a clock was far ahead
    )
