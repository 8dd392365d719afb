"""Ways to the rows: over which index, in which order of tables, and how many rows it leads past.

Neither database can be left to guess: SQLite has no statistics, and PostgreSQL takes values of a key for independent of it. So what a filter must
have true, and an index knows, is counted a little, and the narrowest way is taken; or the one that has the rows in the wished order already, when
all ways are broad.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Final, TypeAlias

from sqlalchemy import ColumnElement, Connection, FromClause, Join, Select, func, select
from sqlalchemy.ext.compiler import compiles

from modelyard.registry.language import Node
from modelyard.registry.search.orders import Key

NARROW: Final = 5000
"""So many rows are gathered and sorted within some milliseconds."""
ID = ("id",)

Step: TypeAlias = tuple[FromClause, ColumnElement[bool] | None]
Path: TypeAlias = tuple[str | int, ...]
Orders: TypeAlias = Mapping[Path, ColumnElement[Any]]


@dataclass(frozen=True)
class Way:
    """``tables`` are walked in this order, each joined by its condition, and hold the rows that meet ``conditions``.

    ``covers`` are the clauses of the filter which those conditions say too. ``orders`` are the fields by which rows come sorted, with the column; by
    the first of them and then by ``id``. ``size`` counts the rows, up to :data:`NARROW`; a way that leads to all rows has none.
    ``again`` says which tables to join to a table of ids; with ``in_first`` the first table alone has the id and all that the conditions ask.
    """

    name: str
    tables: tuple[Step, ...]
    id: ColumnElement[int]
    conditions: tuple[ColumnElement[bool], ...] = ()
    covers: tuple[Node, ...] = ()
    orders: Orders = field(default_factory=dict)
    size: Select[Any] | int | None = None
    again: Callable[[FromClause], tuple[Step, ...]] | None = None
    in_first: bool = False

    def joined(self) -> FromClause:
        """The tables, to be walked from left to right."""
        found, _ = self.tables[0]
        for table, condition in self.tables[1:]:
            found = InOrder(found, table, condition)
        return found

    def gathered(self) -> Way:
        """The ids first, and then their rows: for PostgreSQL, which else may walk all rows in the wished order because it expects to meet these soon."""
        if self.again is None:
            return self
        tables = self.tables[0][0] if self.in_first else self.joined()
        ids = select(self.id.label("id")).select_from(tables).where(*self.conditions)
        met = ids.cte("met").prefix_with("MATERIALIZED", dialect="postgresql")
        return replace(self, tables=self.again(met), id=met.c.id, conditions=(), orders={})


class InOrder(Join):
    """A join whose left side is walked first."""

    inherit_cache = True


@compiles(InOrder, "sqlite")
def _cross_join(join: InOrder, compiler: Any, **options: Any) -> str:  # which SQLite does not turn around
    options["asfrom"] = True
    left, right = (compiler.process(side, **options) for side in (join.left, join.right))
    return f"{left} CROSS JOIN {right} ON {compiler.process(join.onclause, **options)}"


def counted(table: FromClause, *conditions: ColumnElement[bool]) -> Select[Any]:
    """How many rows there are, as far as it matters."""
    some = select(table.c[0]).where(*conditions).limit(NARROW).subquery()
    return select(func.count()).select_from(some)


def chosen(connection: Connection, ways: Sequence[Way], keys: Sequence[Key]) -> Way:
    """The way to take for rows in the order of these keys. The first of the ways that lead to all rows must be the plainest."""
    first = keys[0].field if keys else ()
    sorted_ways = [way for way in ways if first in way.orders]
    limited = [way for way in ways if way.size is not None]
    if len(limited) == 1 and limited[0] in sorted_ways:
        return limited[0]
    sizes = {id(way): _size(connection, way) for way in limited}
    if limited:
        best = min(limited, key=lambda way: (sizes[id(way)], way not in sorted_ways))
        if sizes[id(best)] < NARROW or not keys:
            return best.gathered() if connection.dialect.name == "postgresql" and best not in sorted_ways else best
    known = sorted((way for way in sorted_ways if way.size is not None), key=lambda way: -len(way.covers))
    for way in (*known, *sorted_ways, *limited, *ways):
        return way
    raise AssertionError("there is always a way to all rows")


def _size(connection: Connection, way: Way) -> int:
    if isinstance(way.size, int):
        return way.size
    assert way.size is not None  # noqa: S101 - the caller looked
    return min(connection.execute(way.size).scalar() or 0, NARROW)
