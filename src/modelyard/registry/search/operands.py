"""What stands on a side of a comparison, as SQL."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol, TypeAlias

from sqlalchemy import ColumnElement

from modelyard.registry.language.tree import Name
from modelyard.registry.search.documents import Place
from modelyard.registry.search.fields import Field, Type

OfEach: TypeAlias = Callable[[ColumnElement[str]], ColumnElement[bool]]


@dataclass(frozen=True)
class Plain:
    """One value, or null. Times are microseconds. ``order`` is what a label is ordered by."""

    type: Type
    sql: ColumnElement[Any]
    order: ColumnElement[Any] | None = None
    nullable: bool = True


@dataclass(frozen=True)
class InDocument:
    place: Place


@dataclass(frozen=True)
class Several:
    """Texts; ``where(condition)`` is whether one of them meets it. With ``known`` the whole is unknown where that is false."""

    where: Callable[[OfEach], ColumnElement[bool]]
    known: ColumnElement[bool] | None = None


Operand: TypeAlias = Plain | InDocument | Several


class Columns(Protocol):
    """Where the fields of a subject are in the database. One connection's; asked once for each name in an expression."""

    dialect: str

    def operand(self, field: Field, name: Name) -> Operand:
        """The SQL of a field; ``name`` is as :func:`.fields.resolved` spells it."""
        ...
