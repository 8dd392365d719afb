"""Connections and transactions, and what goes wrong with them."""

from __future__ import annotations

import weakref
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from sqlalchemy import Connection, Engine, insert
from sqlalchemy.exc import DBAPIError

from modelyard.core.errors import ModelyardError
from modelyard.registry.database.engines import ALONE, WRITE
from modelyard.registry.database.engines import Kind as DatabaseKind
from modelyard.registry.database.postgres import Postgres
from modelyard.registry.database.sqlite import Sqlite
from modelyard.registry.ledger import GENESIS
from modelyard.registry.migrations.revision import current, stamp
from modelyard.registry.schema import heads, metadata


class Database:
    """The database at a path (SQLite) or a URL (PostgreSQL). Safe for threads. Raises InvalidDatabaseUrl."""

    def __init__(self, place: Path | str) -> None:
        self.kind: DatabaseKind = Sqlite(place) if isinstance(place, Path) else Postgres(place)
        self._made: Engine | None = None

    @property
    def place(self) -> str:
        """What a person calls it."""
        return self.kind.place

    @property
    def dialect(self) -> str:
        """``sqlite`` or ``postgresql``."""
        return self._engine.dialect.name

    def create(self) -> None:
        """Makes the tables, unless they are there."""
        with self.write() as connection:  # under the write lock, so that two makers at once do not collide
            if current(connection) is None:
                metadata.create_all(connection)
                connection.execute(insert(heads).values(id=1, sequence=0, hash=GENESIS, time=0))
                stamp(connection)

    @contextmanager
    def read(self) -> Iterator[Connection]:
        """A connection on which every query sees the same instant."""
        with self._translated(), self._engine.connect() as connection, connection.begin():
            yield connection

    @contextmanager
    def write(self, *, alone: bool = True) -> Iterator[Connection]:
        """A write transaction. Commits at the end, rolls back on any exception.

        While one that is ``alone`` is open, no other writes in the whole yard. Those that are not may run at the same time in PostgreSQL: what
        they read and then change they must lock, and of one kind only: see :func:`modelyard.registry.versions.lock`.
        """
        with self._translated(), self._engine.connect() as connection:
            writer = connection.execution_options(**{WRITE: True, ALONE: alone})
            with writer.begin():
                yield writer

    def close(self) -> None:
        """Gives the connections back."""
        if self._made is not None:
            self._made.dispose()

    @property
    def _engine(self) -> Engine:
        if self._made is None:
            self._made = self.kind.engine()
            weakref.finalize(self, self._made.dispose)
        return self._made

    @contextmanager
    def _translated(self) -> Iterator[None]:
        try:
            yield
        except ModelyardError:
            raise
        except DBAPIError as error:
            meaning = self.kind.meaning(error)
            if meaning is None:
                raise
            raise meaning from error
