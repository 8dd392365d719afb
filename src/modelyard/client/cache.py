"""Verified versions as ordinary folders, so that what loads from a path can load from here."""

from __future__ import annotations

import os
import shutil
import stat
import tempfile
import uuid
from contextlib import suppress
from pathlib import Path

from modelyard.store import Manifest, Store


class Cache:
    """Folders named by digest. Every use verifies the bytes; a damaged entry is made anew."""

    def __init__(self, root: Path, store: Store) -> None:
        self._root = root
        self._store = store
        self._fallback: Path | None = None

    def folder(self, manifest: Manifest) -> Path:
        """A folder that holds just the files of the manifest, verified now. Do not write into it."""
        place = self._writable() / manifest.digest.hex
        if place.is_dir() and self._store.verify_tree(manifest, place):
            return place
        half = place.with_name(f"{place.name}.{uuid.uuid4().hex}")
        try:
            self._store.materialize(manifest, half)
            self._put_in_place(manifest, half, place)
        finally:
            shutil.rmtree(half, ignore_errors=True)
        return place

    def _writable(self) -> Path:
        try:
            self._root.mkdir(parents=True, exist_ok=True)
            if os.access(self._root, os.W_OK):
                return self._root
        except OSError:
            pass
        # A yard on a read-only disk still loads: its entries then live as long as the machine's temporary folder.
        if self._fallback is None:
            self._fallback = _private_folder()
        return self._fallback

    def _put_in_place(self, manifest: Manifest, half: Path, place: Path) -> None:
        for _ in range(3):
            try:
                half.replace(place)
            except OSError:
                if self._store.verify_tree(manifest, place):  # another was faster, and may be reading from it already
                    return
                old = place.with_name(f"{place.name}.{uuid.uuid4().hex}")
                with suppress(OSError):
                    place.replace(old)
                    shutil.rmtree(old, ignore_errors=True)
            else:
                return
        half.replace(place)


def _private_folder() -> Path:
    """A folder that only this user can write: what is verified there stays as it is."""
    wanted = Path(tempfile.gettempdir()) / f"modelyard-cache-{os.getuid()}"
    with suppress(FileExistsError):
        wanted.mkdir(mode=0o700)
    status = wanted.lstat()
    if stat.S_ISDIR(status.st_mode) and status.st_uid == os.getuid() and not status.st_mode & 0o022:
        return wanted
    return Path(tempfile.mkdtemp(prefix="modelyard-cache-"))
