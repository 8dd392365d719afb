"""A yard, as a folder or as a database with a store: finding it, making it, opening it."""

from __future__ import annotations

import json
import os
import tomllib
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sqlalchemy import Row, insert, select

from modelyard.core.clock import Clock, to_micros, to_text
from modelyard.core.errors import (
    CorruptYard,
    ModelyardError,
    StoreDiffers,
    StoreNeeded,
    UnsupportedUrl,
    YardNotFound,
    YardTooNew,
    YardTooOld,
    YardUnwritable,
)
from modelyard.registry import Database
from modelyard.registry.database.postgres import SCHEMES
from modelyard.registry.migrations.revision import current, require_newest
from modelyard.registry.migrations.upgrade import Upgrade, plan, upgrade
from modelyard.registry.schema import yards
from modelyard.store import Store
from modelyard.store.upkeep.owners import announce, withdraw

FOLDER = ".modelyard"
FORMAT = 2


@dataclass(frozen=True)
class Yard:
    """An open yard: where it is, its folder, its store and its database.

    ``url`` finds it again; ``place`` is the same for people, without a password. The ``root`` of a yard in a database is a folder of this
    machine's own, for the cache and for logs.
    """

    url: str
    place: str
    root: Path
    id: str
    store: Store
    database: Database


def locate(where: str | os.PathLike[str] | None, environ: Mapping[str, str], start: Path) -> tuple[Path | str, str]:
    """The folder of the yard that is meant, whether or not it exists, or the URL of its database, and a phrase that says why this one.

    The argument, else ``MODELYARD_URL``, else the nearest ``.modelyard`` upward from ``start``, else ``~/.modelyard``. A path may name the
    yard itself or the folder that holds it. Raises UnsupportedUrl.
    """
    if where is not None:
        return _place(where), "as asked"
    if url := environ.get("MODELYARD_URL"):
        return _place(url), "named by MODELYARD_URL"
    for folder in (start, *start.parents):
        if (folder / FOLDER / "yard.toml").is_file():
            return folder / FOLDER, f"found from {start}"
    return Path.home() / FOLDER, "the default"


def create(place: Path | str, clock: Clock, store: str | None = None) -> bool:
    """Makes a yard at a folder or a database URL unless there is one; whether it was made. ``store`` is where its bytes go, if not into the same folder.

    Raises YardUnwritable, InvalidDatabaseUrl, DatabaseUnreachable, StoreNeeded, and for a store what
    :func:`modelyard.store.objects.open_objects` raises.

    Two makers at once agree: the first has made it.
    """
    return _create_folder(place, clock, store) if isinstance(place, Path) else _create_in_database(place, clock, store)


def open_yard(place: Path | str, store: str | None = None) -> Yard:
    """The yard at a place. With ``store``, it must be the one that the yard has.

    Raises YardNotFound, YardTooNew, YardTooOld, SchemaTooNew, SchemaTooOld, DatabaseHalfMigrated, CorruptYard, StoreDiffers, DatabaseUnreachable.
    """
    found = _open_folder(place, store) if isinstance(place, Path) else _open_database(place, store)
    try:
        with found.database.read() as connection:
            require_newest(connection, found.place)
    except ModelyardError:
        found.database.close()
        raise
    return found


def upgrade_yard(place: Path | str, *, dry_run: bool = False) -> Upgrade:
    """Brings the database of a yard to the schema of this release; see :func:`modelyard.registry.migrations.upgrade.upgrade`.

    Raises YardNotFound, SchemaTooNew, DatabaseHalfMigrated, CorruptYard, YardUnwritable, DatabaseUnreachable.
    """
    database = _open_folder(place, None).database if isinstance(place, Path) else Database(place)
    try:
        if dry_run:
            with database.read() as connection:
                return plan(connection, database.place)
        done = upgrade(database)
    finally:
        database.close()
    if done.steps:
        from modelyard.client.lineage import fill_in
        from modelyard.client.workspace import Workspace

        fill_in(Workspace(place, create=False))
    return done


def folder_of(path: Path) -> Path:
    """The folder of the yard that a path means: itself, or the ``.modelyard`` in it; whether or not there is one."""
    path = path.expanduser().absolute()
    return path if path.name == FOLDER or (path / "yard.toml").is_file() else path / FOLDER


def store_at(root: Path) -> Store:
    """The store of the yard in a folder, whatever the state of its database. Raises what :func:`open_yard` raises but for the database."""
    return _open_folder(root, None).store


def _create_folder(root: Path, clock: Clock, store: str | None) -> bool:
    marker = root / "yard.toml"
    if marker.exists():
        return False
    if store is not None:
        store = _reachable(store)
    try:
        root.mkdir(parents=True, exist_ok=True)
        (root / ".gitignore").write_text("*\n")  # a yard inside a repository is not part of its code
        database = Database(root / "registry.db")
        database.create()
        database.close()
        half = root / f"yard.toml.{uuid.uuid4().hex}"
        name = str(uuid.uuid4())
        lines = [f"format = {FORMAT}", f'id = "{name}"', f'created = "{to_text(clock.now())}"']
        if store is not None:
            announce(Store(store).objects, name, str(root))  # before there is a yard that could keep something there
            lines.append(
                f"store = {json.dumps(store, ensure_ascii=False)}"
            )  # a TOML string is written as JSON writes it
        half.write_text("\n".join(lines) + "\n")
        try:
            os.link(half, marker)
        except FileExistsError:
            if store is not None:
                withdraw(Store(store).objects, name)
            return False
        finally:
            half.unlink()
    except OSError as error:
        raise YardUnwritable(path=root, problem=error.strerror or error) from error
    return True


def _open_folder(root: Path, store: str | None) -> Yard:
    marker = root / "yard.toml"
    try:
        facts = tomllib.loads(marker.read_text())
    except (FileNotFoundError, NotADirectoryError):
        raise YardNotFound(path=root, how="modelyard init") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise CorruptYard(path=root, problem=f"yard.toml cannot be read: {error}") from error
    found = facts.get("format")
    if not isinstance(found, int) or not isinstance(facts.get("id"), str):
        raise CorruptYard(path=root, problem="yard.toml lacks its format or its id")
    if found > FORMAT:
        raise YardTooNew(path=root, found=found, known=FORMAT)
    if found < FORMAT:
        raise YardTooOld(path=root, found=found, known=FORMAT)
    if not (root / "registry.db").is_file():
        raise CorruptYard(path=root, problem="registry.db is missing; restore it from a backup")
    place = facts.get("store")
    if place is not None and not isinstance(place, str):
        raise CorruptYard(path=root, problem="yard.toml names a store that is not text")
    _require_store(store, place, root)
    kept = Store(place or root / "store")
    return Yard(str(root), str(root), root, facts["id"], kept, Database(root / "registry.db"))


def _create_in_database(url: str, clock: Clock, store: str | None) -> bool:
    database = Database(url)
    try:
        if (known := _row(database)) is not None:
            return _stored(known, store, database.place)
        if store is None:
            raise StoreNeeded(url=database.place)
        store = _reachable(store)
        name = str(uuid.uuid4())
        announce(Store(store).objects, name, database.place)
        database.create()
        with database.write() as connection:
            if connection.execute(select(yards.c.id)).first() is None:
                facts = {"id": name, "format": FORMAT, "store": store, "created_time": to_micros(clock.now())}
                connection.execute(insert(yards).values(**facts))
                return True
        withdraw(Store(store).objects, name)  # another was faster
        return False
    finally:
        database.close()


def _stored(known: Row[Any], store: str | None, place: str) -> bool:
    _require_store(store, known.store, place)
    return False


def _open_database(url: str, store: str | None) -> Yard:
    database = Database(url)
    try:
        known = _row(database)
    except ModelyardError:
        database.close()
        raise
    if known is None:
        database.close()
        raise YardNotFound(path=database.place, how="modelyard init --store URL")
    if known.format > FORMAT:
        raise YardTooNew(path=database.place, found=known.format, known=FORMAT)
    _require_store(store, known.store, database.place)
    state = Path(os.environ.get("XDG_STATE_HOME") or Path.home() / ".local" / "state")
    root = state / "modelyard" / known.id
    return Yard(url, database.place, root, known.id, Store(known.store), database)


def _row(database: Database) -> Row[Any] | None:
    """What the database says of its yard. Raises SchemaTooNew, SchemaTooOld, DatabaseHalfMigrated for tables that are not of this release."""
    with database.read() as connection:
        if current(connection) is None:
            return None
        require_newest(connection, database.place)
        return connection.execute(select(yards)).first()


def _require_store(asked: str | None, found: str | None, place: Path | str) -> None:
    if asked is not None and found not in {asked, str(Path(asked).expanduser().absolute())}:
        raise StoreDiffers(path=place, asked=asked, found=found or "its own folder")


def _reachable(store: str) -> str:
    """The place of a store, absolute; one that does not answer is told before there is a yard."""
    place = store if "://" in store else str(Path(store).expanduser().absolute())
    Store(place).index.refresh()
    return place


def _place(where: str | os.PathLike[str]) -> Path | str:
    text = os.fspath(where)
    if text.partition("://")[0] in SCHEMES:
        return text
    if text.startswith("file://"):
        text = text.removeprefix("file://")
    if "://" in text:
        raise UnsupportedUrl(url=text)
    return folder_of(Path(text))
