"""Looking into documents that are kept as JSON text, in either database, with the same answer.

What a document holds has no type beforehand: a number, text, true or false each compares with its own kind and is unknown beside another. A
document that holds a zero character is not looked into, because PostgreSQL cannot give it back as text.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from sqlalchemy import (
    BigInteger,
    Boolean,
    ColumnElement,
    Double,
    Integer,
    Numeric,
    Text,
    case,
    cast,
    collate,
    func,
    literal,
    literal_column,
    type_coerce,
)
from sqlalchemy.dialects.postgresql import JSON

ZERO = "\\u0000"
"""How canonical JSON writes the zero character."""

_KINDS = {"text": ("text", "string"), "number": ("integer", "real", "number"), "truth": ("true", "false", "boolean")}


@dataclass(frozen=True)
class Place:
    """What is at a place of a document: ``kind`` is null where nothing is, or null; each of the others is null where the value is of another kind."""

    kind: ColumnElement[str]
    text: ColumnElement[str]
    number: ColumnElement[Any]
    truth: ColumnElement[bool]


def place(dialect: str, document: Any, path: tuple[str | int, ...]) -> Place:
    """Where the path leads within the document, a column of JSON text."""
    plain = type_coerce(document, Text)
    return _in_sqlite(plain, path) if dialect == "sqlite" else _in_postgres(plain, path)


def number(dialect: str, value: int | float | Decimal) -> ColumnElement[Any]:
    """A number to compare with one in a document."""
    if isinstance(value, int):
        return literal(value, BigInteger)
    if dialect == "sqlite":  # read by SQLite as it reads the document, which is not always the nearest float
        return cast(literal(repr(value), Text), Double)
    return literal(value if isinstance(value, Decimal) else Decimal(repr(value)), Numeric)


def _in_sqlite(plain: ColumnElement[str], path: tuple[str | int, ...]) -> Place:
    whole = case((func.instr(plain, ZERO) == 0, plain))
    way = literal("$" + "".join(f"[{key}]" if isinstance(key, int) else f'."{key}"' for key in path), Text)
    kind = func.nullif(func.json_type(whole, way), "null", type_=Text)
    value = func.json_extract(whole, way)
    return _place(kind, value, value, kind == "true")


def _in_postgres(plain: ColumnElement[str], path: tuple[str | int, ...]) -> Place:
    found: ColumnElement[Any] = cast(case((func.strpos(plain, ZERO) == 0, plain)), JSON)
    for key in path:
        found = found.op("->", return_type=JSON())(literal(key, Text if isinstance(key, str) else Integer))
    kind = func.nullif(func.json_typeof(found), "null", type_=Text)
    value = found.op("#>>", return_type=Text())(literal_column("'{}'"))
    return _place(kind, collate(value, "C"), cast(value, Numeric), cast(value, Boolean))


def _place(kind: ColumnElement[str], text: Any, number: Any, truth: Any) -> Place:
    return Place(
        kind,
        case((kind.in_(_KINDS["text"]), text), else_=None),
        case((kind.in_(_KINDS["number"]), number), else_=None),
        case((kind.in_(_KINDS["truth"]), truth), else_=None),
    )
