"""Ways to ledger rows: by subject, by name, by action, by time, or along the sequence."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from sqlalchemy import BigInteger, ColumnElement, Connection, Text, case, false, func, literal, select

from modelyard.registry.language.tree import Sign
from modelyard.registry.schema import ledger
from modelyard.registry.search.clauses import Asked
from modelyard.registry.search.conditions import Conditions
from modelyard.registry.search.operands import Plain
from modelyard.registry.search.ways import ID, Orders, Way, counted

_TABLES = ((ledger, None),)
_BELOW, _ABOVE = ("=", "<", "<="), ("=", ">", ">=")


def ledger_ways(
    connection: Connection, conditions: Conditions, workspace: str, found: Sequence[Asked]
) -> Iterator[Way]:
    """The ways that a filter allows; the one along the whole ledger first."""
    sequence = ledger.c.sequence
    along: Orders = {ID: sequence, ("sequence",): sequence}
    yield Way("ledger", _TABLES, sequence, orders=along)
    kinds = [each for each in found if each.field.name == "kind" and each.sign == "="]
    for each in found:
        if each.field.name in ("subject", "name") and each.sign == "=":
            where = [ledger.c.workspace == literal(workspace, Text), conditions.condition(each.clause)]
            covers = [each.clause]
            if kinds:
                where.append(conditions.condition(kinds[0].clause))
                covers.append(kinds[0].clause)
            else:  # the indexes begin with the kind, and who asks for fraud/3 seldom says that it is a model
                has = [kind for kind in _kinds(connection, workspace) if _any(connection, kind, where)]
                where.append(ledger.c.kind == has[0] if len(has) == 1 else ledger.c.kind.in_(has))
            orders: Orders = along if len(covers) > 1 or len(has) == 1 else {}
            yield Way(each.field.name, _TABLES, sequence, tuple(where), tuple(covers), orders, counted(ledger, *where))
        elif each.field.name == "action" and each.sign == "=":
            action = conditions.condition(each.clause)
            yield Way("action", _TABLES, sequence, (action,), (each.clause,), along, counted(ledger, action))
    if times := [each for each in found if each.field.name == "time" and each.sign in {*_BELOW, *_ABOVE}]:
        low, high = _span(connection, conditions, times)
        where = [sequence >= low, sequence <= high]
        yield Way("time", _TABLES, sequence, tuple(where), orders=along, size=max(0, high - low + 1))


def _span(connection: Connection, conditions: Conditions, times: Sequence[Asked]) -> tuple[int, int]:
    """The rows within these times, by their sequence: along it, time never goes back."""
    first, last = 1, connection.execute(select(func.max(ledger.c.sequence))).scalar() or 0
    for each in times:
        if each.sign in _BELOW:
            beyond: Sign = ">=" if each.sign == "<" else ">"
            last = min(last, _earliest(connection, conditions, each, beyond, last) - 1)
        if each.sign in _ABOVE:
            first = max(first, _earliest(connection, conditions, each, ">" if each.sign == ">" else ">=", last))
    return first, last


def _earliest(connection: Connection, conditions: Conditions, asked: Asked, sign: Sign, last: int) -> int:
    """The first row whose time is so, or the one behind the last: found by halving, for times need no index where they never go back."""
    met = conditions.compare_value(sign, Plain("time", ledger.c.time, nullable=False), asked.name, asked.values[0])
    span = select(literal(1, BigInteger).label("low"), literal(last + 1, BigInteger).label("high")).cte(
        "span", recursive=True
    )
    middle = (span.c.low + span.c.high) // 2
    there = func.coalesce(select(met).where(ledger.c.sequence == middle).scalar_subquery(), false())
    halved = select(case((there, span.c.low), else_=middle + 1), case((there, middle), else_=span.c.high))
    halves = span.union_all(halved.where(span.c.low < span.c.high))
    return int(connection.execute(select(func.max(halves.c.low))).scalar_one())


def _kinds(connection: Connection, workspace: str) -> Iterator[str]:
    """The kinds that the ledger has, each found by the index."""
    mine: list[ColumnElement[bool]] = [ledger.c.workspace == literal(workspace, Text)]
    kind = connection.execute(select(func.min(ledger.c.kind)).where(*mine)).scalar()
    while kind is not None:
        yield kind
        further: Any = ledger.c.kind > literal(kind, Text)
        kind = connection.execute(select(func.min(ledger.c.kind)).where(*mine, further)).scalar()


def _any(connection: Connection, kind: str, where: Sequence[ColumnElement[bool]]) -> bool:
    query = select(ledger.c.sequence).where(ledger.c.kind == literal(kind, Text), *where).limit(1)
    return connection.execute(query).first() is not None
