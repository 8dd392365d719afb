"""Versions are made once, with the next number of their model."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import ColumnElement, Connection, insert, select

from modelyard.core.clock import from_micros, to_micros
from modelyard.core.digests import canonical_json
from modelyard.core.errors import LabelTaken
from modelyard.core.names import Kind, LabelName, ModelName
from modelyard.registry.labels import order
from modelyard.registry.prepared import Prepared
from modelyard.registry.schema import inputs, metrics, properties, reports, tags, versions
from modelyard.registry.transaction import Transaction
from modelyard.registry.versions.contents import pair
from modelyard.registry.versions.owners import next_number
from modelyard.registry.versions.row import COLUMNS, VersionRow


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


_INSERT_VERSION = Prepared(
    insert(versions).returning(versions.c.id),
    [column.name for column in versions.columns if column.name not in ("id", "state_time")],
)


_INSERT_TAG = Prepared(insert(tags), [column.name for column in tags.columns])


_INSERT_PROPERTY = Prepared(insert(properties), [column.name for column in properties.columns])


_INSERT_METRIC = Prepared(insert(metrics), ["version_id", "model_id", "key", "value", "time", "current"])


_INSERT_INPUT = Prepared(insert(inputs), [column.name for column in inputs.columns])


_INSERT_REPORT = Prepared(insert(reports), [column.name for column in reports.columns if column.name != "id"])


def create(tx: Transaction, new: NewVersion) -> VersionRow:
    """Makes the version with the next number of its model, which is made too when it is the first. Raises LabelTaken, ModelDeleted."""
    now = tx.now()
    when = to_micros(now)
    owner, number = next_number(tx, new.kind, new.name)
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
    place = {"version_id": row_id, "model_id": owner, "number": number}
    _INSERT_TAG.each(tx.connection, [{**place, **pair(k, v)} for k, v in new.tags.items()])
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
    known: dict[str, Any] = {name: facts.get(name) for name in COLUMNS}
    known |= {"id": row_id, "kind": new.kind, "name": new.name, "created_time": from_micros(when)}
    return VersionRow(**known)


def require_free_label(connection: Connection, kind: Kind, name: ModelName, owner: int, label: LabelName) -> None:
    """Raises LabelTaken. The label of a deleted version stays its own: a label never comes to mean other bytes."""
    if holder := _numbered(connection, owner, versions.c.label == label):
        raise LabelTaken(kind=kind, name=name, label=label, number=holder)


def _report(report: NewReport) -> dict[str, Any]:
    return {**vars(report), "summary": canonical_json(dict(report.summary)).decode()}


def _numbered(connection: Connection, owner: int, condition: ColumnElement[bool]) -> int | None:
    found = connection.execute(select(versions.c.number).where(versions.c.model_id == owner, condition)).scalar()
    return None if found is None else int(found)
