"""Verified versions as ordinary folders, so that what loads from a path can load from here."""

from __future__ import annotations

import os
import shutil
import tempfile
import uuid
from pathlib import Path

from modelyard.store import Manifest, Store


class Cache:
    """Folders named by digest. Every use verifies the bytes; a damaged entry is made anew."""

    def __init__(self, root: Path, store: Store) -> None:
        self._root = root
        self._store = store

    def folder(self, manifest: Manifest) -> Path:
        """A folder that holds just the files of the manifest, verified now. Do not write into it."""
        place = self._writable() / manifest.digest.hex
        if place.is_dir() and self._store.verify_tree(manifest, place):
            return place
        half = place.with_name(f"{place.name}.{uuid.uuid4().hex}")
        try:
            self._store.materialize(manifest, half)
            _put_in_place(half, place)
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
        fallback = Path(tempfile.gettempdir()) / f"modelyard-cache-{os.getuid()}"
        fallback.mkdir(mode=0o700, exist_ok=True)
        return fallback


def _put_in_place(half: Path, place: Path) -> None:
    for _ in range(3):
        try:
            half.replace(place)
        except OSError:  # another process was first, or the old entry is damaged: move it away and try again
            old = place.with_name(f"{place.name}.{uuid.uuid4().hex}")
            try:
                place.replace(old)
            except OSError:
                continue
            shutil.rmtree(old, ignore_errors=True)
        else:
            return
    half.replace(place)
