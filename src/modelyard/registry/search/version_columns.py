"""Where the fields of a version are: in its row, its model's row, or in tables beside them."""

from __future__ import annotations

from typing import Any, Final

from sqlalchemy import ColumnElement, Text, cast, exists, select

from modelyard.registry import schema
from modelyard.registry.language.tree import Name
from modelyard.registry.schema import models, versions
from modelyard.registry.search import documents
from modelyard.registry.search.fields import Field
from modelyard.registry.search.operands import InDocument, OfEach, Operand, Plain, Several

_NOTED: Final = {"tags": schema.tags.alias("noted"), "properties": schema.properties.alias("noted")}
_MEASURED: Final = schema.metrics.alias("measured")
_ALIAS: Final = schema.aliases.alias("pointing")
_INPUT, _USED, _OWNER = schema.inputs.alias("input"), versions.alias("used"), models.alias("owner")
_REPORT: Final = schema.reports.alias("report")
_REPORTS = {"scan": "scan", "signatures": "signature"}
_NULLABLE = ("label", "state_time")


class VersionColumns:
    """For queries that join ``versions`` and ``models``."""

    def __init__(self, dialect: str) -> None:
        self.dialect = dialect

    def operand(self, field: Field, name: Name) -> Operand:
        match name.path:
            case ("tags" | "properties" as table, str(key)):
                return Plain("text", _noted(table, key))
            case ("metrics", str(key)):
                return Plain("number", measured(key))
            case ("measured_on", str(dataset), str(key)):
                return Plain("number", _measured_on(dataset, key))
            case ("aliases", str(key)):
                return Plain("whole", _pointed(key))
            case ("alias",):
                return Several(_alias)
            case ("input",):
                return Several(lambda condition: _input(condition, None))
            case ("inputs", str(role)):
                return Several(lambda condition: _input(condition, role), known=_input(None, role))
            case ("provenance", *path):
                return InDocument(documents.place(self.dialect, versions.c.lineage, tuple(path)))
            case ("scan" | "signatures" as kind, *path):
                return InDocument(documents.place(self.dialect, _report(_REPORTS[kind]), tuple(path)))
            case ("archived",):
                return Plain("truth", versions.c.state == "archived", nullable=False)
            case ("name",):
                return Plain("text", models.c.name, nullable=False)
            case ("label",):
                return Plain("label", versions.c.label, versions.c.label_order)
        return Plain(field.type, versions.c[field.name], nullable=field.name in _NULLABLE)


def measured(key: str) -> ColumnElement[Any]:
    """The last value of a metric of the version."""
    table = _MEASURED
    found = select(table.c.value).where(table.c.version_id == versions.c.id, table.c.key == key, table.c.current == 1)
    return found.order_by(table.c.id.desc()).limit(1).correlate(versions).scalar_subquery()


def _noted(name: str, key: str) -> ColumnElement[Any]:
    table = _NOTED[name]
    found = select(table.c.value).where(table.c.version_id == versions.c.id, table.c.key == key)
    return found.correlate(versions).scalar_subquery()


def _measured_on(dataset: str, key: str) -> ColumnElement[Any]:
    table = _MEASURED
    found = select(table.c.value).where(table.c.version_id == versions.c.id, table.c.key == key)
    found = found.where(table.c.dataset == dataset).order_by(table.c.id.desc()).limit(1)
    return found.correlate(versions).scalar_subquery()


def _pointed(alias: str) -> ColumnElement[Any]:
    table = _ALIAS
    here = (table.c.model_id == versions.c.model_id, table.c.number == versions.c.number)
    return select(table.c.number).where(*here, table.c.name == alias).correlate(versions).scalar_subquery()


def _alias(condition: OfEach) -> ColumnElement[bool]:
    table = _ALIAS
    here = (table.c.model_id == versions.c.model_id, table.c.number == versions.c.number)
    return exists().where(*here, condition(table.c.name)).correlate(versions)


def _input(condition: OfEach | None, role: str | None) -> ColumnElement[bool]:
    table, used, owner = _INPUT, _USED, _OWNER
    found = exists().where(table.c.version_id == versions.c.id)
    if role is not None:
        found = found.where(table.c.role == role)
    if condition is None:
        return found.correlate(versions)
    reference = owner.c.name + "/" + cast(used.c.number, Text)
    joined = (used.c.id == table.c.input_version_id, owner.c.id == used.c.model_id)
    return found.where(*joined, condition(reference)).correlate(versions)


def _report(kind: str) -> ColumnElement[Any]:
    table = _REPORT
    found = select(table.c.summary).where(table.c.version_id == versions.c.id, table.c.kind == kind)
    return found.order_by(table.c.id.desc()).limit(1).correlate(versions).scalar_subquery()
