"""Where an alias is after two yards have met.

The moves of an alias are ledger rows. A side that knows all moves of the other has seen what the other did, so its word is the last one. When each
has moves that the other does not know, both moved it, and a person decides.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from modelyard.core.clock import to_text
from modelyard.core.errors import AliasConflict, AliasProtected, ModelyardError
from modelyard.registry.ledger import LedgerRow
from modelyard.transfer.merging.decisions import AliasChange, Choices, Facts
from modelyard.transfer.merging.stamps import stamp_of
from modelyard.transfer.records import Alias, Parcel, row_id

REMOVED = "alias.remove"
KEPT, TAKEN = "kept as it is here", "taken as it is there"


def merged(
    theirs: Parcel, mine: Parcel | None, name: str, facts: Facts, choices: Choices
) -> AliasChange | ModelyardError | None:
    """What becomes of one alias: a change, a conflict, or nothing."""
    subject = f"{theirs.model.name}@{name}"
    their_rows = [row for row in theirs.rows if row.subject == subject and row.action.startswith("alias.")]
    listed = () if mine is None else mine.rows
    my_rows = [row for row in listed if row.subject == subject and row.action.startswith("alias.")]
    there, here = theirs.aliases[name], None if mine is None else mine.aliases.get(name)
    their_ids = {row_id(row, facts.there) for row in their_rows}
    my_ids = {row_id(row, facts.here) for row in my_rows}
    if their_ids <= my_ids:
        after = here
    elif _number(there) == _number(here) and not my_ids <= their_ids:
        after = max(
            (each for each in (here, there) if each), key=lambda each: (each.moved_time, each.moved_by), default=None
        )
    elif my_ids <= their_ids or choices.take_theirs:
        after = there
    elif choices.keep_mine:
        after = here
    else:
        both = (max(my_rows, key=lambda row: row.happened), max(their_rows, key=lambda row: row.happened))
        return _conflict(theirs.model.name, name, (here, there), both, facts.place)
    if after is there and _number(there) != _number(here) and _stays(theirs, name, facts, choices):
        if not choices.keep_mine:
            return AliasProtected(
                name=theirs.model.name, alias=name, place=facts.place, here=_told(here), there=_told(there), more=""
            )
        after = here
    settles = None
    if any(_number(said) != _number(after) for said in _said(their_rows, my_rows, facts)):
        settles = KEPT if after is here else TAKEN
    if after == here and settles is None:
        return None
    return AliasChange(name, here, after, settles)


def _stays(theirs: Parcel, name: str, facts: Facts, choices: Choices) -> bool:
    """Whether a rule of this yard keeps the alias where it is. In a copy, a rule that the original has too was met there."""
    rules = facts.protected.get(name)
    return bool(rules) and not (choices.copy and theirs.protection.get(name) == rules)


def _said(theirs: Sequence[LedgerRow], mine: Sequence[LedgerRow], facts: Facts) -> Iterator[Alias | None]:
    """Where the rows of both, as they will be in the ledger here, say that the alias is: by the last change, and by the last row."""
    moves = [(stamp_of(row, yard), row) for yard, rows in ((facts.there, theirs), (facts.here, mine)) for row in rows]
    if moves:
        yield _target(max(moves, key=lambda move: move[0])[1])
    known = {row_id(row, facts.here) for row in mine}
    coming = [row for row in theirs if row_id(row, facts.there) not in known]
    for row in (coming or mine)[-1:]:
        yield _target(row)


def _target(row: LedgerRow) -> Alias | None:
    after: Any = row.after
    if row.action == REMOVED or not isinstance(after, Mapping) or not isinstance(after.get("version"), int):
        return None
    return Alias(after["version"], 0, row.actor)


def _number(alias: Alias | None) -> int | None:
    return None if alias is None else alias.number


def _told(alias: Alias | None) -> str:
    return "nothing" if alias is None else f"version {alias.number}"


def _conflict(
    name: str, alias: str, numbers: tuple[Alias | None, Alias | None], rows: tuple[LedgerRow, LedgerRow], place: str
) -> AliasConflict:
    (here, there), (mine, theirs) = numbers, rows
    return AliasConflict(
        name=name,
        alias=alias,
        place=place,
        here=_told(here),
        there=_told(there),
        since=to_text(mine.happened),
        author=mine.actor,
        moved=to_text(theirs.happened),
        mover=theirs.actor,
        more="",
    )
