"""Bringing a database to the newest revision: all of it in one transaction, after a copy of the file."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from sqlalchemy import Connection, inspect

from modelyard.core.errors import CorruptYard, DatabaseHalfMigrated, ModelyardError, SchemaTooNew, YardUnwritable
from modelyard.registry.migrations.revision import NEWEST, REVISIONS, current
from modelyard.registry.schema import metadata

if TYPE_CHECKING:
    from alembic.config import Config

    from modelyard.registry.database import Database


@dataclass(frozen=True)
class Upgrade:
    """What was, or would be, done: the revisions from and to, and the copy that was made before."""

    found: str
    steps: tuple[str, ...]
    copy: Path | None = None


def plan(connection: Connection, place: str) -> Upgrade:
    """What :func:`upgrade` would do. Raises SchemaTooNew, CorruptYard for no tables at all, DatabaseHalfMigrated."""
    found = current(connection)
    if found is None:
        raise CorruptYard(path=place, problem="there is no such table as models; restore the database from a backup")
    if found not in REVISIONS:
        raise SchemaTooNew(place=place, found=found, known=NEWEST)
    if found == NEWEST:
        lacking = missing(connection)
        if lacking:
            raise DatabaseHalfMigrated(problem=f"it says revision {NEWEST} and lacks {', '.join(lacking[:5])}")
    return Upgrade(found, REVISIONS[REVISIONS.index(found) + 1 :])


def upgrade(database: Database) -> Upgrade:
    """Brings the database to the newest revision, or leaves it as it was.

    A SQLite file is copied first, to ``registry.db.before-0002`` beside it. Raises what :func:`plan` raises, DatabaseHalfMigrated when the
    result is not the schema of this release, YardUnwritable.
    """
    with database.read() as connection:
        planned = plan(connection, database.place)
    if not planned.steps:
        return planned
    kept = _copy(Path(database.place), planned.steps[0]) if database.dialect == "sqlite" else None
    try:
        with database.write() as connection:
            planned = plan(connection, database.place)  # another may have been faster
            if planned.steps:
                _run(connection)
                lacking = missing(connection)
                if lacking:
                    raise DatabaseHalfMigrated(
                        problem=f"the upgrade was undone, because it left out {', '.join(lacking[:5])}"
                    )
    except ModelyardError:
        raise
    except (
        Exception
    ) as error:  # whatever a revision meets in rows that it was not written for; the transaction is undone
        told = f"{type(error).__name__}: {error}".splitlines()[0]
        raise DatabaseHalfMigrated(problem=f"the upgrade was undone, because of {told}") from error
    return Upgrade(planned.found, planned.steps, kept)


def missing(connection: Connection) -> list[str]:
    """Tables and columns of the schema that the database has not."""
    found = inspect(connection)
    here = set(found.get_table_names())
    lacking: list[str] = []
    for table in metadata.sorted_tables:
        if table.name not in here:
            lacking.append(f"table {table.name}")
            continue
        columns = {column["name"] for column in found.get_columns(table.name)}
        lacking += [f"column {table.name}.{column.name}" for column in table.columns if column.name not in columns]
    return lacking


def configuration(connection: Connection) -> Config:
    """Alembic's configuration for our revisions on an open connection."""
    from alembic.config import Config

    found = Config()
    found.set_main_option("script_location", str(Path(__file__).parent).replace("%", "%%"))
    found.set_main_option("version_locations", str(Path(__file__).parent / "revisions").replace("%", "%%"))
    found.set_main_option("path_separator", "os")
    found.attributes["connection"] = connection
    return found


def _run(connection: Connection) -> None:
    from alembic import command

    from modelyard.registry.migrations.revision import FIRST, stamp

    if not inspect(connection).has_table("alembic_version"):
        stamp(connection, FIRST)
    command.upgrade(configuration(connection), "head")


def _copy(path: Path, step: str) -> Path:
    """A whole copy of the database file, taken by SQLite itself, which knows of the log beside it."""
    target = path.with_name(f"{path.name}.before-{step}")
    half = target.with_name(target.name + ".half")
    try:
        half.unlink(missing_ok=True)
        with closing(sqlite3.connect(path)) as source, closing(sqlite3.connect(half)) as copy:
            source.backup(copy)
        half.replace(target)
    except (OSError, sqlite3.Error) as error:
        half.unlink(missing_ok=True)
        raise YardUnwritable(
            path=path.parent, problem=f"no copy of registry.db could be made first: {error}"
        ) from error
    return target
