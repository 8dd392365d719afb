"""What a webhook sends: a ledger row as a JSON document, and the headers that go with it."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any
from uuid import uuid4

from modelyard.core.webhook_signature import signed_headers
from modelyard.registry import LedgerRow

PING = "webhook.ping"


@dataclass(frozen=True)
class Message:
    """A body and the identity of what it says, which is the same at each attempt."""

    identity: str
    body: bytes

    def headers(self, secret: str, timestamp: int) -> dict[str, str]:
        """The headers of an attempt that is made now, in seconds since 1970."""
        signed = signed_headers(secret, self.identity, timestamp, self.body)
        return {"Content-Type": "application/json", "User-Agent": "modelyard", **signed}


def of_row(yard_id: str, webhook_id: str, row: LedgerRow) -> Message:
    """The message of a row: ``type`` is its action, ``id`` is that of the header ``webhook-id``."""
    told = row.to_json()
    for inner in ("previous", "hash"):  # of the chain: for who has the ledger
        del told[inner]
    return _message(f"{yard_id}_{webhook_id}_{row.sequence}", yard_id, told.pop("action"), told)


def ping(yard_id: str, webhook_id: str, workspace: str, name: str, actor: str, time: str) -> Message:
    """A message that says nothing has changed."""
    told = {"time": time, "workspace": workspace, "actor": actor, "kind": "webhook", "name": name, "subject": name}
    empty = {"sequence": None, "before": None, "after": None, "reason": "", "evidence": None}
    return _message(f"{yard_id}_{webhook_id}_ping-{uuid4().hex}", yard_id, PING, {**told, **empty})


def _message(identity: str, yard_id: str, kind: str, told: dict[str, Any]) -> Message:
    # ASCII, so that no receiver can read it in another encoding; in order, so that it is the same bytes at each attempt.
    document = {"id": identity, "type": kind, "yard": yard_id, **told}
    return Message(identity, json.dumps(document, separators=(",", ":")).encode("ascii"))
