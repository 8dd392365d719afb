"""In which order rows are found, and what comes after a row: what is absent stands last, and the id decides between equals."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Literal, TypeAlias

from sqlalchemy import BigInteger, ColumnElement, Double, Integer, Text, and_, case, false, literal, or_

from modelyard.core.errors import InvalidOrder
from modelyard.registry import language
from modelyard.registry.language import Mistake
from modelyard.registry.language.tree import Name
from modelyard.registry.search import documents
from modelyard.registry.search.fields import Subject, resolved
from modelyard.registry.search.operands import Columns, InDocument, Operand, Several

TERMS_LIMIT = 10
KeyType: TypeAlias = Literal["text", "whole", "number", "any number"]
KeyValue: TypeAlias = str | int | float | Decimal | None


@dataclass(frozen=True)
class Key:
    """One thing to order by. ``field`` says which, for whoever knows an index that has this order."""

    field: tuple[str | int, ...]
    type: KeyType
    sql: ColumnElement[Any]
    descending: bool
    nullable: bool = True

    def value(self, dialect: str, value: KeyValue) -> ColumnElement[Any]:
        """A value to compare the key with."""
        if self.type == "any number":
            assert isinstance(value, int | float | Decimal)  # noqa: S101 - as the token was checked
            return documents.number(dialect, value) if isinstance(value, int | Decimal) else literal(value, Double)
        return literal(value, {"text": Text, "whole": BigInteger, "number": Double}[self.type])


def ordering(subject: Subject, columns: Columns, order_by: str | Sequence[str]) -> list[Key]:
    """The keys that are asked for: ``"metrics.auc desc, name"``, or a list of such. Raises InvalidOrder."""
    texts = [order_by] if isinstance(order_by, str) else list(order_by)
    found: list[Key] = []
    terms = 0
    for text in texts:
        if not isinstance(text, str):
            raise InvalidOrder(expression=str(text), column=1, problem=f"an order is text, not a {type(text).__name__}")
        with language.told_as(InvalidOrder, text):
            for written, descending in language.parse_order(text):
                terms += 1
                if terms > TERMS_LIMIT:
                    raise Mistake(written.column, f"{TERMS_LIMIT} fields to order by are the most")
                field, name = resolved(subject, written)
                found += _keys(columns.operand(field, name), name, descending)
    return found


def _keys(found: Operand, name: Name, descending: bool) -> list[Key]:
    if isinstance(found, Several):
        raise Mistake(name.column, f"{language.text(name)} has several values, which have no order")
    if isinstance(found, InDocument):
        place = found.place
        truth = case((place.truth.is_not(None), case((place.truth, 1), else_=0)), else_=None)
        rank = case((place.truth.is_not(None), 0), (place.number.is_not(None), 1), (place.text.is_not(None), 2))
        parts: list[tuple[KeyType, Any]] = [
            ("whole", rank),
            ("whole", truth),
            ("any number", place.number),
            ("text", place.text),
        ]
        return [Key(name.path, kind, sql, descending) for kind, sql in parts]
    match found.type:
        case "truth":
            truth = case((found.sql.is_not(None), case((found.sql, 1), else_=0)), else_=None)
            return [Key(name.path, "whole", truth, descending, found.nullable)]
        case "number":
            return [Key(name.path, "number", found.sql, descending, found.nullable)]
        case "whole" | "time":
            return [Key(name.path, "whole", found.sql, descending, found.nullable)]
    sql = found.sql if found.order is None else found.order
    return [Key(name.path, "text", sql, descending, found.nullable)]


def sorting(keys: Iterable[Key]) -> list[ColumnElement[Any]]:
    """What stands behind ORDER BY."""
    found: list[ColumnElement[Any]] = []
    for key in keys:
        if key.nullable:
            found.append(case((key.sql.is_(None), literal(1, Integer)), else_=literal(0, Integer)))
        found.append(key.sql.desc() if key.descending else key.sql.asc())
    return found


def after(dialect: str, keys: Sequence[Key], values: Sequence[KeyValue]) -> ColumnElement[bool]:
    """Whether a row comes after the one that has these values. Of a single key it is one comparison, which an index can begin at."""
    ways = []
    same: list[ColumnElement[bool]] = []
    for key, value in zip(keys, values, strict=True):
        if value is not None:
            ways.append(and_(*same, beyond(dialect, key, value)))
        same.append(level(dialect, key, value))
    return or_(*ways) if ways else false()


def beyond(dialect: str, key: Key, value: KeyValue, *, nulls: bool = True) -> ColumnElement[bool]:
    """Whether a row comes after the value by this key alone; with ``nulls`` also where it has none."""
    limit = key.value(dialect, value)
    further: ColumnElement[bool] = key.sql < limit if key.descending else key.sql > limit
    return or_(further, key.sql.is_(None)) if nulls and key.nullable else further


def level(dialect: str, key: Key, value: KeyValue) -> ColumnElement[bool]:
    """Whether a row is equal by this key."""
    return key.sql.is_(None) if value is None else key.sql == key.value(dialect, value)
