"""Connections and transactions, and what goes wrong with them."""

from __future__ import annotations

import os
import weakref
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from sqlalchemy import Connection, Engine, RootTransaction, insert
from sqlalchemy.exc import DBAPIError

from modelyard.core.errors import ModelyardError
from modelyard.registry.database.engines import Kind as DatabaseKind
from modelyard.registry.database.postgres import Postgres
from modelyard.registry.database.sqlite import Sqlite
from modelyard.registry.ledger import GENESIS
from modelyard.registry.migrations.revision import current, stamp
from modelyard.registry.schema import heads, metadata

IDLE = 5
"""So many connections stay open between transactions."""


class Database:
    """The database at a path (SQLite) or a URL (PostgreSQL). Safe for threads. Raises InvalidDatabaseUrl."""

    def __init__(self, place: Path | str) -> None:
        self.kind: DatabaseKind = Sqlite(place) if isinstance(place, Path) else Postgres(place)
        self._made: Engine | None = None
        self._idle: deque[Connection] = deque()
        self._foreign: list[Connection] = []
        self._process = os.getpid()

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
        with self._transaction(write=False, alone=False) as connection:
            yield connection

    @contextmanager
    def write(self, *, alone: bool = True) -> Iterator[Connection]:
        """A write transaction. Commits at the end, rolls back on any exception.

        While one that is ``alone`` is open, no other writes in the whole yard. Those that are not may run at the same time in PostgreSQL: what
        they read and then change they must lock, and of one kind only: see :func:`modelyard.registry.versions.lock`.
        """
        with self._transaction(write=True, alone=alone) as connection:
            yield connection

    def close(self) -> None:
        """Gives the connections back."""
        if self._made is not None:
            _dispose(self._made, self._idle)

    @property
    def _engine(self) -> Engine:
        if self._made is None:
            self._made = self.kind.engine()
            weakref.finalize(self, _dispose, self._made, self._idle)
        return self._made

    @contextmanager
    def _transaction(self, *, write: bool, alone: bool) -> Iterator[Connection]:
        with self._translated():
            connection, transaction = self._begun(write, alone)
            try:
                with transaction:
                    yield connection
            finally:
                self._give_back(connection)

    def _begun(self, write: bool, alone: bool) -> tuple[Connection, RootTransaction]:
        """A connection with its transaction. One that the server has cut while it was idle is given up for a new one: nothing has been said on it yet."""
        for last in (False, True):
            connection = self._engine.connect() if last else self._connection()
            transaction = connection.begin()
            try:
                self.kind.begin(connection, write=write, alone=alone)
            except BaseException as error:
                transaction.close()
                self._give_back(connection)
                if last or not isinstance(error, DBAPIError) or not error.connection_invalidated:
                    raise
            else:
                return connection, transaction
        raise AssertionError("the second time it has begun or raised")

    def _connection(self) -> Connection:
        """One that is idle, or a new one. To take it out of the engine's pool and to put it back costs as much as a small query."""
        if self._process != os.getpid():  # a fork; what its parent has open is not its own, not even to close
            self._foreign += self._idle
            self._idle.clear()
            self._process = os.getpid()
        try:
            return self._idle.pop()
        except IndexError:
            return self._engine.connect()

    def _give_back(self, connection: Connection) -> None:
        if connection.invalidated:  # the server has gone, and with it those that are idle
            connection.close()
            _dispose(self._engine, self._idle)
        elif connection.closed or connection.in_transaction() or len(self._idle) >= IDLE:
            connection.close()
        else:
            self._idle.append(connection)

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


def _dispose(engine: Engine, idle: deque[Connection]) -> None:
    while idle:
        with suppress(IndexError):  # another thread was faster
            idle.pop().close()
    engine.dispose()
