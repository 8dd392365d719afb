"""PostgreSQL: many writers at a time, each holding the row of the model that it changes, and the head of the ledger last."""

from __future__ import annotations

from typing import Any

from sqlalchemy import URL, Connection, Engine, create_engine, event, make_url, text
from sqlalchemy.exc import ArgumentError, DBAPIError, OperationalError

from modelyard.core.errors import (
    CorruptYard,
    DatabaseForbidden,
    DatabaseUnreachable,
    InvalidDatabaseUrl,
    Locked,
    ModelyardError,
    YardUnwritable,
)
from modelyard.core.extras import needing
from modelyard.registry.prepared import Prepared

SCHEMES = ("postgresql", "postgres")
CONNECT_SECONDS = 10
LOCK_SECONDS = 60
_LOCK = 7_301_140_520_773_633  # one number for all yards: an advisory lock belongs to its database
_READING = Prepared(text("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY"))
_WRITING = Prepared(text(f"BEGIN; SELECT pg_advisory_xact_lock_shared({_LOCK})"))  # with other writers,
_ALONE = Prepared(text(f"BEGIN; SELECT pg_advisory_xact_lock({_LOCK})"))  # unless one wants to be alone


class Postgres:
    """A database by its URL, ``postgresql://user@host:5432/name``. Raises InvalidDatabaseUrl, ExtraMissing."""

    def __init__(self, url: str) -> None:
        self.url = _parsed(url)
        shown = {key: value for key, value in self.url.query.items() if key != "password"}
        bare = self.url._replace(drivername="postgresql", password=None).set(query=shown)
        self.place = bare.render_as_string(hide_password=False)

    def engine(self) -> Engine:
        with needing("a yard in PostgreSQL", "postgres"):
            import psycopg  # noqa: F401 - the driver that the engine asks for by name
        options = f"-c lock_timeout={LOCK_SECONDS}s -c timezone=UTC -c client_encoding=UTF8"
        arguments = {"connect_timeout": CONNECT_SECONDS, "options": options, "application_name": "modelyard"}
        engine = create_engine(
            self.url, connect_args=arguments, pool_size=16, max_overflow=48, pool_timeout=LOCK_SECONDS
        )

        @event.listens_for(engine, "connect")
        def configure(connection: Any, _record: object) -> None:
            connection.autocommit = True  # so that one message begins a transaction and says which

        return engine

    def begin(self, connection: Connection, *, write: bool, alone: bool) -> None:
        (_READING if not write else _ALONE if alone else _WRITING).run(connection, {})

    def meaning(self, error: DBAPIError) -> ModelyardError | None:
        state = getattr(error.orig, "sqlstate", None) or ""
        problem = str(error.orig).strip().splitlines()[0] if str(error.orig).strip() else type(error.orig).__name__
        if state in ("55P03", "40P01", "40001"):
            return Locked(what=f"the yard at {self.place}", holder=f"another writer held it ({problem})")
        if state in ("42P01", "42703"):
            return CorruptYard(path=self.place, problem=f"{problem}; run: modelyard upgrade --dry-run")
        if state.startswith("28") or state == "42501" or "authentication" in problem:
            return DatabaseForbidden(url=self.place, problem=problem)
        if state in ("25006", "53100", "53200"):
            return YardUnwritable(path=self.place, problem=problem)
        if isinstance(error, OperationalError) or error.connection_invalidated:
            return DatabaseUnreachable(url=self.place, problem=problem)
        return None


def _parsed(url: str) -> URL:
    try:
        parsed = make_url(url)
    except (ArgumentError, ValueError) as error:
        raise InvalidDatabaseUrl(url=_without_secret(url), problem=str(error).split(":")[0]) from None
    if parsed.drivername.partition("+")[0] not in SCHEMES:
        raise InvalidDatabaseUrl(url=_without_secret(url), problem=f"{parsed.drivername} is not supported")
    if not parsed.database:
        raise InvalidDatabaseUrl(url=_without_secret(url), problem="it does not name a database")
    return parsed.set(drivername="postgresql+psycopg")


def _without_secret(url: str) -> str:
    """The URL, as far as it can be shown, when it cannot be parsed."""
    scheme, found, rest = url.partition("://")
    return f"{scheme}://{rest.rpartition('@')[2]}" if found else url
