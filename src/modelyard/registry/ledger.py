"""The ledger: every change is one appended row, each carrying the hash of the row before, so that an edited or a removed row shows.

Order is the sequence number, never the clock. The hash of a row is the SHA-256 of the canonical JSON of the row without its hash; the three
``origin`` columns are part of it only in a row that came from another yard. The row in ``heads`` says which row is the last.

A chain proves that rows were not changed after a head was noted elsewhere. It cannot prove that somebody with write access to the database did not
write the whole of it anew: for that, keep heads where they cannot reach (``modelyard ledger head``).
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from json.encoder import encode_basestring as quoted
from typing import Any

from sqlalchemy import Connection, Row, RowMapping, bindparam, column, insert, select, table, update

from modelyard.core.clock import from_micros, to_micros, to_text
from modelyard.core.digests import canonical_json
from modelyard.core.errors import InvalidInput
from modelyard.registry.prepared import Prepared
from modelyard.registry.schema import heads, ledger

GENESIS = "0" * 64
_DOCUMENTS = ("before", "after", "evidence", "origin")
_plain_ledger = table("ledger", *(column(each.name) for each in ledger.columns))
"""The table with its documents as the text that they are kept as."""

_LOCK_HEAD = Prepared(select(heads.c.sequence, heads.c.hash, heads.c.time).where(heads.c.id == 1).with_for_update())
_INSERT = Prepared(insert(_plain_ledger), [column.name for column in ledger.columns])
_MOVE_HEAD = (
    update(heads)
    .where(heads.c.id == 1)
    .values(sequence=bindparam("new_sequence"), hash=bindparam("new_hash"), time=bindparam("new_time"))
)
_SET_HEAD = Prepared(_MOVE_HEAD)
_INSERT_AND_SET_HEAD = Prepared(  # while the head is held all others wait, so that each message less counts
    insert(_plain_ledger).add_cte(_MOVE_HEAD.cte("moved")),
    [column.name for column in ledger.columns],
)


Written = Mapping[str, Any]
"""The columns of a row, its documents as text; :func:`read` makes a LedgerRow of it."""


@dataclass(frozen=True)
class LedgerRow:
    """One change: who did what to which subject, when, why, and on what evidence.

    ``time`` is when the row was written here, ``happened`` when the change was made; they differ in rows that came from another yard, of
    which ``origin`` tells the ``yard``, and the ``sequence``, ``time``, ``previous`` and ``hash`` that the row has there.
    """

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
    origin: Mapping[str, Any] | None
    happened: datetime

    def to_json(self) -> dict[str, Any]:
        found = {**vars(self), "time": to_text(self.time), "happened": to_text(self.happened)}
        if self.origin is None:
            del found["origin"], found["happened"]
        return found


def append(connection: Connection, time: int, changes: Sequence[Mapping[str, Any]]) -> list[Written]:
    """Adds rows at the head, which it locks until the transaction ends: sequences have no gaps, no twins, and become visible in their order.

    A change has the columns of a row from ``actor`` to ``evidence``; one of another yard has ``origin`` too (``yard``, ``sequence``, ``time``,
    ``previous``, ``hash``). Raises InvalidInput for what is not JSON.
    """
    if not changes:
        return []
    sequence, previous, last = _LOCK_HEAD.first(connection, {})
    # A clock that was set back must not make history run backwards: questions "as of" a time rely on it.
    time = max(time, last)
    stored: list[Written] = []
    for change in changes:
        sequence += 1
        texts = {name: _text(change.get(name)) for name in _DOCUMENTS}
        origin = change.get("origin")
        row: dict[str, Any] = {
            **change,
            **texts,
            "sequence": sequence,
            "time": time,
            "previous": previous,
            "origin_yard": origin["yard"] if origin else None,
            "origin_sequence": origin["sequence"] if origin else None,
            "happened": origin["time"] if origin else time,
        }
        previous = row["hash"] = _hash(row)
        stored.append(row)
    head = {"new_sequence": sequence, "new_hash": previous, "new_time": time}
    if len(stored) == 1 and connection.dialect.name == "postgresql":
        _INSERT_AND_SET_HEAD.run(connection, {**stored[0], **head})
    else:
        _INSERT.each(connection, stored)
        _SET_HEAD.run(connection, head)
    return stored


def rows(
    connection: Connection,
    *conditions: Any,
    newest_first: bool = True,
    limit: int | None = None,
    as_happened: bool = False,
) -> list[LedgerRow]:
    """The rows that meet all conditions, in order of their sequence; or ``as_happened``: in a ledger that took in the changes of two yards, those of
    the one may come after later ones of the other."""
    columns = (ledger.c.happened, ledger.c.sequence) if as_happened else (ledger.c.sequence,)
    order = [column.desc() for column in columns] if newest_first else columns
    query = select(ledger).where(*conditions).order_by(*order).limit(limit)
    return [to_row(found) for found in connection.execute(query)]


def read(written: Written) -> LedgerRow:
    """A row that was just written, as it will be found."""
    return _read({**written, **{name: _plain(written[name]) for name in _DOCUMENTS}})


def to_row(found: Row[Any]) -> LedgerRow:
    """What a row of the table says."""
    return _read(dict(found._mapping))


def head(connection: Connection) -> tuple[int, str]:
    """Sequence and hash of the last row; 0 and :data:`GENESIS` before the first."""
    found = connection.execute(select(heads.c.sequence, heads.c.hash).where(heads.c.id == 1)).one()
    return found.sequence, found.hash


def broken_rows(connection: Connection) -> Iterator[str]:
    """Says, one sentence each, which rows do not fit the chain. A million rows take some ten seconds."""
    previous, expected = GENESIS, 1
    query = select(_plain_ledger).order_by(_plain_ledger.c.sequence).execution_options(yield_per=5000)
    found = connection.execute(query)
    for batch in found.mappings().partitions():
        for row in batch:
            sequence = row["sequence"]
            if sequence != expected:
                gone = f"row {expected} is" if sequence == expected + 1 else f"rows {expected} to {sequence - 1} are"
                yield f"ledger {gone} missing"
            elif row["previous"] != previous:
                yield f"ledger row {sequence} does not follow the row before it"
            if _hash(row) != row["hash"] or not _origin_agrees(row):
                yield f"ledger row {sequence} ({row['action']} {row['subject']}) was changed after it was written"
            previous, expected = row["hash"], sequence + 1
    told = connection.execute(select(heads.c.sequence, heads.c.hash).where(heads.c.id == 1)).first()
    if told is None:
        yield "the head of the ledger is missing"
    elif told.sequence >= expected:
        last = f"row {expected} is" if told.sequence == expected else f"rows {expected} to {told.sequence} are"
        yield f"ledger {last} missing at the end"
    elif (told.sequence, told.hash) != (expected - 1, previous):
        yield f"the head of the ledger says row {told.sequence}, and the last row is {expected - 1}"


def hash_of(row: LedgerRow) -> str:
    """The hash that the row must have by what it says. A row of another yard answers this there, too: see :func:`original`."""
    facts = {**vars(row), "time": to_micros(row.time)}
    origin = facts["origin"]
    facts |= {"origin_yard": origin["yard"], "origin_sequence": origin["sequence"]} if origin else {}
    return _hash({**facts, **{name: _text(facts[name]) for name in _DOCUMENTS}})


def original(row: LedgerRow) -> LedgerRow:
    """A row that came from another yard, as it is there."""
    if row.origin is None:
        return row
    there = row.origin
    return replace(
        row,
        sequence=there["sequence"],
        time=row.happened,
        previous=there["previous"],
        hash=there["hash"],
        origin=None,
    )


def _hash(row: Mapping[str, Any] | RowMapping) -> str:
    """Of a row whose documents are canonical text: what :func:`canonical_json` would give for the whole of it, some times faster."""
    origin = ""
    if row["origin"] is not None:
        origin = f'"origin":{row["origin"]},"origin_sequence":{row["origin_sequence"]},"origin_yard":{quoted(row["origin_yard"])},'
    content = (
        f'{{"action":{quoted(row["action"])},"actor":{quoted(row["actor"])},"after":{row["after"] or "null"},'
        f'"before":{row["before"] or "null"},"evidence":{row["evidence"] or "null"},"kind":{quoted(row["kind"])},'
        f'"name":{quoted(row["name"])},{origin}"previous":{quoted(row["previous"])},"reason":{quoted(row["reason"])},'
        f'"sequence":{row["sequence"]},"subject":{quoted(row["subject"])},"time":{row["time"]},'
        f'"workspace":{quoted(row["workspace"])}}}'
    )
    return hashlib.sha256(content.encode(errors="surrogatepass")).hexdigest()


def _origin_agrees(row: RowMapping) -> bool:
    """Whether the columns that repeat the origin say what it says."""
    if row["origin"] is None:
        return row["origin_yard"] is None and row["origin_sequence"] is None and row["happened"] == row["time"]
    try:
        return bool(json.loads(row["origin"])["time"] == row["happened"])
    except (ValueError, KeyError, TypeError):
        return False


def _text(value: Any) -> str | None:
    if value is None:
        return None
    try:
        return canonical_json(value).decode()
    except (TypeError, ValueError) as error:
        raise InvalidInput(message=f"the ledger keeps JSON, and this is not: {error}") from None


def _plain(text: str | None) -> Any:
    return None if text is None else json.loads(text)


def _read(row: dict[str, Any]) -> LedgerRow:
    known = {name: row[name] for name in LedgerRow.__dataclass_fields__}
    return LedgerRow(**{**known, "time": from_micros(row["time"]), "happened": from_micros(row["happened"])})
