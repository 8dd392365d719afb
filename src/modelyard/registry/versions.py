"""Versions: rows that are made once with the next number, and found by number, label, alias, latest or tags."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from difflib import get_close_matches
from functools import cache
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Connection,
    CursorResult,
    Row,
    Select,
    bindparam,
    exists,
    insert,
    select,
    update,
)
from sqlalchemy.dialects.postgresql import insert as pg_insert

from modelyard.core.clock import from_micros, to_micros, to_text
from modelyard.core.digests import canonical_json
from modelyard.core.errors import (
    AliasNotFound,
    FilterMismatch,
    LabelNotFound,
    LabelTaken,
    ModelDeleted,
    ModelNotFound,
    NoVersionMatches,
    VersionDeleted,
    VersionNotFound,
)
from modelyard.core.names import AliasName, Kind, LabelName, ModelName, stored
from modelyard.core.references import Alias, Label, Latest, Number, Reference
from modelyard.core.tags import matches
from modelyard.registry.labels import order
from modelyard.registry.prepared import Prepared
from modelyard.registry.schema import HEAD_LENGTH, aliases, inputs, metrics, models, properties, reports, tags, versions
from modelyard.registry.transaction import Transaction

GONE = ("deleted", "purged")
"""States of a version that is no more."""


@dataclass(frozen=True)
class NewReport:
    """What was found of a version: see :mod:`modelyard.registry.reports`."""

    kind: str
    tool: str
    summary: Mapping[str, Any]
    document: str | None = None


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
    card: str = ""  # Markdown
    lineage: Mapping[str, Any] | None = None  # what of the provenance can be searched
    reports: tuple[NewReport, ...] = ()
    reason: str = ""


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
    state: str  # see registry.lifecycle
    state_time: datetime | None
    created_time: datetime
    created_by: str

    @property
    def reference(self) -> str:
        return f"{self.name}/{self.number}"


_INSERT_VERSION = Prepared(
    insert(versions).returning(versions.c.id),
    [column.name for column in versions.columns if column.name not in ("id", "state_time")],
)
_INSERT_TAG = Prepared(insert(tags), [column.name for column in tags.columns])
_INSERT_PROPERTY = Prepared(insert(properties), [column.name for column in properties.columns])
_INSERT_METRIC = Prepared(insert(metrics), ["version_id", "model_id", "key", "value", "time", "current"])
_INSERT_INPUT = Prepared(insert(inputs), [column.name for column in inputs.columns])
_INSERT_REPORT = Prepared(insert(reports), [column.name for column in reports.columns if column.name != "id"])
_TAKE = Prepared(
    update(models)
    .where(
        models.c.workspace == bindparam("of_workspace"),
        models.c.kind == bindparam("of_kind"),
        models.c.name == bindparam("of_name"),
        models.c.state != "deleted",
    )
    .values(next_number=models.c.next_number + 1)
    .returning(models.c.id, models.c.next_number)
)


def create(tx: Transaction, new: NewVersion) -> VersionRow:
    """Makes the version with the next number of its model, which is made too when it is the first. Raises LabelTaken, ModelDeleted."""
    now = tx.now()
    when = to_micros(now)
    owner, number = _next_number(tx, new.kind, new.name)
    if new.label is not None:
        require_free_label(tx.connection, new.kind, new.name, owner, new.label)
    facts: dict[str, Any] = {
        "model_id": owner,
        "number": number,
        "label": new.label,
        "label_order": None if new.label is None else order(new.label),
        "digest": new.digest,
        "provenance": new.provenance,
        "lineage": canonical_json(dict(new.lineage)).decode() if new.lineage else None,
        "flavor": new.flavor,
        "size": new.size,
        "files": new.files,
        "description": new.description,
        "card": new.card,
        "state": "active",
        "created_time": when,
        "created_by": tx.actor,
    }
    row_id = int(_INSERT_VERSION.first(tx.connection, facts)[0])
    _INSERT_TAG.each(
        tx.connection, [{"version_id": row_id, "model_id": owner, **pair(k, v)} for k, v in new.tags.items()]
    )
    _INSERT_PROPERTY.each(tx.connection, [{"version_id": row_id, **pair(k, v)} for k, v in new.properties.items()])
    measured = {"version_id": row_id, "model_id": owner, "time": when, "current": 1}
    _INSERT_METRIC.each(tx.connection, [{**measured, "key": k, "value": v} for k, v in new.metrics.items()])
    _INSERT_INPUT.each(tx.connection, [{"version_id": row_id, "role": r, "input_version_id": i} for r, i in new.inputs])
    _INSERT_REPORT.each(
        tx.connection, [{"version_id": row_id, "time": when, "actor": tx.actor, **_report(r)} for r in new.reports]
    )
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
            **({"description": new.description} if new.description else {}),
            **({"reports": [vars(report) for report in new.reports]} if new.reports else {}),
        },
        reason=new.reason,
    )
    known: dict[str, Any] = {name: facts.get(name) for name in _COLUMNS}
    known |= {"id": row_id, "kind": new.kind, "name": new.name, "created_time": from_micros(when)}
    return VersionRow(**known)


def require_free_label(connection: Connection, kind: Kind, name: ModelName, owner: int, label: LabelName) -> None:
    """Raises LabelTaken. The label of a deleted version stays its own: a label never comes to mean other bytes."""
    if holder := _numbered(connection, owner, versions.c.label == label):
        raise LabelTaken(kind=kind, name=name, label=label, number=holder)


def pair(key: str, value: str) -> dict[str, str]:
    """The columns of a tag or a property."""
    return {"key": key, "value": value, "head": value[:HEAD_LENGTH]}


def by_id(connection: Connection, row_id: int) -> VersionRow:
    """The version in this database row, which is known to exist."""
    return to_version(connection.execute(selection().where(versions.c.id == row_id)).one())


def model_id(connection: Connection, workspace: str, kind: Kind, name: ModelName) -> int:
    """The row of a registered name. Raises ModelNotFound, with the closest name there is."""
    conditions = (models.c.workspace == workspace, models.c.kind == kind)
    found = connection.execute(select(models.c.id, models.c.state).where(*conditions, models.c.name == name)).first()
    if found is not None and found.state != "deleted":
        return int(found.id)
    if found is not None:
        raise ModelDeleted(kind=kind, name=name, flag=" --dataset" if kind == "dataset" else "")
    names = connection.execute(select(models.c.name).where(*conditions).limit(10_000)).scalars().all()
    close = get_close_matches(name, names, 1)
    closest = f"; did you mean {close[0]!r}?" if close else ""
    raise ModelNotFound(kind=kind, name=name, closest=closest, flag=" --datasets" if kind == "dataset" else "")


def lock(tx: Transaction, owner: int) -> None:
    """Holds the row of a model until the transaction ends: what is read of the model from here on stays true. One model a transaction, or :meth:`Registry.begin` alone."""
    if tx.connection.dialect.name == "postgresql":  # SQLite has one writer anyway
        tx.execute(select(models.c.id).where(models.c.id == owner).with_for_update(key_share=True))


def find(
    connection: Connection, workspace: str, kind: Kind, reference: Reference, wanted: Mapping[str, str | None]
) -> VersionRow:
    """The one version that is meant; archived ones too, when they are named.

    Latest with filters is the newest active version that matches; a number, label or alias **and** a filter that it does not match raises
    FilterMismatch. Raises ModelNotFound, VersionNotFound, VersionDeleted, LabelNotFound, AliasNotFound, NoVersionMatches.
    """
    row = _asked(connection, workspace, kind, reference, wanted)
    if row is None:
        row = _explain_missing(connection, workspace, kind, reference, wanted)
    if row.state in GONE:
        raise _deleted(row)
    if wanted and not isinstance(reference.selector, Latest):
        found_tags = dictionary(connection, tags, row.id)
        if not matches(wanted, found_tags):
            raise FilterMismatch(
                reference=row.reference, filters=_in_words(wanted), found=_in_words(found_tags) or "no tags"
            )
    return row


def find_any(connection: Connection, workspace: str, kind: Kind, name: ModelName, number: int) -> VersionRow:
    """A version by its number, deleted ones too. Raises ModelNotFound, VersionNotFound."""
    place = (models.c.workspace == workspace, models.c.kind == kind, models.c.name == name)
    found = connection.execute(selection().where(*place, versions.c.number == number)).first()
    if found is not None:
        return to_version(found)
    return _explain_missing(connection, workspace, kind, Reference(name, Number(number)), {})


def _asked(
    connection: Connection, workspace: str, kind: Kind, reference: Reference, wanted: Mapping[str, str | None]
) -> VersionRow | None:
    """The answer in the usual case, by one query."""
    selector = reference.selector
    asked: dict[str, Any] = {"of_workspace": workspace, "of_kind": kind, "of_name": reference.name}
    if not isinstance(selector, Latest):
        asked["asked"] = selector.value
    elif wanted:
        query = _query(Latest.__name__).where(*_tag_conditions(wanted))
        row = connection.execute(query, asked).first()
        return None if row is None else to_version(row)
    found = _prepared(type(selector).__name__).first(connection, asked)
    return None if found is None else to_version(found)


@cache
def _prepared(selector: str) -> Prepared:
    return Prepared(_query(selector))


@cache
def _query(selector: str) -> Select[Any]:
    """The query for each way to name a version."""
    place = (
        models.c.workspace == bindparam("of_workspace"),
        models.c.kind == bindparam("of_kind"),
        models.c.name == bindparam("of_name"),
        models.c.state != "deleted",
    )
    query = selection().where(*place)
    if selector == Number.__name__:
        return query.where(versions.c.number == bindparam("asked"))
    if selector == Label.__name__:
        return query.where(versions.c.label == bindparam("asked"))
    if selector == Alias.__name__:
        here = (aliases.c.model_id == models.c.id) & (aliases.c.number == versions.c.number)
        return query.join(aliases, here).where(aliases.c.name == bindparam("asked"))
    # With the model as one value, PostgreSQL walks the numbers backward and stops at the first; out of a join it would sort all versions of it.
    owner = select(models.c.id).where(*place).correlate(None).scalar_subquery()
    query = query.where(versions.c.model_id == owner, versions.c.state == "active")
    return query.order_by(versions.c.number.desc()).limit(1)


def _explain_missing(
    connection: Connection, workspace: str, kind: Kind, reference: Reference, wanted: Mapping[str, str | None]
) -> VersionRow:
    """Says why there is no such version; or finds it after all, by Azure's spelling of a number."""
    owner, name = model_id(connection, workspace, kind, reference.name), reference.name
    match reference.selector:
        case Latest():
            raise NoVersionMatches(kind=kind, name=name, filters=_in_words(wanted) or "that: it has no active version")
        case Number(value):
            highest = connection.execute(select(models.c.next_number).where(models.c.id == owner)).scalar_one() - 1
            numbers = "no versions" if highest == 0 else "version 1" if highest == 1 else f"versions 1 to {highest}"
            raise VersionNotFound(kind=kind, name=name, asked=value, found=numbers)
        case Label(value):
            if value.isascii() and value.isdigit() and len(value) <= 18:  # Azure's id, fraud:3
                mine = (versions.c.model_id == owner, versions.c.number == int(value))
                found = connection.execute(selection().where(*mine)).first()
                if found is not None:
                    return to_version(found)
            labelled = select(versions.c.label).where(versions.c.model_id == owner, versions.c.label.is_not(None))
            labels = connection.execute(labelled.order_by(versions.c.number.desc()).limit(5)).scalars().all()
            raise LabelNotFound(kind=kind, name=name, label=value, found=", ".join(map(str, labels)) or "no labels")
        case Alias(value):
            known = ", ".join(aliases_of(connection, owner)) or "no aliases"
            raise AliasNotFound(kind=kind, name=name, alias=value, found=known)


def _deleted(row: VersionRow) -> VersionDeleted:
    when = "" if row.state_time is None else f" on {to_text(row.state_time)}"
    flag = " --dataset" if row.kind == "dataset" else ""
    then = f"bring it back with: modelyard restore {row.reference}{flag}"
    if row.state == "purged":
        then = "and its bytes were removed; register them again as a new version"
    return VersionDeleted(kind=row.kind, reference=row.reference, when=when, then=then)


def listing(
    connection: Connection,
    workspace: str,
    kind: Kind,
    *,
    name: ModelName | None = None,
    wanted: Mapping[str, str | None] | None = None,
    wanted_properties: Mapping[str, str | None] | None = None,
    latest: bool = False,
    states: Collection[str] = ("active",),
) -> list[VersionRow]:
    """Versions by name, newest first; with ``latest`` only the newest match of each model; archived or deleted ones where ``states`` asks for them."""
    query = selection().where(models.c.workspace == workspace, models.c.kind == kind, versions.c.state.in_(states))
    if name is not None:
        query = query.where(models.c.name == name)
    query = query.where(*_tag_conditions(wanted or {}), *_tag_conditions(wanted_properties or {}, properties))
    rows = [to_version(row) for row in connection.execute(query.order_by(models.c.name, versions.c.number.desc()))]
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
    query = select(metrics.c.key, metrics.c.value).where(metrics.c.version_id == row_id, metrics.c.current == 1)
    return {row.key: row.value for row in connection.execute(query.order_by(metrics.c.key))}


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


_ALIAS = Prepared(
    select(aliases.c.number).where(aliases.c.model_id == bindparam("owner"), aliases.c.name == bindparam("alias"))
)


def alias_number(connection: Connection, owner: int, alias: AliasName) -> int | None:
    """Where an alias points, or None."""
    found = _ALIAS.first(connection, {"owner": owner, "alias": alias})
    return None if found is None else int(found[0])


def _numbered(connection: Connection, owner: int, condition: ColumnElement[bool]) -> int | None:
    found = connection.execute(select(versions.c.number).where(versions.c.model_id == owner, condition)).scalar()
    return None if found is None else int(found)


def claim(tx: Transaction, kind: Kind, name: ModelName) -> int:
    """The row of a name, made when it is new, and locked. A deleted name comes back with its counter, so that no number is used twice."""
    place = (models.c.workspace == tx.workspace, models.c.kind == kind, models.c.name == name)
    query = select(models.c.id, models.c.state).where(*place).with_for_update(key_share=True)
    found = tx.execute(query).first()
    if found is None:
        facts = {"workspace": tx.workspace, "kind": kind, "name": name, "next_number": 1}
        facts |= {"created_time": to_micros(tx.now()), "created_by": tx.actor, "state": "active"}
        if tx.connection.dialect.name == "sqlite":
            row_id = _new_id(tx.execute(insert(models).values(**facts)))
        else:
            made = tx.execute(
                pg_insert(models).values(**facts).on_conflict_do_nothing().returning(models.c.id)
            ).scalar()
            if made is None:  # another was faster; its row can be read once it has committed
                return claim(tx, kind, name)
            row_id = int(made)
        tx.record("model.create", kind=kind, name=name, subject=name, after={"name": name})
        return row_id
    if found.state == "deleted":
        back = {"state": "active", "state_time": to_micros(tx.now())}
        tx.execute(update(models).where(models.c.id == found.id).values(**back))
        tx.record("model.create", kind=kind, name=name, subject=name, before={"state": "deleted"}, after={"name": name})
    return int(found.id)


def _next_number(tx: Transaction, kind: Kind, name: ModelName) -> tuple[int, int]:
    """The model and its next number, taken; the counter only ever goes up, whatever becomes of the versions."""
    place = {"of_workspace": tx.workspace, "of_kind": kind, "of_name": name}
    found = _TAKE.first(tx.connection, place)
    if found is None:
        claim(tx, kind, name)
        found = _TAKE.first(tx.connection, place)
    owner, following = found
    return int(owner), int(following) - 1


def _new_id(result: CursorResult[Any]) -> int:
    key = result.inserted_primary_key
    assert key is not None  # noqa: S101 - a single-row insert has one
    return int(key[0])


def _report(report: NewReport) -> dict[str, Any]:
    return {**vars(report), "summary": canonical_json(dict(report.summary)).decode()}


def _tag_conditions(wanted: Mapping[str, str | None], table: Any = tags) -> list[ColumnElement[bool]]:
    conditions: list[ColumnElement[bool]] = []
    for key, value in wanted.items():
        match = exists().where(table.c.version_id == versions.c.id, table.c.key == key)
        conditions.append(match if value is None else match.where(table.c.value == value))
    return conditions


def _in_words(wanted: Mapping[str, str | None]) -> str:
    return " and ".join(f"{k}={v}" if v is not None else f"tag {k}" for k, v in wanted.items())


_COLUMNS = (
    "id", "model_id", "number", "label", "digest", "provenance", "flavor", "size", "files", "description", "state", "state_time", "created_time",
    "created_by",
)  # fmt: skip


def selection() -> Select[Any]:
    """A query whose rows :func:`to_version` understands; it joins the tables ``versions`` and ``models``."""
    columns = [versions.c[name] for name in _COLUMNS]
    return select(*columns, models.c.kind, models.c.name).join(models, versions.c.model_id == models.c.id)


def to_version(row: Row[Any]) -> VersionRow:
    """What a row of :func:`selection` says; it may have more columns behind those."""
    facts = dict(zip((*_COLUMNS, "kind", "name"), row, strict=False))
    facts["name"] = stored(ModelName, facts["name"])
    facts["created_time"] = from_micros(facts["created_time"])
    if facts["state_time"] is not None:
        facts["state_time"] = from_micros(facts["state_time"])
    return VersionRow(**facts)
