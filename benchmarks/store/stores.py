"""What every store of the comparison can do, and the folder that it stores.

A store keeps successive versions of one folder, ``data``, that it finds in its own work folder, and gives any of them back. Times are of
its own work only: laying the data out before, and reading it back to compare, is not counted.
"""

from __future__ import annotations

import hashlib
import os
import shutil
from pathlib import Path
from typing import Protocol


class Failed(Exception):
    """A store did not do what it was asked; the table says so and the run goes on."""


class Store(Protocol):
    """One store, set up and empty when it is made in an empty work folder."""

    name: str
    work: Path

    def put(self, number: int) -> dict[str, float]:
        """Keeps ``work/data`` as version ``number``; the seconds of each step. Raises Failed."""

    def get(self, number: int, target: Path) -> float:
        """Writes that version into the new folder ``target`` from nothing but what is kept, without any cache; seconds. Raises Failed."""

    def restored(self, target: Path) -> Path:
        """The folder below ``target`` that is ``data`` again."""

    def kept(self) -> int:
        """Bytes of all files that it keeps for all versions."""

    def close(self) -> None:
        """Ends what it runs."""


def lay(store: Store, source: Path, name: str) -> None:
    """Makes the file ``source``, under the one name that all its versions have, all that is in ``data``; on the disk, and warm."""
    data = store.work / "data"
    data.mkdir(exist_ok=True)
    (data / name).unlink(missing_ok=True)  # a tool may have left a link into its own cache
    shutil.copyfile(source, data / name)
    os.sync()


def size(*folders: Path) -> int:
    """Bytes of all files below the folders, each inode once."""
    found = {}
    for folder in folders:
        for parent, _, names in os.walk(folder):
            for name in names:
                status = Path(parent, name).lstat()
                found[status.st_dev, status.st_ino] = status.st_size
    return sum(found.values())


def sha256(path: Path) -> str:
    """The digest of a file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def digests(folder: Path) -> dict[str, str]:
    """The digest of every file below a folder, by its path there."""
    return {str(path.relative_to(folder)): sha256(path) for path in folder.rglob("*") if path.is_file()}
