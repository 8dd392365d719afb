"""A yard as a folder: finding it, making it, opening it."""

from __future__ import annotations

import json
import os
import tomllib
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from modelyard.core.clock import Clock, to_text
from modelyard.core.errors import (
    CorruptYard,
    StoreDiffers,
    UnsupportedUrl,
    YardNotFound,
    YardTooNew,
    YardTooOld,
    YardUnwritable,
)
from modelyard.registry import Database
from modelyard.store import Store
from modelyard.store.upkeep.owners import announce, withdraw

FOLDER = ".modelyard"
FORMAT = 2


@dataclass(frozen=True)
class Yard:
    """An open yard: its folder, its store and its database."""

    root: Path
    id: str
    store: Store
    database: Database


def locate(where: str | os.PathLike[str] | None, environ: Mapping[str, str], start: Path) -> tuple[Path, str]:
    """The folder of the yard that is meant, whether or not it exists, and a phrase that says why this one.

    The argument, else ``MODELYARD_URL``, else the nearest ``.modelyard`` upward from ``start``, else ``~/.modelyard``. A path may name the
    yard itself or the folder that holds it. Raises UnsupportedUrl for a URL that is not a folder's.
    """
    if where is not None:
        return _folder(where), "as asked"
    if url := environ.get("MODELYARD_URL"):
        return _folder(url), "named by MODELYARD_URL"
    for folder in (start, *start.parents):
        if (folder / FOLDER / "yard.toml").is_file():
            return folder / FOLDER, f"found from {start}"
    return Path.home() / FOLDER, "the default"


def create(root: Path, clock: Clock, store: str | None = None) -> bool:
    """Makes a yard at ``root`` unless there is one; whether it was made. ``store`` is where its bytes go, if not into the same folder.

    Raises YardUnwritable, and for a store what :func:`modelyard.store.objects.open_objects` raises.

    Two makers at once agree: the one whose yard.toml is linked first has made it.
    """
    marker = root / "yard.toml"
    if marker.exists():
        return False
    if store is not None:
        store = store if "://" in store else str(Path(store).expanduser().absolute())
        Store(store).index.refresh()  # a place that does not answer is told before there is a yard
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


def open_yard(root: Path, store: str | None = None) -> Yard:
    """The yard at ``root``. With ``store``, it must be the one that the yard has. Raises YardNotFound, YardTooNew, YardTooOld, CorruptYard, StoreDiffers."""
    marker = root / "yard.toml"
    try:
        facts = tomllib.loads(marker.read_text())
    except (FileNotFoundError, NotADirectoryError):
        raise YardNotFound(path=root) from None
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
    if store is not None and place not in {store, str(Path(store).expanduser().absolute())}:
        raise StoreDiffers(path=root, asked=store, found=place or "its own folder")
    return Yard(root, facts["id"], Store(place or root / "store"), Database(root / "registry.db"))


def _folder(where: str | os.PathLike[str]) -> Path:
    text = os.fspath(where)
    if text.startswith("file://"):
        text = text.removeprefix("file://")
    if "://" in text:
        raise UnsupportedUrl(url=text)
    path = Path(text).expanduser().absolute()
    return path if path.name == FOLDER or (path / "yard.toml").is_file() else path / FOLDER
