"""The deliveries of a webhook in the registry: what is put in line, whose turn it is, what came of it.

Whoever changes them holds the row of the webhook (:func:`modelyard.events.records.locked`), so that at any instant the first open delivery of each
subject is pending and the rest are held.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Connection, Row, delete, insert, select, update

from modelyard.core.clock import from_micros, to_micros
from modelyard.events import reading
from modelyard.events.filters import wanted
from modelyard.events.webhook import DELIVERED, FAILED, HELD, OPEN, PENDING, Delivery
from modelyard.registry import Transaction
from modelyard.registry.schema import WAITING, deliveries, ledger, webhooks

PAGE = 500
KEPT_SECONDS = 30 * 24 * 3600
"""So long the yard remembers what was delivered."""
_NEEDED = (ledger.c.sequence, ledger.c.kind, ledger.c.subject)
_table = deliveries.c


@dataclass(frozen=True)
class Enqueued:
    """How many rows were put in line, and whether the ledger was read to its end."""

    count: int
    last: bool


def enqueue(tx: Transaction, webhook: Row[Any], limit: int = PAGE) -> Enqueued:
    """Puts the next wanted ledger rows in line and moves the cursor past them: both, or neither.

    A row that was delivered or had failed is there again because somebody moved the cursor back: it is put in line anew.
    """
    asked = wanted(tx.connection.dialect.name, tx.now(), webhook.filter)
    page = reading.page(tx.connection, webhook.workspace, webhook.cursor, asked.conditions, limit, _NEEDED)
    if page.cursor == webhook.cursor:
        return Enqueued(0, True)
    count = _put_in_line(tx, webhook.id, page.rows) if page.rows else 0
    tx.execute(update(webhooks).where(webhooks.c.id == webhook.id).values(cursor=page.cursor))
    return Enqueued(count, page.last)


def next_due(connection: Connection, webhook_id: str, now: datetime) -> Delivery | None:
    """The delivery whose turn it is: the longest due, and of those that came in line together the first. While nothing is refused, that is the order
    of the ledger."""
    query = select(deliveries).where(*_is(webhook_id, PENDING), _table.next_time <= to_micros(now))
    found = connection.execute(query.order_by(_table.next_time, _table.sequence).limit(1)).first()
    return None if found is None else _delivery(found)


def taken(tx: Transaction, webhook_id: str, delivery: Delivery, status: int | None) -> None:
    """Notes that the receiver has it; the next of its subject is on."""
    now = to_micros(tx.now())
    values = {
        "state": DELIVERED,
        "attempts": _table.attempts + 1,
        "status": status,
        "problem": "",
        "delivered_time": now,
        "next_time": now + KEPT_SECONDS * 1_000_000,  # when it is dropped
    }
    _close(tx, webhook_id, delivery, values)


def refused(
    tx: Transaction, webhook_id: str, delivery: Delivery, status: int | None, problem: str, again: datetime | None
) -> None:
    """Notes a failed attempt, to be made again at an instant; without one the delivery has failed, and the next of its subject is on."""
    values = {"attempts": _table.attempts + 1, "status": status, "problem": problem}
    if again is not None:
        change = update(deliveries).where(*_this(webhook_id, delivery), _table.state.in_(OPEN))
        tx.execute(change.values(next_time=to_micros(again), **values))
    else:
        _close(tx, webhook_id, delivery, {**values, "state": FAILED})


def replay_failed(tx: Transaction, webhook_id: str, first: int, limit: int = PAGE) -> list[int]:
    """Puts up to ``limit`` failed deliveries from sequence ``first`` on in line again; their sequences."""
    query = select(_table.sequence, _table.subject).where(*_is(webhook_id, FAILED), _table.sequence >= first)
    found = tx.execute(query.order_by(_table.sequence).limit(limit)).all()
    fresh = {"attempts": 0, "next_time": to_micros(tx.now()), "status": None, "problem": ""}
    for state, sequences in _line_up(tx, webhook_id, [(row.sequence, row.subject) for row in found]).items():
        chosen = (_table.webhook_id == webhook_id, _table.sequence.in_(sequences))
        tx.execute(update(deliveries).where(*chosen).values(state=state, **fresh))
    return [row.sequence for row in found]


def has_old(connection: Connection, webhook_id: str, now: datetime) -> bool:
    """Whether :func:`clean` would forget anything."""
    return connection.execute(select(_table.sequence).where(*_old(webhook_id, now)).limit(1)).first() is not None


def clean(tx: Transaction, webhook_id: str, limit: int = 10 * PAGE) -> int:
    """Forgets what was delivered long ago; how many."""
    old = select(_table.sequence).where(*_old(webhook_id, tx.now())).order_by(_table.next_time).limit(limit)
    return tx.execute(delete(deliveries).where(_table.webhook_id == webhook_id, _table.sequence.in_(old))).rowcount


def listing(
    connection: Connection, webhook_id: str, state: str | None, before: int | None, limit: int
) -> list[Delivery]:
    """Deliveries, newest first; those before a sequence."""
    conditions = [_table.webhook_id == webhook_id]
    if state is not None:
        conditions.append(_table.state == state)
    if before is not None:
        conditions.append(_table.sequence < before)
    query = select(deliveries).where(*conditions).order_by(_table.sequence.desc()).limit(limit)
    return [_delivery(row) for row in connection.execute(query)]


def _subject_of(row: Row[Any]) -> str:
    """What is delivered in order: a model and a data set of one name are two subjects."""
    return f"{row.kind} {row.subject}"


def _put_in_line(tx: Transaction, webhook_id: str, rows: Sequence[Row[Any]]) -> int:
    told = select(_table.sequence, _table.state).where(
        _table.webhook_id == webhook_id, _table.sequence.between(rows[0].sequence, rows[-1].sequence)
    )
    known = {row.sequence: row.state for row in tx.execute(told)}
    fresh = [row for row in rows if known.get(row.sequence) not in OPEN]
    again = [row.sequence for row in fresh if row.sequence in known]
    if again:
        tx.execute(delete(deliveries).where(_table.webhook_id == webhook_id, _table.sequence.in_(again)))
    lines = _line_up(tx, webhook_id, [(row.sequence, _subject_of(row)) for row in fresh])
    states = {sequence: state for state, sequences in lines.items() for sequence in sequences}
    now = to_micros(tx.now())
    made = [
        {
            "webhook_id": webhook_id,
            "sequence": row.sequence,
            "subject": _subject_of(row),
            "state": states[row.sequence],
            "attempts": 0,
            "next_time": now,
        }
        for row in fresh
    ]
    if made:
        tx.connection.execute(insert(deliveries), made)
    return len(made)


def _line_up(tx: Transaction, webhook_id: str, rows: Iterable[tuple[int, str]]) -> dict[str, list[int]]:
    """The state that each row, by its sequence, gets as it joins the line of its subject. Rows come in their order; one that was first before
    a row that joins is held from now on."""
    listed = list(rows)
    if tx.connection.dialect.name == "postgresql":  # a plan for any values compares each of them with each row
        tx.connection.exec_driver_sql("SET LOCAL plan_cache_mode = force_custom_plan")
    subjects = list({subject for _, subject in listed})
    query = select(_table.subject, _table.sequence).where(*_is(webhook_id, PENDING), _table.subject.in_(subjects))
    first = {row.subject: row.sequence for row in tx.execute(query)} if subjects else {}
    states: dict[str, list[int]] = {PENDING: [], HELD: []}
    overtaken = []
    for sequence, subject in listed:
        before = first.get(subject)
        if before is not None and before < sequence:
            states[HELD].append(sequence)
            continue
        if before is not None:
            overtaken.append(before)
        first[subject] = sequence
        states[PENDING].append(sequence)
    if overtaken:
        chosen = (_table.webhook_id == webhook_id, _table.sequence.in_(overtaken))
        tx.execute(update(deliveries).where(*chosen).values(state=HELD))
    return {state: sequences for state, sequences in states.items() if sequences}


def _close(tx: Transaction, webhook_id: str, delivery: Delivery, values: dict[str, Any]) -> None:
    """Ends a delivery; the first that is open of its subject is pending from now on."""
    change = update(deliveries).where(*_this(webhook_id, delivery), _table.state.in_(OPEN)).values(**values)
    if tx.execute(change).rowcount == 0:
        return
    line = (_table.webhook_id == webhook_id, _table.subject == delivery.subject, WAITING)
    first = tx.execute(select(_table.sequence, _table.state).where(*line).order_by(_table.sequence).limit(1)).first()
    if first is not None and first.state == HELD:  # otherwise a replay put another before it while it was under way
        chosen = (_table.webhook_id == webhook_id, _table.sequence == first.sequence)
        tx.execute(update(deliveries).where(*chosen).values(state=PENDING))


def _is(webhook_id: str, state: str) -> tuple[ColumnElement[bool], ColumnElement[bool]]:
    return _table.webhook_id == webhook_id, _table.state == state


def _old(webhook_id: str, now: datetime) -> tuple[ColumnElement[bool], ...]:
    return (*_is(webhook_id, DELIVERED), _table.next_time <= to_micros(now))


def _this(webhook_id: str, delivery: Delivery) -> tuple[ColumnElement[bool], ColumnElement[bool]]:
    return _table.webhook_id == webhook_id, _table.sequence == delivery.sequence


def _delivery(row: Row[Any]) -> Delivery:
    return Delivery(
        sequence=row.sequence,
        subject=row.subject,
        state=row.state,
        attempts=row.attempts,
        next_time=from_micros(row.next_time) if row.state == PENDING else None,
        status=row.status,
        problem=row.problem,
        delivered_time=None if row.delivered_time is None else from_micros(row.delivered_time),
    )
