"""Parcels out of a database: everything that it says of some versions of a model, as it is at one instant."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from itertools import islice
from typing import Any, TypeVar

from sqlalchemy import Connection, Row, select

from modelyard.core.names import Kind
from modelyard.registry import ledger, schema
from modelyard.registry.ledger import LedgerRow
from modelyard.transfer.records import (
    Alias,
    Approval,
    Input,
    Metric,
    Model,
    Parcel,
    Policy,
    Report,
    RowId,
    Version,
)

RULES = ("policy.", "approval.", "gates.")
"""Actions of the ledger that are about the rules of a yard: they move along with the rules, or not at all."""

BATCH = 500
"""So many values are asked for in one query."""

_Value = TypeVar("_Value")


def model(connection: Connection, workspace: str, kind: Kind, name: str) -> tuple[int, Model] | None:
    """The row of a name, deleted ones too, with its id; None where it was never registered."""
    table = schema.models.c
    place = (table.workspace == workspace, table.kind == kind, table.name == name)
    found = connection.execute(select(schema.models).where(*place)).first()
    if found is None:
        return None
    tagged = schema.model_tags.c
    tags = connection.execute(select(tagged.key, tagged.value).where(tagged.model_id == found.id).order_by(tagged.key))
    facts = {field: found._mapping[field] for field in Model.__dataclass_fields__ if field != "tags"}
    return found.id, Model(**facts, tags={row.key: row.value for row in tags})


def parcel(
    connection: Connection,
    workspace: str,
    kind: Kind,
    name: str,
    numbers: Collection[int],
    aliases: Iterable[str] = (),
    *,
    leading: bool = True,
    rules: bool = False,
) -> Parcel | None:
    """The versions with these numbers that are there, and these aliases; None where the name was never registered.

    A parcel that is ``leading`` has the ledger rows of the model itself too. With ``rules`` there are the approvals of the model, and the ledger rows of
    these and of the policies of the aliases.
    """
    found = model(connection, workspace, kind, name)
    if found is None:
        return None
    owner, about = found
    named = sorted(aliases)
    versions = [each for batch in batches(sorted(numbers)) for each in _versions(connection, owner, batch)]
    subjects = [*([name] if leading else []), *(f"{name}/{number}" for number in sorted(numbers))]
    subjects += [f"{name}@{alias}" for alias in named]
    rows = [row for batch in batches(subjects) for row in _rows(connection, workspace, kind, batch)]
    kept = [row for row in rows if rules or not row.action.startswith(RULES)]
    pointers = _aliases(connection, owner, named)
    return Parcel(
        model=about,
        versions=tuple(versions),
        aliases={alias: pointers.get(alias) for alias in named},
        policies={alias: rule for alias, rule in policies(connection, workspace, kind, name).items() if alias in named},
        protection=protection(connection, workspace, kind, name, named),
        approvals=tuple(_approvals(connection, owner)) if rules and leading else (),
        rows=tuple(sorted(kept, key=lambda row: row.sequence)),
    )


def policies(connection: Connection, workspace: str, kind: Kind, name: str) -> dict[str, Policy]:
    """The rules of the aliases of a model; of all models for an empty name."""
    table = schema.policies.c
    place = (table.workspace == workspace, table.kind == kind, table.name == name)
    found = connection.execute(select(schema.policies).where(*place).order_by(table.alias))
    return {row.alias: Policy(row.document, row.set_time, row.set_by) for row in found}


def protection(
    connection: Connection, workspace: str, kind: Kind, name: str, aliases: Sequence[str]
) -> dict[str, list[Any]]:
    """The documents of the rules that a move of each of these aliases must meet: of all models, then of this one."""
    table = schema.policies.c
    place = (table.workspace == workspace, table.kind == kind, table.name.in_(("", name)), table.alias.in_(aliases))
    found: dict[str, list[Any]] = {}
    if aliases:
        for row in connection.execute(select(table.alias, table.document).where(*place).order_by(table.name)):
            found.setdefault(row.alias, []).append(row.document)
    return found


def labels(connection: Connection, owner: int, asked: Collection[str]) -> dict[str, int]:
    """Which version has each of these labels."""
    table = schema.versions.c
    found: dict[str, int] = {}
    for batch in batches(sorted(asked)):
        place = (table.model_id == owner, table.label.in_(batch))
        found |= {row.label: row.number for row in connection.execute(select(table.label, table.number).where(*place))}
    return found


def known_rows(connection: Connection, yard: str, asked: Iterable[RowId]) -> dict[RowId, str]:
    """Which of these rows are in the ledger of this database, which is that of ``yard``, and the hash that each had first."""
    table = schema.ledger.c
    by_yard: dict[str, list[int]] = {}
    for identity in asked:
        by_yard.setdefault(identity.yard, []).append(identity.sequence)
    found: dict[RowId, str] = {}
    for origin, sequences in by_yard.items():
        for batch in batches(sorted(sequences)):
            if origin == yard:
                query = select(table.sequence, table.hash).where(
                    table.sequence.in_(batch), table.origin_sequence.is_(None)
                )
                found |= {RowId(yard, sequence): first for sequence, first in connection.execute(query)}
            else:
                place = (table.origin_yard == origin, table.origin_sequence.in_(batch))
                listed = connection.execute(select(table.origin_sequence, table.origin).where(*place))
                found |= {RowId(origin, row.origin_sequence): str(row.origin["hash"]) for row in listed}
    return found


def batches(values: Iterable[_Value], size: int = BATCH) -> Iterator[list[_Value]]:
    """The values, some at a time."""
    listed = iter(values)
    while batch := list(islice(listed, size)):
        yield batch


def _versions(connection: Connection, owner: int, numbers: Sequence[int]) -> Iterator[Version]:
    table = schema.versions
    place = (table.c.model_id == owner, table.c.number.in_(numbers))
    found = connection.execute(select(table).where(*place).order_by(table.c.number)).all()
    ids = [row.id for row in found]
    tags, properties = (_pairs(connection, each, ids) for each in (schema.tags, schema.properties))
    metrics, reports = _metrics(connection, ids), _reports(connection, ids)
    inputs = _inputs(connection, ids)
    own = [field for field in Version.__dataclass_fields__ if field in table.c]
    for row in found:
        yield Version(
            **{field: row._mapping[field] for field in own},
            tags=tags.get(row.id, {}),
            properties=properties.get(row.id, {}),
            metrics=tuple(metrics.get(row.id, ())),
            reports=tuple(reports.get(row.id, ())),
            inputs=tuple(inputs.get(row.id, ())),
        )


def _pairs(connection: Connection, table: Any, ids: Sequence[int]) -> dict[int, dict[str, str]]:
    query = select(table.c.version_id, table.c.key, table.c.value).where(table.c.version_id.in_(ids))
    found: dict[int, dict[str, str]] = {}
    for row in connection.execute(query.order_by(table.c.version_id, table.c.key)):
        found.setdefault(row.version_id, {})[row.key] = row.value
    return found


def _metrics(connection: Connection, ids: Sequence[int]) -> dict[int, list[Metric]]:
    table = schema.metrics
    query = select(table).where(table.c.version_id.in_(ids)).order_by(table.c.id)
    return _listed(connection.execute(query), Metric)


def _reports(connection: Connection, ids: Sequence[int]) -> dict[int, list[Report]]:
    table = schema.reports
    query = select(table).where(table.c.version_id.in_(ids)).order_by(table.c.id)
    return _listed(connection.execute(query), Report)


def _listed(rows: Iterable[Row[Any]], form: type[_Value]) -> dict[int, list[_Value]]:
    fields: Mapping[str, Any] = form.__dataclass_fields__  # type: ignore[attr-defined]
    found: dict[int, list[_Value]] = {}
    for row in rows:
        found.setdefault(row.version_id, []).append(form(**{name: row._mapping[name] for name in fields}))
    return found


def _inputs(connection: Connection, ids: Sequence[int]) -> dict[int, list[Input]]:
    table, versions, models = schema.inputs.c, schema.versions.c, schema.models.c
    query = (
        select(table.version_id, table.role, models.kind, models.name, versions.number)
        .join(schema.versions, table.input_version_id == versions.id)
        .join(schema.models, versions.model_id == models.id)
        .where(table.version_id.in_(ids))
        .order_by(table.version_id, table.role, models.kind, models.name, versions.number)
    )
    return _listed(connection.execute(query), Input)


def _aliases(connection: Connection, owner: int, names: Sequence[str]) -> dict[str, Alias]:
    table = schema.aliases
    found = connection.execute(select(table).where(table.c.model_id == owner, table.c.name.in_(names)))
    return {row.name: Alias(row.number, row.moved_time, row.moved_by) for row in found}


def _approvals(connection: Connection, owner: int) -> Iterator[Approval]:
    table = schema.approvals
    for row in connection.execute(select(table).where(table.c.model_id == owner).order_by(table.c.id)):
        yield Approval(**{field: row._mapping[field] for field in Approval.__dataclass_fields__})


def _rows(connection: Connection, workspace: str, kind: Kind, subjects: Sequence[str]) -> list[LedgerRow]:
    table = schema.ledger.c
    place = (table.workspace == workspace, table.kind == kind, table.subject.in_(subjects))
    return ledger.rows(connection, *place, newest_first=False)
