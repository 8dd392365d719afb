"""Versions: rows that are made once with the next number, and found by number, label, alias, latest or tags."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from difflib import get_close_matches
from typing import Any

from sqlalchemy import ColumnElement, Connection, CursorResult, Row, Select, exists, insert, select, update

from modelyard.core.clock import from_micros, to_micros
from modelyard.core.errors import (
    AliasNotFound,
    FilterMismatch,
    LabelNotFound,
    LabelTaken,
    ModelNotFound,
    NoVersionMatches,
    VersionNotFound,
)
from modelyard.core.names import AliasName, Kind, LabelName, ModelName
from modelyard.core.references import Alias, Label, Latest, Number, Reference, Selector
from modelyard.core.tags import matches
from modelyard.registry.schema import aliases, inputs, metrics, models, properties, tags, versions
from modelyard.registry.transaction import Transaction


@dataclass(frozen=True)
class NewVersion:
    """What a version is made of; the number comes from the registry."""

    kind: Kind
    name: ModelName
    digest: str
    provenance: str | None
    flavor: str
    size: int
    files: int
    label: LabelName | None = None
    description: str = ""
    tags: Mapping[str, str] = field(default_factory=dict)
    properties: Mapping[str, str] = field(default_factory=dict)
    metrics: Mapping[str, float] = field(default_factory=dict)
    inputs: tuple[tuple[str, int], ...] = ()  # role and row id of a data set version


@dataclass(frozen=True)
class VersionRow:
    """A version as the database holds it."""

    id: int
    model_id: int
    kind: Kind
    name: ModelName
    number: int
    label: str | None
    digest: str
    provenance: str | None
    flavor: str
    size: int
    files: int
    description: str
    created_time: datetime
    created_by: str

    @property
    def reference(self) -> str:
        return f"{self.name}/{self.number}"


def create(tx: Transaction, new: NewVersion) -> VersionRow:
    """Makes the version with the next number of its model, which is made too when it is the first. Raises LabelTaken."""
    when = to_micros(tx.now())
    model_id = claim(tx, new.kind, new.name)
    number = _next_number(tx, model_id)
    if new.label is not None and (holder := _numbered(tx.connection, model_id, versions.c.label == new.label)):
        raise LabelTaken(kind=new.kind, name=new.name, label=new.label, number=holder)
    result = tx.execute(
        insert(versions).values(
            model_id=model_id,
            number=number,
            label=new.label,
            digest=new.digest,
            provenance=new.provenance,
            flavor=new.flavor,
            size=new.size,
            files=new.files,
            description=new.description,
            created_time=when,
            created_by=tx.actor,
        )
    )
    row_id = _new_id(result)
    _insert(tx, tags, [{"version_id": row_id, "key": k, "value": v} for k, v in new.tags.items()])
    _insert(tx, properties, [{"version_id": row_id, "key": k, "value": v} for k, v in new.properties.items()])
    _insert(tx, metrics, [{"version_id": row_id, "key": k, "value": v, "time": when} for k, v in new.metrics.items()])
    _insert(tx, inputs, [{"version_id": row_id, "role": r, "input_version_id": i} for r, i in new.inputs])
    tx.record(
        "version.register",
        kind=new.kind,
        name=new.name,
        subject=f"{new.name}/{number}",
        after={
            "version": number,
            "digest": new.digest,
            "provenance": new.provenance,
            "label": new.label,
            "tags": dict(new.tags),
            "properties": dict(new.properties),
            "metrics": dict(new.metrics),
        },
    )
    return by_id(tx.connection, row_id)


def by_id(connection: Connection, row_id: int) -> VersionRow:
    """The version in this database row, which is known to exist."""
    return _version(connection.execute(_select().where(versions.c.id == row_id)).one())


def model_id(connection: Connection, workspace: str, kind: Kind, name: ModelName) -> int:
    """The row of a registered name. Raises ModelNotFound, with the closest name there is."""
    conditions = (models.c.workspace == workspace, models.c.kind == kind)
    found = connection.execute(select(models.c.id).where(*conditions, models.c.name == name)).scalar()
    if found is not None:
        return int(found)
    names = connection.execute(select(models.c.name).where(*conditions).limit(10_000)).scalars().all()
    close = get_close_matches(name, names, 1)
    closest = f"; did you mean {close[0]!r}?" if close else ""
    raise ModelNotFound(kind=kind, name=name, closest=closest, flag=" --datasets" if kind == "dataset" else "")


def find(
    connection: Connection, workspace: str, kind: Kind, reference: Reference, wanted: Mapping[str, str | None]
) -> VersionRow:
    """The one version that is meant.

    Latest with filters is the newest version that matches; a number, label or alias **and** a filter that it does not match raises
    FilterMismatch. Raises ModelNotFound, VersionNotFound, LabelNotFound, AliasNotFound, NoVersionMatches.
    """
    owner = model_id(connection, workspace, kind, reference.name)
    number = _number_of(connection, kind, reference.name, owner, reference.selector)
    query = _select().where(versions.c.model_id == owner)
    if number is None:
        query = query.where(versions.c.archived == 0, *_tag_conditions(wanted))
        newest = connection.execute(query.order_by(versions.c.number.desc()).limit(1)).first()
        if newest is None:
            raise NoVersionMatches(kind=kind, name=reference.name, filters=_in_words(wanted))
        return _version(newest)
    found = connection.execute(query.where(versions.c.number == number)).first()
    if found is None:
        highest = connection.execute(select(models.c.next_number).where(models.c.id == owner)).scalar_one() - 1
        numbers = "no versions" if highest == 0 else "version 1" if highest == 1 else f"versions 1 to {highest}"
        raise VersionNotFound(kind=kind, name=reference.name, asked=number, found=numbers)
    row = _version(found)
    if wanted:
        found_tags = dictionary(connection, tags, row.id)
        if not matches(wanted, found_tags):
            raise FilterMismatch(
                reference=row.reference, filters=_in_words(wanted), found=_in_words(found_tags) or "no tags"
            )
    return row


def listing(
    connection: Connection,
    workspace: str,
    kind: Kind,
    *,
    name: ModelName | None = None,
    wanted: Mapping[str, str | None] | None = None,
    wanted_properties: Mapping[str, str | None] | None = None,
    latest: bool = False,
) -> list[VersionRow]:
    """Versions by name, newest first; with ``latest`` only the newest match of each model."""
    query = _select().where(models.c.workspace == workspace, models.c.kind == kind, versions.c.archived == 0)
    if name is not None:
        query = query.where(models.c.name == name)
    query = query.where(*_tag_conditions(wanted or {}), *_tag_conditions(wanted_properties or {}, properties))
    rows = [_version(row) for row in connection.execute(query.order_by(models.c.name, versions.c.number.desc()))]
    if latest:
        newest: dict[str, VersionRow] = {}
        for row in rows:
            newest.setdefault(row.name, row)
        return list(newest.values())
    return rows


def dictionary(connection: Connection, table: Any, row_id: int) -> dict[str, str]:
    """The tags or the properties of a version."""
    query = select(table.c.key, table.c.value).where(table.c.version_id == row_id).order_by(table.c.key)
    return {row.key: row.value for row in connection.execute(query)}


def measured(connection: Connection, row_id: int) -> dict[str, float]:
    """The metrics of a version: the last value of each key."""
    query = select(metrics.c.key, metrics.c.value).where(metrics.c.version_id == row_id).order_by(metrics.c.id)
    return {row.key: row.value for row in connection.execute(query)}


def inputs_of(connection: Connection, row_id: int) -> list[tuple[str, VersionRow]]:
    """The data set versions that a version was made from, with their roles."""
    query = (
        select(inputs.c.role, inputs.c.input_version_id).where(inputs.c.version_id == row_id).order_by(inputs.c.role)
    )
    return [(role, by_id(connection, row)) for role, row in connection.execute(query).all()]


def aliases_of(connection: Connection, owner: int) -> dict[str, int]:
    """Where the aliases of a model point."""
    query = select(aliases.c.name, aliases.c.number).where(aliases.c.model_id == owner).order_by(aliases.c.name)
    return {row.name: row.number for row in connection.execute(query)}


def alias_number(connection: Connection, owner: int, alias: AliasName) -> int | None:
    """Where an alias points, or None."""
    query = select(aliases.c.number).where(aliases.c.model_id == owner, aliases.c.name == alias)
    found = connection.execute(query).scalar()
    return None if found is None else int(found)


def _number_of(connection: Connection, kind: Kind, name: str, owner: int, selector: Selector) -> int | None:
    match selector:
        case Latest():
            return None
        case Number(value):
            return value
        case Label(value):
            found = _numbered(connection, owner, versions.c.label == value)
            if found is None and value.isascii() and value.isdigit() and len(value) <= 18:  # Azure's id, fraud:3
                found = _numbered(connection, owner, versions.c.number == int(value))
            if found is None:
                labelled = select(versions.c.label).where(versions.c.model_id == owner, versions.c.label.is_not(None))
                labels = connection.execute(labelled.order_by(versions.c.number.desc()).limit(5)).scalars().all()
                raise LabelNotFound(kind=kind, name=name, label=value, found=", ".join(map(str, labels)) or "no labels")
            return found
        case Alias(value):
            found = alias_number(connection, owner, value)
            if found is None:
                known = ", ".join(aliases_of(connection, owner)) or "no aliases"
                raise AliasNotFound(kind=kind, name=name, alias=value, found=known)
            return found


def _numbered(connection: Connection, owner: int, condition: ColumnElement[bool]) -> int | None:
    found = connection.execute(select(versions.c.number).where(versions.c.model_id == owner, condition)).scalar()
    return None if found is None else int(found)


def claim(tx: Transaction, kind: Kind, name: ModelName) -> int:
    """The row of a name, made when it is new."""
    place = (models.c.workspace == tx.workspace, models.c.kind == kind, models.c.name == name)
    found = tx.execute(select(models.c.id).where(*place)).scalar()
    if found is not None:
        return int(found)
    made = tx.execute(
        insert(models).values(
            workspace=tx.workspace,
            kind=kind,
            name=name,
            next_number=1,
            created_time=to_micros(tx.now()),
            created_by=tx.actor,
        )
    )
    tx.record("model.create", kind=kind, name=name, subject=name, after={"name": name})
    return _new_id(made)


def _next_number(tx: Transaction, owner: int) -> int:
    """Takes the next number; the counter only ever goes up, whatever becomes of the versions."""
    taken = update(models).where(models.c.id == owner).values(next_number=models.c.next_number + 1)
    return int(tx.execute(taken.returning(models.c.next_number)).scalar_one()) - 1


def _new_id(result: CursorResult[Any]) -> int:
    key = result.inserted_primary_key
    assert key is not None  # noqa: S101 - a single-row insert has one
    return int(key[0])


def _insert(tx: Transaction, table: Any, values: list[dict[str, Any]]) -> None:
    if values:
        tx.connection.execute(insert(table), values)


def _tag_conditions(wanted: Mapping[str, str | None], table: Any = tags) -> list[ColumnElement[bool]]:
    conditions: list[ColumnElement[bool]] = []
    for key, value in wanted.items():
        match = exists().where(table.c.version_id == versions.c.id, table.c.key == key)
        conditions.append(match if value is None else match.where(table.c.value == value))
    return conditions


def _in_words(wanted: Mapping[str, str | None]) -> str:
    return " and ".join(f"{k}={v}" if v is not None else f"tag {k}" for k, v in wanted.items())


def _select() -> Select[Any]:
    return select(versions, models.c.kind, models.c.name).join(models, versions.c.model_id == models.c.id)


def _version(row: Row[Any]) -> VersionRow:
    return VersionRow(
        id=row.id,
        model_id=row.model_id,
        kind=row.kind,
        name=ModelName(row.name),
        number=row.number,
        label=row.label,
        digest=row.digest,
        provenance=row.provenance,
        flavor=row.flavor,
        size=row.size,
        files=row.files,
        description=row.description,
        created_time=from_micros(row.created_time),
        created_by=row.created_by,
    )
