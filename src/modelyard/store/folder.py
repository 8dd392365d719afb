"""Named objects in a folder, each written once and whole: the only place of the store that touches the disk."""

from __future__ import annotations

import os
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Protocol

from modelyard.core.errors import YardUnwritable


class Objects(Protocol):
    """Named, immutable objects. What an implementer owes:

    ``put`` is idempotent (the name is derived from the content) and atomic: after a crash an object is there whole or not at all.
    ``settle`` returns when everything put so far survives a power cut; it may be called at any time and often.
    ``get`` raises ``FileNotFoundError`` for a missing object and may return damaged bytes: the caller verifies.
    """

    def put(self, name: str, data: bytes | memoryview) -> bool:
        """Keeps the object; False when it was there already."""
        ...

    def get(self, name: str) -> bytes:
        """All bytes of the object."""
        ...

    def size(self, name: str) -> int | None:
        """The length of the object in bytes, or None when it is missing."""
        ...

    def names(self) -> Iterator[str]:
        """Every name, in no order."""
        ...

    def settle(self) -> None:
        """Makes everything put so far durable."""
        ...


class FolderObjects:
    """Objects below ``root/ab/abcd…``; half-written ones are below ``temporary`` and are garbage after a crash."""

    def __init__(self, root: Path, temporary: Path) -> None:
        self.root = root
        self._temporary = temporary
        self._unsettled: set[Path] = set()

    def _path(self, name: str) -> Path:
        return self.root / name[:2] / name

    def put(self, name: str, data: bytes | memoryview) -> bool:
        path = self._path(name)
        try:
            # A file of another length is the leftover of a damaged disk: the name says what the bytes must be, so write again.
            if path.stat().st_size == len(data):
                return False
        except (FileNotFoundError, NotADirectoryError):
            pass
        try:
            self._temporary.mkdir(parents=True, exist_ok=True)
            path.parent.mkdir(parents=True, exist_ok=True)
            half = self._temporary / uuid.uuid4().hex
            try:
                with half.open("wb") as out:
                    out.write(data)
                    out.flush()
                    os.fsync(out.fileno())
                half.chmod(0o444)
                half.replace(path)
            finally:
                half.unlink(missing_ok=True)
        except OSError as error:
            raise YardUnwritable(path=self.root, problem=error.strerror or str(error)) from error
        self._unsettled.add(path.parent)
        return True

    def get(self, name: str) -> bytes:
        return self._path(name).read_bytes()

    def size(self, name: str) -> int | None:
        try:
            return self._path(name).stat().st_size
        except FileNotFoundError:
            return None

    def names(self) -> Iterator[str]:
        if self.root.is_dir():
            for shelf in self.root.iterdir():
                for path in shelf.iterdir():
                    yield path.name

    def settle(self) -> None:
        # A rename is durable once its folder is; the new shelf itself is an entry of the root.
        folders = {*self._unsettled, *([self.root] if self._unsettled else [])}
        self._unsettled.clear()
        for folder in folders:
            _sync_folder(folder)


def _sync_folder(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
