"""Statements that are put together and compiled once, and then handed to the driver as they are.

To build a statement takes SQLAlchemy some ten times as long as SQLite takes to carry it out, and to run a compiled one twice as long. So what
runs in every registration, move and lookup is prepared; everything else is built where it is needed.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from sqlalchemy import Connection
from sqlalchemy.exc import DBAPIError
from sqlalchemy.sql.elements import ClauseElement


class Prepared:
    """A statement with ``bindparam`` for what differs between calls. Rows are the driver's own tuples, and documents are text, both ways.

    An insert says by ``columns`` which it gives at every call. Raises what SQLAlchemy raises for an error of the driver.
    """

    def __init__(self, statement: ClauseElement, columns: Collection[str] | None = None) -> None:
        self._statement, self._columns = statement, columns
        self._texts: dict[str, tuple[str, Mapping[str, Any], tuple[str, ...] | None]] = {}

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
        if not values:
            return
        text, fixed, order = self._compiled(connection)
        given = [{**fixed, **one} for one in values]
        asked = given if order is None else [[one[name] for name in order] for one in given]
        self._carry_out(connection, text, asked, many=len(asked) > 1).close()

    def _run(self, connection: Connection, values: Mapping[str, Any]) -> Any:
        text, fixed, order = self._compiled(connection)
        given = {**fixed, **values}
        return self._carry_out(connection, text, [given if order is None else [given[name] for name in order]])

    def _carry_out(self, connection: Connection, text: str, asked: list[Any], *, many: bool = False) -> Any:
        driver: Any = connection.dialect.loaded_dbapi
        cursor = connection.connection.cursor()
        try:
            if many:
                cursor.executemany(text, asked)
            else:
                cursor.execute(text, asked[0])
        except driver.Error as error:
            cut = connection.dialect.is_disconnect(error, connection.connection, cursor)
            cursor.close()
            if cut:
                connection.invalidate(error)
            raise DBAPIError.instance(
                text, asked, error, driver.Error, dialect=connection.dialect, connection_invalidated=cut
            ) from error
        return cursor

    def _compiled(self, connection: Connection) -> tuple[str, Mapping[str, Any], tuple[str, ...] | None]:
        known = self._texts.get(connection.dialect.name)
        if known is not None:
            return known
        compiled: Any = self._statement.compile(
            dialect=connection.dialect,
            column_keys=None if self._columns is None else list(self._columns),
            compile_kwargs={"render_postcompile": True},
        )
        fixed = {name: value for name, value in compiled.params.items() if value is not None}
        order = None if compiled.positiontup is None else tuple(compiled.positiontup)
        made = (str(compiled), fixed, order)
        self._texts[connection.dialect.name] = made
        return made
