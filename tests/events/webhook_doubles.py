"""A clock that is set, and a sender that only remembers."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from modelyard import Workspace, verify_webhook
from modelyard.client.webhooks import Webhooks
from modelyard.events import Answer
from modelyard.events.deliverer import Deliverer

TAKEN = Answer(200)
DOWN = Answer(503, "it answered 503")
URL = "https://hooks.example.com/services/T000/secret"


class SetClock:
    """Stands still until it is moved."""

    def __init__(self) -> None:
        self.time = datetime(2026, 3, 1, 12, tzinfo=UTC)

    def now(self) -> datetime:
        return self.time

    def sleep(self, seconds: float) -> None:
        self.move(seconds)

    def move(self, seconds: float) -> None:
        self.time += timedelta(seconds=seconds)


class Remembering:
    """Answers what ``answer`` says for a document; ``got`` has those that were sent, ``messages`` all of each."""

    def __init__(self, answer: Callable[[Any], Answer] = lambda _document: TAKEN) -> None:
        self.answer = answer
        self.messages: list[tuple[str, Mapping[str, str], bytes]] = []
        self.got: list[Any] = []
        self.taken: list[Any] = []

    def send(self, url: str, headers: Mapping[str, str], body: bytes) -> Answer:
        document = json.loads(body)
        self.messages.append((url, headers, body))
        self.got.append(document)
        answer = self.answer(document)
        if answer.taken:
            self.taken.append(document)
        return answer

    def sequences(self) -> list[int]:
        return [document["sequence"] for document in self.got]

    def genuine(self, secret: str, now: datetime) -> bool:
        return all(verify_webhook(secret, headers, body, now=now.timestamp()) for _, headers, body in self.messages)


def hooks(ws: Workspace, sender: Remembering) -> Webhooks:
    return Webhooks(ws, sender)


def deliverer(ws: Workspace, sender: Remembering) -> Deliverer:
    """Another process that delivers."""
    return Deliverer(ws.registry, ws.yard_id, sender=sender, uniform=lambda: 0.5)


def write(ws: Workspace, *subjects: str, action: str = "test.write") -> None:
    """A ledger row for each subject."""
    with ws.registry.begin() as tx:
        for subject in subjects:
            tx.record(action, kind="model", name=subject.split("@")[0], subject=subject)
