"""The ledger read forward from a cursor, a page at a time: what watchers and webhooks stand on.

Whoever appends a row holds the head of the ledger until the transaction ends, so rows become visible in the order of their sequences, and a
reader that has seen row N has seen, or could have seen, all before it. The cursor is therefore one number.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

from sqlalchemy import Column, ColumnElement, Connection, Row, select

from modelyard.core.errors import CursorAhead, InvalidInput
from modelyard.registry import ledger, schema

After = int | Literal["now", "start"] | None
"""Where a reader begins: after the row of that sequence; ``"now"`` (or None) after what is there, ``"start"`` before everything."""

SPAN = 10_000
"""A page ends after so many rows of the ledger also when few of them are wanted, so that no transaction takes long."""


@dataclass(frozen=True)
class Page:
    """The rows that were asked for of a stretch of the ledger; ``cursor`` is the last sequence that was looked at, ``last`` whether none was left after it."""

    rows: Sequence[Row[Any]]
    cursor: int
    last: bool


def begin(connection: Connection, after: After) -> int:
    """The cursor that is meant. Raises CursorAhead, and InvalidInput for what is no cursor."""
    head, _ = ledger.head(connection)
    if after is None or after == "now":
        return head
    if after == "start":
        return 0
    if not isinstance(after, int) or isinstance(after, bool) or after < 0:
        raise InvalidInput(message=f"after is the sequence of a ledger row, 'now' or 'start', not {after!r}")
    if after > head:
        raise CursorAhead(after=after, head=head)
    return after


def page(
    connection: Connection,
    workspace: str,
    cursor: int,
    conditions: Sequence[ColumnElement[bool]],
    limit: int,
    columns: Sequence[Column[Any]] = tuple(schema.ledger.columns),
) -> Page:
    """What follows the cursor; at most ``limit`` rows, looked for among no more than :data:`SPAN`. Raises CursorAhead when the ledger ends before the cursor.

    Both queries must see the same instant, or be within a transaction that sees every row up to the head it reads.
    """
    head, _ = ledger.head(connection)
    if head == cursor:
        return Page([], cursor, True)
    if head < cursor:
        raise CursorAhead(after=cursor, head=head)
    table = schema.ledger.c
    end = min(head, cursor + SPAN)
    stretch = (table.workspace == workspace, table.sequence > cursor, table.sequence <= end)
    query = select(*columns).where(*stretch, *conditions).order_by(table.sequence).limit(limit)
    # SQLite would rather go through an index of names, and sort what it finds there, for each page anew.
    found = connection.execute(query.with_hint(schema.ledger, "NOT INDEXED", "sqlite")).all()
    reached = found[-1].sequence if len(found) == limit else end
    return Page(found, reached, reached == head)
