"""The ledger: every change is one appended row, each carrying the hash of the row before, so that an edited or a removed row shows.

A chain proves that rows were not changed after a head was noted elsewhere; it cannot prove that somebody with write access did not
rewrite the whole of it. Order is the sequence number, never the clock.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, insert, select

from modelyard.core.clock import from_micros, to_micros, to_text
from modelyard.core.digests import canonical_json
from modelyard.core.errors import InvalidInput
from modelyard.registry.schema import ledger

GENESIS = "0" * 64


@dataclass(frozen=True)
class LedgerRow:
    """One change: who did what to which subject, when, why, and on what evidence."""

    sequence: int
    time: datetime
    actor: str
    action: str
    workspace: str
    kind: str
    name: str
    subject: str
    before: Any
    after: Any
    reason: str
    evidence: Any
    previous: str
    hash: str

    def to_json(self) -> dict[str, Any]:
        return {**vars(self), "time": to_text(self.time)}


def append(connection: Connection, when: datetime, **facts: Any) -> LedgerRow:
    """Adds a row at the head; the caller holds the write transaction, so sequences have no gaps and no twins."""
    head = connection.execute(
        select(ledger.c.sequence, ledger.c.hash, ledger.c.time).order_by(ledger.c.sequence.desc()).limit(1)
    ).first()
    # A clock that was set back must not make history run backwards: questions "as of" a time rely on it.
    time = max(to_micros(when), head.time if head else 0)
    row = {
        "sequence": head.sequence + 1 if head else 1,
        "time": time,
        "previous": head.hash if head else GENESIS,
        **{key: _plain(value) for key, value in facts.items()},
    }
    row["hash"] = _hash(row)
    connection.execute(insert(ledger).values(**row))
    return _row(row)


def rows(
    connection: Connection, *conditions: Any, newest_first: bool = True, limit: int | None = None
) -> list[LedgerRow]:
    """The rows that meet all conditions, in order of their sequence."""
    order = ledger.c.sequence.desc() if newest_first else ledger.c.sequence
    query = select(ledger).where(*conditions).order_by(order).limit(limit)
    return [_row(dict(found._mapping)) for found in connection.execute(query)]


def broken_rows(connection: Connection) -> Iterator[str]:
    """Says, one sentence each, which rows do not fit the chain."""
    previous, expected = GENESIS, 1
    for found in connection.execute(select(ledger).order_by(ledger.c.sequence)):
        row = dict(found._mapping)
        if row["sequence"] != expected:
            yield f"ledger rows {expected} to {row['sequence'] - 1} are missing"
        elif row["previous"] != previous:
            yield f"ledger row {row['sequence']} does not follow the row before it"
        if _hash(row) != row["hash"]:
            yield f"ledger row {row['sequence']} ({row['action']} {row['subject']}) was changed after it was written"
        previous, expected = row["hash"], row["sequence"] + 1


def _plain(value: Any) -> Any:
    """The value as the database will give it back, so that its hash is the same then. Raises InvalidInput for what is not JSON."""
    try:
        return json.loads(json.dumps(value, allow_nan=False))
    except (TypeError, ValueError) as error:
        raise InvalidInput(message=f"the ledger keeps JSON, and this is not: {error}") from None


def _hash(row: dict[str, Any]) -> str:
    return hashlib.sha256(canonical_json({key: value for key, value in row.items() if key != "hash"})).hexdigest()


def _row(row: dict[str, Any]) -> LedgerRow:
    return LedgerRow(**{**row, "time": from_micros(row["time"])})
