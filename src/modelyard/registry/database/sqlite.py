"""SQLite in WAL mode: one writer at a time, readers never wait."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any
from urllib.parse import quote

from sqlalchemy import URL, Connection, Engine, create_engine, event, text
from sqlalchemy.exc import DatabaseError, DBAPIError, OperationalError

from modelyard.core.errors import CorruptYard, Locked, ModelyardError, YardUnwritable
from modelyard.registry.prepared import Prepared

BUSY_SECONDS = 60
_READING, _WRITING = Prepared(text("BEGIN")), Prepared(text("BEGIN IMMEDIATE"))


class Sqlite:
    """A file. One that lies in a folder that cannot be written is opened for reading only."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.place = str(path)

    def engine(self) -> Engine:
        writable = os.access(self.path.parent, os.W_OK)
        if writable:
            url = URL.create("sqlite", database=str(self.path))
        else:
            # Without its log beside it nobody writes the database, and nobody can: then it may be read without locks.
            immutable = not self.path.with_name(self.path.name + "-wal").exists()
            place = f"file:{quote(str(self.path))}?mode=ro{'&immutable=1' if immutable else ''}"
            url = URL.create("sqlite", database=place, query={"uri": "true"})
        engine = create_engine(url, connect_args={"timeout": BUSY_SECONDS})

        @event.listens_for(engine, "connect")
        def configure(connection: Any, _record: object) -> None:
            connection.isolation_level = None  # the driver must not begin transactions by itself
            cursor = connection.cursor()
            if writable:
                cursor.execute("PRAGMA journal_mode=WAL")
            cursor.execute("PRAGMA synchronous=FULL")  # a version that was acknowledged survives a power cut
            cursor.execute("PRAGMA foreign_keys=ON")
            cursor.execute("PRAGMA cache_size=-32000")  # kB
            cursor.close()

        return engine

    def begin(self, connection: Connection, *, write: bool, alone: bool) -> None:
        # A writer takes its place at once: a transaction that begins as a reader could not be let in later. Every one is alone.
        (_WRITING if write else _READING).run(connection, {})

    def meaning(self, error: DBAPIError) -> ModelyardError | None:
        problem = str(error.orig)
        if isinstance(error, OperationalError):
            if "locked" in problem:
                return Locked(what=f"the yard at {self.path}", holder="another writer held it for a minute")
            if "no such table" in problem or "no such column" in problem or "malformed" in problem:
                return CorruptYard(path=self.path, problem=f"{problem}; run: modelyard upgrade --dry-run")
            return YardUnwritable(path=self.path, problem=problem)
        if type(error) is DatabaseError:  # "file is not a database", "disk image is malformed"
            return CorruptYard(path=self.path, problem=problem)
        return None
