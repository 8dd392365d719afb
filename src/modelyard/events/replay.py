"""Sending again what was sent, or was given up."""

from __future__ import annotations

from sqlalchemy import update

from modelyard.core.errors import CursorAhead, InvalidInput
from modelyard.core.names import WebhookName
from modelyard.events import queue, records
from modelyard.registry import Registry, ledger
from modelyard.registry.schema import webhooks


def replay(registry: Registry, name: WebhookName, from_sequence: int | None, *, failed: bool, reason: str) -> int:
    """See :meth:`modelyard.client.webhooks.Webhooks.replay`."""
    first = 1 if from_sequence is None else from_sequence
    if not isinstance(first, int) or isinstance(first, bool) or first < 1:
        raise InvalidInput(message=f"a replay begins at a ledger row, 1 or higher, not {first!r}")
    with registry.begin(alone=False) as tx:
        found = records.locked(tx, name)
        head, _ = ledger.head(tx.connection)
        if first > max(head, 1):
            raise CursorAhead(after=first - 1, head=head)
        if failed:
            count = 0
            while sequences := queue.replay_failed(tx, found.id, first):
                count, first = count + len(sequences), sequences[-1] + 1
        else:
            count = max(0, found.cursor - (first - 1))
            if count:
                tx.execute(update(webhooks).where(webhooks.c.id == found.id).values(cursor=first - 1))
        if count:
            after = {"from": from_sequence, "failed": failed, "count": count}
            records.record(tx, "webhook.replay", name, after=after, reason=reason)
    return count
