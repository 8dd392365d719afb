"""Ledger rows of another yard: whether they say what they said when they were written, and which of them are new here."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from modelyard.core.errors import HistoryAltered, HistoryConflict, ModelyardError
from modelyard.registry.aliases import MOVES
from modelyard.registry.ledger import LedgerRow, hash_of, original
from modelyard.transfer.merging.decisions import Facts
from modelyard.transfer.merging.stamps import STATES
from modelyard.transfer.records import REGISTERED, first_hash, row_id


def require_sound(rows: Iterable[LedgerRow], yard: str) -> None:
    """Raises HistoryAltered for the first row, of the ledger of ``yard``, that does not have its hash, there or where it was first written.

    That the rows between them are all there, too, is not known of a part of a chain.
    """
    for row in rows:
        first = original(row)
        if hash_of(row) != row.hash or (row.origin is not None and hash_of(first) != first.hash):
            raise HistoryAltered(sequence=row.sequence, yard=yard, action=row.action, subject=row.subject)


def require_form(row: LedgerRow) -> None:
    """Raises ``ValueError`` for a row that does not say what its action says, in the form in which whoever asks about the past reads it."""
    _, _, verb = row.action.partition(".")
    after: Any = row.after
    if row.action in MOVES:
        right = isinstance(after, Mapping) and type(after.get("version")) is int
    elif row.action == "tags.remove":
        right = _is_text(row.before)
    elif row.action in ("tags.set", "properties.add"):
        right = _is_text(after)
    elif row.action == REGISTERED:
        groups = (
            [after.get(group) or {} for group in ("tags", "properties", "metrics")]
            if isinstance(after, Mapping)
            else [0]
        )
        right = all(isinstance(group, Mapping) for group in groups)
    elif verb in STATES:
        right = isinstance(after, Mapping) and isinstance(after.get("state"), str)
    elif verb == "describe" or row.action in ("metrics.log", "model.tag"):
        right = isinstance(after, Mapping)
    else:
        right = True
    if not right:
        raise ValueError(f"ledger row {row.sequence} ({row.action} {row.subject}) does not say what changed")


def _is_text(value: Any) -> bool:
    return isinstance(value, Mapping) and all(isinstance(each, str) for each in value.values())


def new_rows(rows: Iterable[LedgerRow], facts: Facts) -> tuple[tuple[LedgerRow, ...], list[ModelyardError]]:
    """The rows that are not here, in their order; and a HistoryConflict for one that is here with another content.

    A row of this very yard is never new: it has come home.
    """
    new: list[LedgerRow] = []
    conflicts: list[ModelyardError] = []
    for row in rows:
        identity, theirs = row_id(row, facts.there), first_hash(row)
        mine = facts.known.get(identity)
        if mine is None and identity.yard != facts.here:
            new.append(row)
        elif mine != theirs:
            here = "missing" if mine is None else f"{mine[:12]}"
            conflicts.append(HistoryConflict(sequence=identity.sequence, yard=identity.yard, here=here))
    return tuple(new), conflicts
