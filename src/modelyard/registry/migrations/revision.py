"""Which revision of the schema a database has. Plain SQL, so that opening a yard does not load Alembic."""

from __future__ import annotations

from sqlalchemy import Connection, inspect, text

from modelyard.core.errors import CorruptYard, DatabaseHalfMigrated, SchemaTooNew, SchemaTooOld

REVISIONS = ("0001", "0002")
"""All of them, in order; the last is what this release works with."""

NEWEST = REVISIONS[-1]
FIRST = REVISIONS[0]
"""The schema from before revisions were written down."""

_ONLY_LATER = "policies"  # a table that the first revision has not


def current(connection: Connection) -> str | None:
    """The revision; None for a database without our tables. Raises DatabaseHalfMigrated when the tables are of several revisions."""
    here = set(inspect(connection).get_table_names())
    if "alembic_version" in here:
        found = connection.execute(text("SELECT version_num FROM alembic_version")).scalars().all()
        if len(found) == 1 and "models" in here:
            return str(found[0])
        if found or "models" in here:
            told = f"it says {len(found)} revisions" if len(found) != 1 else "its tables are missing"
            raise DatabaseHalfMigrated(problem=told)
    if "models" not in here:
        return None
    if _ONLY_LATER in here:
        raise DatabaseHalfMigrated(problem="it has tables of a newer schema and does not say which revision it is")
    return FIRST


def stamp(connection: Connection, revision: str = NEWEST) -> None:
    """Writes the revision down, in the table that Alembic reads."""
    connection.execute(
        text(
            "CREATE TABLE IF NOT EXISTS alembic_version "
            "(version_num VARCHAR(32) NOT NULL, CONSTRAINT alembic_version_pkc PRIMARY KEY (version_num))"
        )
    )
    connection.execute(text("DELETE FROM alembic_version"))
    connection.execute(text("INSERT INTO alembic_version (version_num) VALUES (:revision)"), {"revision": revision})


def require_newest(connection: Connection, place: str) -> None:
    """Raises SchemaTooNew (with what to install), SchemaTooOld (with what to run), CorruptYard for no tables at all, DatabaseHalfMigrated."""
    found = _told(connection)
    if found is None:
        found = current(connection)
    if found == NEWEST:
        return
    if found is None:
        raise CorruptYard(path=place, problem="there is no such table as models; restore the database from a backup")
    if found in REVISIONS:
        raise SchemaTooOld(place=place, found=found, known=NEWEST)
    raise SchemaTooNew(place=place, found=found, known=NEWEST)


def _told(connection: Connection) -> str | None:
    """The usual case in one query."""
    if connection.dialect.name == "sqlite":
        known = "SELECT 1 FROM sqlite_master WHERE name = 'alembic_version'"
    else:
        known = "SELECT to_regclass('alembic_version')"
    if connection.execute(text(known)).scalar() is None:
        return None
    found = connection.execute(text("SELECT version_num FROM alembic_version")).scalars().all()
    return str(found[0]) if len(found) == 1 else None
