"""A version, or a model, that both yards have: what of it is to be changed here.

What is only ever added to (metrics, reports, properties) becomes the union. What can be changed (tags by key, description, card, state) becomes what the
side says that changed it last. What can never change (digest, provenance, label, a property) must be the same on both sides.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, TypeVar

from modelyard.core.clock import from_micros, to_text
from modelyard.core.digests import canonical_json
from modelyard.core.errors import LabelConflict, ModelyardError, NumberConflict, PropertyConflict, RemovalConflict
from modelyard.transfer.merging.decisions import Choices, Facts, VersionChange
from modelyard.transfer.merging.stamps import STATE, Field, Stamp, is_later, tag
from modelyard.transfer.records import Model, Report, Version

ACTIVE, PURGED = "active", "purged"
LEAVES = ("archived", "deleted", PURGED)
_TEXTS = ("description", "card")

Stamps = tuple[Mapping[Field, Stamp], Mapping[Field, Stamp]]
"""The last changes by their rows, and by ours."""

Added = TypeVar("Added")


def merged_model(theirs: Model, mine: Model, both: Stamps) -> tuple[dict[str, Any], dict[str, str | None]]:
    """Columns and tags of a model that are to be changed. The counter is the higher one: no number that was given in either yard is given again."""
    columns = _columns(theirs, mine, theirs.name, both)
    if theirs.next_number > mine.next_number:
        columns["next_number"] = theirs.next_number
    return columns, _tags(theirs.tags, mine.tags, theirs.name, both)


def merged_version(
    model: Model, theirs: Version, mine: Version, both: Stamps, facts: Facts, choices: Choices
) -> VersionChange | ModelyardError:
    """What is to be changed of a version that is here, or what stands in the way."""
    reference = f"{model.name}/{theirs.number}"
    if theirs.identity != mine.identity:
        return _number_conflict(model, theirs, mine, facts)
    if theirs.label != mine.label and None not in (theirs.label, mine.label):
        return LabelConflict(
            label=theirs.label, kind=model.kind, name=model.name, here=theirs.number, there=theirs.number,
            place=f"{facts.place} labelled {mine.label!r}", more="",
        )  # fmt: skip
    for key, value in theirs.properties.items():
        if key in mine.properties and mine.properties[key] != value:
            return PropertyConflict(
                key=key, reference=reference, place=facts.place, here=mine.properties[key], there=value, more=""
            )
    columns = _columns(theirs, mine, reference, both)
    if theirs.label is not None and mine.label is None:
        columns["label"] = theirs.label
    settles: tuple[str, str] | None = None
    if columns.get(STATE) in LEAVES and facts.needed.get(theirs.number):
        if not choices.keep_mine:
            return removal_conflict(model, theirs, facts)
        del columns[STATE], columns["state_time"]
        settles = (theirs.state, mine.state)
    return VersionChange(
        theirs.number,
        columns=columns,
        tags=_tags(theirs.tags, mine.tags, reference, both),
        properties={key: value for key, value in theirs.properties.items() if key not in mine.properties},
        metrics=_added(theirs.metrics, mine.metrics),
        reports=tuple(_added_reports(theirs.reports, mine.reports)),
        inputs=tuple(each for each in theirs.inputs if each not in mine.inputs),
        settles=settles,
    )


def removal_conflict(model: Model, theirs: Version, facts: Facts) -> RemovalConflict:
    """It is gone there and needed here."""
    return RemovalConflict(
        reference=f"{model.told}/{theirs.number}",
        state=theirs.state,
        where="where it comes from",
        needed=", ".join(facts.needed[theirs.number]),
        elsewhere=f"in {facts.place}",
        place=facts.place,
        more="",
    )


def target_conflict(model: Model, alias: str, number: int, state: str, facts: Facts) -> RemovalConflict:
    """An alias would follow to a version that is gone here."""
    return RemovalConflict(
        reference=f"{model.told}/{number}",
        state=state,
        where=f"in {facts.place}",
        needed=f"the alias {model.name}@{alias}",
        elsewhere="where it comes from",
        place=facts.place,
        more="",
    )


def label_conflict(model: Model, theirs: Version, facts: Facts) -> LabelConflict | None:
    """Another version here has the label already."""
    holder = None if theirs.label is None else facts.labels.get(theirs.label)
    if holder is None or holder == theirs.number:
        return None
    return LabelConflict(
        label=theirs.label,
        kind=model.kind,
        name=model.name,
        here=holder,
        there=theirs.number,
        place=facts.place,
        more="",
    )


def _number_conflict(model: Model, theirs: Version, mine: Version, facts: Facts) -> NumberConflict:
    same = theirs.digest == mine.digest
    return NumberConflict(
        kind=model.kind,
        name=model.name,
        number=theirs.number,
        here=f"{mine.digest} with provenance {mine.provenance}" if same else mine.digest,
        there=f"the same files with provenance {theirs.provenance}" if same else theirs.digest,
        place=facts.place,
        since=to_text(from_micros(mine.created_time)),
        author=mine.created_by,
        more="",
    )


def _columns(theirs: Model | Version, mine: Model | Version, subject: str, both: Stamps) -> dict[str, Any]:
    columns: dict[str, Any] = {}
    for name in _TEXTS:
        there = getattr(theirs, name)
        if there != getattr(mine, name) and theirs_is_later(Field(subject, name), both):
            columns[name] = there
    differs = (theirs.state, theirs.state_time) != (mine.state, mine.state_time)
    later = theirs.state == PURGED or theirs_is_later(Field(subject, STATE), both)
    if differs and mine.state != PURGED and later:  # bytes that were given up do not come back
        columns |= {STATE: theirs.state, "state_time": theirs.state_time}
    return columns


def _tags(theirs: Mapping[str, str], mine: Mapping[str, str], subject: str, both: Stamps) -> dict[str, str | None]:
    return {
        key: theirs.get(key)
        for key in sorted({*theirs, *mine})
        if theirs.get(key) != mine.get(key) and theirs_is_later(Field(subject, tag(key)), both)
    }


def theirs_is_later(field: Field, both: Stamps) -> bool:
    """Whether their change of a field is the last one."""
    theirs, mine = both
    return is_later(theirs.get(field), mine.get(field))


def _added(theirs: Iterable[Added], mine: Iterable[Added]) -> tuple[Added, ...]:
    """What they have and we have not, as often as it is missing, in their order."""
    left, added = Counter(mine), []
    for each in theirs:
        if left[each] > 0:
            left[each] -= 1
        else:
            added.append(each)
    return tuple(added)


def _added_reports(theirs: Iterable[Report], mine: Iterable[Report]) -> Iterator[Report]:
    known = Counter(_plain(each) for each in mine)
    for each in theirs:
        if known[_plain(each)] > 0:
            known[_plain(each)] -= 1
        else:
            yield each


def _plain(report: Report) -> bytes:
    return canonical_json(vars(report))  # a summary is a document, which cannot be counted as it is
