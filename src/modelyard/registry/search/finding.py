"""Finding: a filter and an order in, pages of rows out.

A page goes on after the last row of the page before, by its values: no database counts over what was shown already, and a row that is added or
removed meanwhile moves no other from one page to another.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any, Final

from sqlalchemy import ColumnElement, Connection, Row, func, select

from modelyard.core.errors import InvalidFilter, InvalidInput, InvalidPageSize
from modelyard.registry import language
from modelyard.registry.language import Node
from modelyard.registry.search import marks
from modelyard.registry.search.clauses import asked, clauses
from modelyard.registry.search.conditions import PARTS_LIMIT, Conditions
from modelyard.registry.search.fields import FIELDS, Subject
from modelyard.registry.search.orders import Key, KeyValue, after, beyond, level, ordering, sorting
from modelyard.registry.search.rows import Page
from modelyard.registry.search.sought import sought
from modelyard.registry.search.ways import ID, Way, chosen

PAGE_SIZE: Final = 100
PAGE_LIMIT: Final = 10_000


def find(
    connection: Connection,
    workspace: str,
    subject: Subject,
    filter: str = "",  # noqa: A002 - its name everywhere
    order_by: str | Sequence[str] = (),
    page_size: int = PAGE_SIZE,
    page_token: str | None = None,
    *,
    now: datetime | None = None,
) -> Page[Any]:
    """The rows of which the filter is true, in order. Equals are ordered by their id, in the direction of the last field that is asked for.

    ``now`` is what ``'2h ago'`` counts from. Raises InvalidFilter, InvalidOrder, InvalidPageSize, InvalidPageToken.
    """
    if isinstance(page_size, bool) or not isinstance(page_size, int) or not 1 <= page_size <= PAGE_LIMIT:
        raise InvalidPageSize(size=page_size, limit=PAGE_LIMIT)
    search = _Search(connection, workspace, subject, filter, order_by, page_token, now)
    rows = search.rows(page_size + 1)
    items = [search.sought.made(row) for row in rows[:page_size]]
    return Page(items, search.token(rows[page_size - 1]) if len(rows) > page_size else None)


def count(
    connection: Connection,
    workspace: str,
    subject: Subject,
    filter: str = "",  # noqa: A002
    *,
    now: datetime | None = None,
) -> int:
    """How many rows :func:`find` finds in all. Raises InvalidFilter."""
    return _Search(connection, workspace, subject, filter, (), None, now).count()


def read(subject: Subject, filter: Any) -> Node | None:  # noqa: A002
    """The tree of a filter; None for one that asks nothing. Raises InvalidFilter."""
    if subject not in FIELDS:
        raise InvalidInput(message=f"there is no search of {subject!r}; search {', '.join(FIELDS)}")
    if filter is None or (isinstance(filter, str) and not filter.strip()):
        return None
    if not isinstance(filter, str):
        problem = f"a filter is text, not a {type(filter).__name__}"
        raise InvalidFilter(expression=str(filter), column=1, problem=problem)
    with language.told_as(InvalidFilter, filter):
        return language.parse(filter)


@dataclass(frozen=True)
class _Step:
    """One query of a page: a way, the order along it, and where it begins."""

    way: Way
    keys: Sequence[Key]
    conditions: tuple[ColumnElement[bool], ...] = ()


class _Search:
    def __init__(
        self,
        connection: Connection,
        workspace: str,
        subject: Subject,
        text: str,
        order_by: str | Sequence[str],
        token: str | None,
        now: datetime | None,
    ) -> None:
        self.connection = connection
        self.dialect = connection.dialect.name
        tree = read(subject, text)
        parts = clauses(tree)
        if len(parts) > PARTS_LIMIT:
            problem = f"{PARTS_LIMIT} conditions in a row are the most"
            raise InvalidFilter(expression=text, column=parts[PARTS_LIMIT].column, problem=problem)
        with language.told_as(InvalidFilter, text):
            self.sought = sought(connection, workspace, subject, asked(subject, parts))
        keys = ordering(subject, self.sought.columns, order_by) or self.sought.usual_order()
        descending = keys[-1].descending if keys else True
        self.keys = [*self.sought.needed(keys), Key(ID, "whole", self.sought.id, descending, nullable=False)]
        said = "" if tree is None else language.text(tree)
        listed = [order_by] if isinstance(order_by, str) else list(order_by)
        self.bound = marks.question(workspace, subject, said, listed)
        self.mark = None if token is None else marks.read(token, self.bound, self.keys[:-1])
        self.now = self.mark.now if self.mark else now or datetime.now(UTC)
        conditions = Conditions(subject, self.sought.columns, self.now)
        with language.told_as(InvalidFilter, text):
            self.clauses = [(part, conditions.condition(part)) for part in parts]
            self.scope = self.sought.scope(tree)
        self.ways = self.sought.ways(conditions, self.keys)

    def rows(self, wanted: int) -> list[Row[Any]]:
        """So many rows, or all there are, after the mark."""
        found: list[Row[Any]] = []
        for step in self._steps() if self.ways else ():
            keys = [(f"key_{number}", key) for number, key in enumerate(self.keys)]
            local = [_along(step.way, key).sql.label(name) for name, key in keys]
            query = select(*self.sought.selected, *local).select_from(step.way.joined())
            query = query.where(*self._conditions(step.way), *step.conditions)
            query = query.order_by(*sorting(step.keys)).limit(wanted - len(found))
            found += self.connection.execute(query).all()
            if len(found) == wanted:
                break
        return found

    def count(self) -> int:
        """How many there are."""
        if not self.ways:
            return 0
        way = chosen(self.connection, self.ways, ())
        query = select(func.count()).select_from(way.joined()).where(*self._conditions(way))
        return int(self.connection.execute(query).scalar_one())

    def token(self, last: Row[Any]) -> str:
        """What asks for the rows after this one."""
        values = [last._mapping[f"key_{number}"] for number in range(len(self.keys))]
        return marks.write(marks.Mark(self.now, tuple(values[:-1]), values[-1]), self.bound)

    def _conditions(self, way: Way) -> list[ColumnElement[bool]]:
        rest = [condition for clause, condition in self.clauses if clause not in way.covers]
        return [*way.conditions, *self.scope, *rest]

    def _steps(self) -> Iterator[_Step]:
        """The queries that give the rows one after another. A way that is sorted begins just where the mark is; any other gathers all rows and sorts."""
        way = chosen(self.connection, self.ways, self.keys)
        keys = [_along(way, key) for key in self.keys]
        values: tuple[KeyValue, ...] = (*self.mark.values, self.mark.id) if self.mark else ()
        first, rest = keys[0], keys[1:]
        if first.field not in way.orders or not rest:
            yield _Step(way, keys, (after(self.dialect, keys, values),) if values else ())
            return
        if not values:
            yield _Step(way, keys)
        elif values[0] is not None:
            same = level(self.dialect, first, values[0])
            yield _Step(way, rest, (same, after(self.dialect, rest, values[1:])))
            yield _Step(way, keys, (beyond(self.dialect, first, values[0]),))
        if self.keys[0].nullable and way.size is None:
            yield from self._absent(values[1:] if values and values[0] is None else ())

    def _absent(self, values: tuple[KeyValue, ...]) -> Iterator[_Step]:
        """The rows that have nothing to be ordered by first."""
        way = chosen(self.connection, [way for way in self.ways if self.keys[0].field not in way.orders], self.keys[1:])
        keys = [_along(way, key) for key in self.keys[1:]]
        begin = (after(self.dialect, keys, values),) if values else ()
        yield _Step(way, keys, (self.keys[0].sql.is_(None), *begin))


def _along(way: Way, key: Key) -> Key:
    """The key, by the column that the way is sorted by."""
    if key.field == ID:
        return replace(key, sql=way.id)
    return replace(key, sql=way.orders[key.field], nullable=False) if key.field in way.orders else key
