"""Named objects in a folder, each written once and whole: the only place of the store that touches the disk."""

from __future__ import annotations

import os
import threading
import uuid
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

    def settle(self) -> None:
        """Makes everything put so far durable."""
        ...


class FolderObjects:
    """Objects below ``root/ab/abcd…``; half-written ones are below ``temporary`` and are garbage after a crash."""

    def __init__(self, root: Path, temporary: Path) -> None:
        self.root = root
        self._temporary = temporary
        self._unsettled: set[Path] = set()
        self._lock, self._settling = threading.Lock(), threading.Lock()

    def _path(self, name: str) -> Path:
        return self.root / name[:2] / name

    def put(self, name: str, data: bytes | memoryview) -> bool:
        path = self._path(name)
        if self._holds(path, data):
            self._note(path.parent)  # whoever wrote it may not have settled it yet
            return False
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
        self._note(path.parent)
        return True

    def get(self, name: str) -> bytes:
        return self._path(name).read_bytes()

    def size(self, name: str) -> int | None:
        try:
            return self._path(name).stat().st_size
        except FileNotFoundError:
            return None

    def settle(self) -> None:
        # A rename is durable once its folder is; the new shelf itself is an entry of the root.
        with self._settling:  # who comes second must not return before what the first took is durable
            with self._lock:
                folders, self._unsettled = self._unsettled, set()
            for folder in {*folders, *([self.root] if folders else [])}:
                _sync_folder(folder)

    def _note(self, folder: Path) -> None:
        with self._lock:
            self._unsettled.add(folder)

    @staticmethod
    def _holds(path: Path, data: bytes | memoryview) -> bool:
        """Whether the very bytes are there. A damaged object under the right name is written anew: the name says what it must be."""
        try:
            return path.stat().st_size == len(data) and path.read_bytes() == data
        except (FileNotFoundError, NotADirectoryError):
            return False


def _sync_folder(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
