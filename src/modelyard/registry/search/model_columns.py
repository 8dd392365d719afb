"""Where the fields of a model or a data set are."""

from __future__ import annotations

from typing import Any, Final

from sqlalchemy import ColumnElement, exists, func, select

from modelyard.registry import schema
from modelyard.registry.language.tree import Name
from modelyard.registry.schema import models, versions
from modelyard.registry.search.fields import Field
from modelyard.registry.search.operands import OfEach, Operand, Plain, Several

_VERSION: Final = versions.alias("version")
_NOTED: Final = schema.model_tags.alias("noted")
_ALIAS: Final = schema.aliases.alias("pointing")


class ModelColumns:
    """For queries over ``models``."""

    def __init__(self, dialect: str) -> None:
        self.dialect = dialect

    def operand(self, field: Field, name: Name) -> Operand:
        match name.path:
            case ("tags", str(key)):
                return Plain("text", _tag(key))
            case ("aliases", str(key)):
                return Plain("whole", _pointed(key))
            case ("alias",):
                return Several(_alias)
            case ("archived",):
                return Plain("truth", models.c.state == "archived", nullable=False)
            case ("versions",):
                return Plain("whole", _count(), nullable=False)
            case ("latest",):
                return Plain("whole", latest())
            case ("updated_time",):
                return Plain("time", _updated(), nullable=False)
        return Plain(field.type, models.c[field.name], nullable=field.name == "state_time")


def latest() -> ColumnElement[Any]:
    """The highest number of an active version, or null."""
    table = _VERSION
    found = select(table.c.number).where(table.c.model_id == models.c.id, table.c.state == "active")
    return found.order_by(table.c.number.desc()).limit(1).correlate(models).scalar_subquery()


def _count() -> ColumnElement[Any]:
    table = _VERSION
    found = select(func.count()).where(table.c.model_id == models.c.id, table.c.state == "active")
    return found.correlate(models).scalar_subquery()


def _updated() -> ColumnElement[Any]:
    table = _VERSION
    found = select(table.c.created_time).where(table.c.model_id == models.c.id).order_by(table.c.number.desc()).limit(1)
    return func.coalesce(found.correlate(models).scalar_subquery(), models.c.created_time)


def _tag(key: str) -> ColumnElement[Any]:
    table = _NOTED
    found = select(table.c.value).where(table.c.model_id == models.c.id, table.c.key == key)
    return found.correlate(models).scalar_subquery()


def _pointed(alias: str) -> ColumnElement[Any]:
    table = _ALIAS
    found = select(table.c.number).where(table.c.model_id == models.c.id, table.c.name == alias)
    return found.correlate(models).scalar_subquery()


def _alias(condition: OfEach) -> ColumnElement[bool]:
    table = _ALIAS
    return exists().where(table.c.model_id == models.c.id, condition(table.c.name)).correlate(models)
