"""The SQL database of a yard: connections, transactions, and what goes wrong with them."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import quote

from sqlalchemy import URL, Connection, Engine, create_engine, event
from sqlalchemy.exc import DatabaseError, OperationalError

from modelyard.core.errors import CorruptYard, Locked, ModelyardError, YardUnwritable
from modelyard.registry.schema import metadata

BUSY_SECONDS = 60


class Database:
    """A SQLite file in WAL mode. A folder that cannot be written is opened for reading only."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._engine = _engine(path)

    def create(self) -> None:
        """Makes the tables that are missing."""
        with self.write() as connection:  # under the write lock, so that two makers at once do not collide
            metadata.create_all(connection)

    @contextmanager
    def read(self) -> Iterator[Connection]:
        """A connection on which every query sees the same instant."""
        with self._translated(), self._engine.connect() as connection, connection.begin():
            yield connection

    @contextmanager
    def write(self) -> Iterator[Connection]:
        """A write transaction; one at a time in the whole yard. Commits at the end, rolls back on any exception."""
        with self._translated(), self._engine.connect() as connection:
            writer = connection.execution_options(modelyard_write=True)
            with writer.begin():
                yield writer

    def close(self) -> None:
        """Gives the connections back."""
        self._engine.dispose()

    @contextmanager
    def _translated(self) -> Iterator[None]:
        try:
            yield
        except ModelyardError:
            raise
        except OperationalError as error:
            raise self._meaning(str(error.orig)) from error
        except DatabaseError as error:
            if type(error) is DatabaseError:  # "file is not a database", "disk image is malformed"
                raise CorruptYard(path=self.path, problem=str(error.orig)) from error
            raise

    def _meaning(self, problem: str) -> ModelyardError:
        if "locked" in problem:
            return Locked(what=f"the yard at {self.path}", holder="another writer held it for a minute")
        if "no such table" in problem or "no such column" in problem or "malformed" in problem:
            return CorruptYard(path=self.path, problem=problem)
        return YardUnwritable(path=self.path, problem=problem)


def _engine(path: Path) -> Engine:
    if os.access(path.parent, os.W_OK):
        url = URL.create("sqlite", database=str(path))
    else:
        # Without its log beside it nobody writes the database, and nobody can: then it may be read without locks.
        immutable = not path.with_name(path.name + "-wal").exists()
        place = f"file:{quote(str(path))}?mode=ro{'&immutable=1' if immutable else ''}"
        url = URL.create("sqlite", database=place, query={"uri": "true"})
    engine = create_engine(url, connect_args={"timeout": BUSY_SECONDS})

    @event.listens_for(engine, "connect")
    def configure(connection: Any, _record: object) -> None:
        connection.isolation_level = None  # the driver must not begin transactions by itself
        cursor = connection.cursor()
        if url.database == str(path):
            cursor.execute("PRAGMA journal_mode=WAL")
        cursor.execute("PRAGMA synchronous=FULL")  # a version that was acknowledged survives a power cut
        cursor.execute("PRAGMA foreign_keys=ON")
        cursor.close()

    @event.listens_for(engine, "begin")
    def begin(connection: Connection) -> None:
        # A writer takes its place at once: a transaction that begins as a reader could not be let in later.
        write = connection.get_execution_options().get("modelyard_write", False)
        connection.exec_driver_sql("BEGIN IMMEDIATE" if write else "BEGIN")

    return engine
