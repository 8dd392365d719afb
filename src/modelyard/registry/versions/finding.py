"""One version by number, label, alias, latest or tags; why there is none; and lists of them."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from functools import cache
from typing import Any

from sqlalchemy import ColumnElement, Connection, Select, bindparam, exists, select

from modelyard.core.clock import to_text
from modelyard.core.errors import (
    AliasNotFound,
    FilterMismatch,
    LabelNotFound,
    NoVersionMatches,
    VersionDeleted,
    VersionNotFound,
)
from modelyard.core.names import Kind, ModelName
from modelyard.core.references import Alias, Label, Latest, Number, Reference
from modelyard.core.tags import matches
from modelyard.registry.prepared import Prepared
from modelyard.registry.schema import aliases, inputs, models, properties, tags, versions
from modelyard.registry.versions.contents import aliases_of, dictionary
from modelyard.registry.versions.owners import model_id
from modelyard.registry.versions.row import GONE, VersionRow, selection, to_version


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


def by_id(connection: Connection, row_id: int) -> VersionRow:
    """The version in this database row, which is known to exist."""
    return to_version(connection.execute(selection().where(versions.c.id == row_id)).one())


def inputs_of(connection: Connection, row_id: int) -> list[tuple[str, VersionRow]]:
    """The data set versions that a version was made from, with their roles."""
    query = (
        select(inputs.c.role, inputs.c.input_version_id).where(inputs.c.version_id == row_id).order_by(inputs.c.role)
    )
    return [(role, by_id(connection, row)) for role, row in connection.execute(query).all()]


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


def _tag_conditions(wanted: Mapping[str, str | None], table: Any = tags) -> list[ColumnElement[bool]]:
    conditions: list[ColumnElement[bool]] = []
    for key, value in wanted.items():
        match = exists().where(table.c.version_id == versions.c.id, table.c.key == key)
        conditions.append(match if value is None else match.where(table.c.value == value))
    return conditions


def _in_words(wanted: Mapping[str, str | None]) -> str:
    return " and ".join(f"{k}={v}" if v is not None else f"tag {k}" for k, v in wanted.items())
