"""A webhook that has a long way to catch up."""

from __future__ import annotations

import threading
import tracemalloc
from typing import Any

import pytest
from sqlalchemy import insert, update
from webhook_doubles import TAKEN, URL, Remembering, deliverer, hooks

from modelyard import Workspace
from modelyard.events import Answer
from modelyard.registry import schema

ROWS = 100_000


def _long_ledger(ws: Workspace, count: int, evidence: Any = None) -> None:
    """So many rows at once; their hashes are left out, which nobody looks at here."""
    first = ws.history(limit=1)[0].sequence + 1
    with ws.registry.begin() as tx:
        for start in range(first, first + count, 10_000):
            rows = [
                {
                    "sequence": sequence,
                    "time": sequence,
                    "happened": sequence,
                    "actor": "ana",
                    "action": "version.register",
                    "workspace": "default",
                    "kind": "model",
                    "name": "m",
                    "subject": f"m{sequence % 1000}/1",
                    "reason": "",
                    "evidence": evidence,
                    "previous": "",
                    "hash": "",
                }
                for sequence in range(start, start + 10_000)
            ]
            tx.connection.execute(insert(schema.ledger), rows)
        tx.execute(update(schema.heads).values(sequence=first + count - 1))


@pytest.mark.slow
def test_a_backlog_of_a_hundred_thousand_rows_is_put_in_line_and_sent_in_order(any_ws: Workspace) -> None:
    stop = threading.Event()
    sender = Remembering()
    found = hooks(any_ws, sender)
    found.add("chat", URL, filter="kind = 'model'")
    _long_ledger(any_ws, ROWS)

    def first_hundred(_document: object) -> Answer:
        if len(sender.got) >= 100:
            stop.set()
        return TAKEN

    sender.answer = first_hundred
    report = deliverer(any_ws, sender).once(stop=stop)
    assert (report.enqueued, report.delivered) == (ROWS, 100)
    assert sender.sequences() == list(range(2, 102))
    assert found.get("chat").waiting == ROWS - 100


def test_a_long_way_takes_little_memory(any_ws: Workspace) -> None:
    sender = Remembering()
    any_ws.webhooks.add("chat", URL)
    _long_ledger(any_ws, 10_000, evidence={"text": "x" * 4000})
    tracemalloc.start()
    try:
        read = sum(1 for _ in any_ws.watch(after="start", timeout=0))
        _, peak_of_watching = tracemalloc.get_traced_memory()
        tracemalloc.reset_peak()
        stop = threading.Event()
        sender.answer = lambda _: stop.set() or TAKEN
        deliverer(any_ws, sender).once(stop=stop)
        _, peak_of_delivering = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert read == 10_001
    assert len(sender.got) == 1
    assert peak_of_watching < 15_000_000, "of 40 MB"
    assert peak_of_delivering < 5_000_000
