"""Who changed what last: what decides, field by field, between two yards that both changed something.

A change is a ledger row, and has an instant: when it was made, wherever that was. Of two rows of one instant the one of the greater yard id, then of
the greater sequence, counts as the later: any order will do that is the same on both sides.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime
from typing import NamedTuple

from modelyard.registry.ledger import LedgerRow
from modelyard.transfer.records import row_id

STATES = ("archive", "restore", "delete", "purge")
STATE = "state"
POLICY = "policy"


class Stamp(NamedTuple):
    """When a field was changed last, and by which row."""

    happened: datetime
    yard: str
    sequence: int


class Field(NamedTuple):
    """``name`` is ``description``, ``card``, ``state``, or ``tag`` and the key, of the model or version that is the ``subject``; ``policy`` of an alias."""

    subject: str
    name: str


def tag(key: str) -> str:
    """The name of the field of a tag."""
    return f"tag {key}"


def stamp_of(row: LedgerRow, yard: str) -> Stamp:
    """When a row in the ledger of ``yard`` was made, and its place among those of one instant."""
    identity = row_id(row, yard)
    return Stamp(row.happened, identity.yard, identity.sequence)


def stamps(rows: Iterable[LedgerRow], yard: str) -> dict[Field, Stamp]:
    """The last change of each field that any of the rows, all in the ledger of ``yard``, speaks of."""
    found: dict[Field, Stamp] = {}
    for row in rows:
        for name in _fields(row):
            field, stamp = Field(row.subject, name), stamp_of(row, yard)
            if field not in found or stamp > found[field]:
                found[field] = stamp
    return found


def is_later(theirs: Stamp | None, mine: Stamp | None) -> bool:
    """Whether their change of a field came after mine; what nobody changed stays as it is here."""
    return theirs is not None and (mine is None or theirs > mine)


def _fields(row: LedgerRow) -> Iterator[str]:
    _, _, verb = row.action.partition(".")
    if verb in STATES or (row.action == "model.create" and row.before is not None):
        yield STATE
    elif verb == "describe":
        yield from _keys(row.after)
    elif row.action.startswith(("policy.", "gates.")):
        yield POLICY
    elif row.action in ("tags.set", "tags.remove", "model.tag"):
        yield from (tag(key) for key in (*_keys(row.before), *_keys(row.after)))


def _keys(value: object) -> Iterator[str]:
    if isinstance(value, Mapping):
        yield from value
