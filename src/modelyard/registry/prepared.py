"""Statements that are put together and compiled once, and then handed to the driver as they are.

To build a statement takes SQLAlchemy some ten times as long as SQLite takes to carry it out, and to run a compiled one twice as long. So what
runs in every registration, move and lookup is prepared; everything else is built where it is needed.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any

from sqlalchemy import Connection
from sqlalchemy.exc import DBAPIError
from sqlalchemy.sql.elements import ClauseElement

Fill = Callable[[Mapping[str, Any]], Any]


class Prepared:
    """A statement with ``bindparam`` for what differs between calls. Rows are the driver's own tuples, and documents are text, both ways.

    An insert says by ``columns`` which it gives at every call. Raises what SQLAlchemy raises for an error of the driver.
    """

    def __init__(self, statement: ClauseElement, columns: Collection[str] | None = None) -> None:
        self._statement, self._columns = statement, columns
        self._texts: dict[str, tuple[str, Fill]] = {}

    def first(self, connection: Connection, values: Mapping[str, Any]) -> Any:
        """The first row, or None."""
        cursor = self._run(connection, values)
        try:
            return cursor.fetchone()
        finally:
            cursor.close()

    def all(self, connection: Connection, values: Mapping[str, Any]) -> list[Any]:
        """All rows."""
        cursor = self._run(connection, values)
        try:
            return list(cursor.fetchall())
        finally:
            cursor.close()

    def run(self, connection: Connection, values: Mapping[str, Any]) -> None:
        """Changes rows."""
        self._run(connection, values).close()

    def each(self, connection: Connection, values: Collection[Mapping[str, Any]]) -> None:
        """Changes rows, once for each of ``values``."""
        if values:
            text, fill = self._compiled(connection)
            self._carry_out(connection, text, [fill(one) for one in values], many=len(values) > 1).close()

    def _run(self, connection: Connection, values: Mapping[str, Any]) -> Any:
        text, fill = self._compiled(connection)
        return self._carry_out(connection, text, (fill(values),))

    def _carry_out(self, connection: Connection, text: str, asked: Sequence[Any], *, many: bool = False) -> Any:
        cursor = connection.connection.cursor()
        try:
            if many:
                cursor.executemany(text, asked)
            else:
                cursor.execute(text, asked[0])
        except Exception as error:
            cursor.close()
            driver: Any = connection.dialect.loaded_dbapi
            if not isinstance(error, driver.Error):
                raise
            cut = connection.dialect.is_disconnect(error, connection.connection, cursor)
            if cut:
                connection.invalidate(error)
            raise DBAPIError.instance(
                text, list(asked), error, driver.Error, dialect=connection.dialect, connection_invalidated=cut
            ) from error
        return cursor

    def _compiled(self, connection: Connection) -> tuple[str, Fill]:
        known = self._texts.get(connection.dialect.name)
        if known is not None:
            return known
        compiled: Any = self._statement.compile(
            dialect=connection.dialect,
            column_keys=None if self._columns is None else list(self._columns),
            compile_kwargs={"render_postcompile": True},
        )
        fixed = {name: value for name, value in compiled.params.items() if value is not None}
        made = (str(compiled), _filling(fixed, compiled.positiontup))
        self._texts[connection.dialect.name] = made
        return made


def _filling(fixed: Mapping[str, Any], order: Sequence[str] | None) -> Fill:
    """Makes of the values of a call what the driver takes: by their names, or in the order of their places."""
    if order is None:
        return lambda values: {**fixed, **values}
    if any(name in fixed for name in order):
        return lambda values: [values[name] if name in values else fixed[name] for name in order]
    return lambda values: [values[name] for name in order]
