"""What a parcel changes in a yard: asked first of all parcels, before anything is written, and once more of each within the transaction that writes it."""

from __future__ import annotations

from typing import Any

from modelyard.core.errors import ModelyardError
from modelyard.transfer.merging.decisions import AliasChange, Choices, Facts, ParcelPlan, VersionChange
from modelyard.transfer.merging.entries import (
    ACTIVE,
    Stamps,
    label_conflict,
    merged_model,
    merged_version,
    target_conflict,
    theirs_is_later,
)
from modelyard.transfer.merging.history import new_rows
from modelyard.transfer.merging.pointers import KEPT
from modelyard.transfer.merging.pointers import merged as merged_alias
from modelyard.transfer.merging.stamps import POLICY, STATE, Field, Stamp, stamps
from modelyard.transfer.records import Approval, Parcel, Policy, Version


def plan(theirs: Parcel, mine: Parcel | None, facts: Facts, choices: Choices) -> ParcelPlan:
    """What is to be done so that this yard, which has ``mine`` of it, has ``theirs`` too. Changes nothing."""
    model, there = theirs.model, stamps(theirs.rows, facts.there)
    here: dict[Field, Stamp] = {}
    columns: dict[str, Any] = {}
    tags: dict[str, str | None] = {}
    if mine is not None:
        here = stamps(mine.rows, facts.here)
        columns, tags = merged_model(model, mine.model, (there, here))
    new: list[Version] = []
    changes: list[VersionChange] = []
    conflicts: list[ModelyardError] = []
    known = {} if mine is None else mine.by_number
    for version in theirs.versions:
        taken = label_conflict(model, version, facts)
        if taken is not None:
            conflicts.append(taken)
        elif version.number not in known:
            new.append(version)
        else:
            found = merged_version(model, version, known[version.number], (there, here), facts, choices)
            if isinstance(found, VersionChange):
                changes.append(found)
            else:
                conflicts.append(found)
    states = {number: each.state for number, each in known.items()} | {each.number: each.state for each in new}
    states |= {change.number: change.columns[STATE] for change in changes if STATE in change.columns}
    aliases: list[AliasChange] = []
    for name in sorted(theirs.aliases):
        moved = merged_alias(theirs, mine, name, facts, choices)
        if isinstance(moved, AliasChange) and moved.after is not None and moved.after is not moved.before:
            number = moved.after.number
            state = states.get(number, ACTIVE)
            if state != ACTIVE and choices.keep_mine:
                moved = AliasChange(name, moved.before, moved.before, KEPT)
            elif state != ACTIVE:
                moved = target_conflict(model, name, number, state, facts)
        if isinstance(moved, AliasChange):
            aliases.append(moved)
        elif moved is not None:
            conflicts.append(moved)
    rows, altered = new_rows(theirs.rows, facts)
    return ParcelPlan(
        create_model=mine is None,
        model_columns=columns,
        model_tags=tags,
        new=tuple(new),
        changes=tuple(changes),
        aliases=tuple(aliases),
        policies=_policies(theirs, mine, (there, here), choices),
        approvals=_approvals(theirs, mine, choices),
        rows=rows,
        conflicts=(*altered, *conflicts),
    )


def _policies(theirs: Parcel, mine: Parcel | None, both: Stamps, choices: Choices) -> dict[str, Policy | None]:
    """The rules that were set later there; None for one that was removed later there."""
    here = {} if mine is None else mine.policies
    if not choices.policies:
        return {}
    return {
        alias: theirs.policies.get(alias)
        for alias in sorted({*theirs.policies, *here})
        if (
            alias not in theirs.policies or alias not in here or theirs.policies[alias].document != here[alias].document
        )
        and theirs_is_later(Field(f"{theirs.model.name}@{alias}", POLICY), both)
    }


def _approvals(theirs: Parcel, mine: Parcel | None, choices: Choices) -> tuple[Approval, ...]:
    """The approvals that are not here, and those that were withdrawn there since."""
    here = {} if mine is None else {each.identity: each for each in mine.approvals}
    if not choices.policies:
        return ()
    return tuple(
        each
        for each in theirs.approvals
        if each.identity not in here or (each.withdrawn is not None and here[each.identity].withdrawn is None)
    )
