"""Verified versions as ordinary folders, so that what loads from a path can load from here. Processes share it, and versions share their files.

A file is verified when it comes in. After that its identity on the disk (inode, size, times) says whether anybody has touched it, so using a version again
costs one look a file, whatever its size. What was touched is verified again and, if it is not what it was, made anew. That look does not see a disk that
decays by itself: with ``MODELYARD_CACHE_VERIFY=always`` every use reads and verifies all bytes, and so does the first use after the machine started.
"""

from __future__ import annotations

import json
import os
import shutil
import stat
import tempfile
import uuid
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

from modelyard.store import Manifest, ManifestFile, Store
from modelyard.store.progress import Progress
from modelyard.store.reading.checkout import check_out, is_same
from modelyard.store.writing.leases import boot

Seen = dict[str, list[int]]
"""By relative path: inode, size, time of change of the content in ns, time of change of the inode in ns, number of links."""


class Cache:
    """Folders named by digest, of read-only files. Every use checks them; a damaged entry heals itself."""

    def __init__(self, root: Path, store: Store, environ: Mapping[str, str] = os.environ) -> None:
        self._root = root
        self._store = store
        self._trusting = environ.get("MODELYARD_CACHE_VERIFY") != "always"
        self._fallback: Path | None = None

    def folder(self, manifest: Manifest, progress: Progress | None = None) -> Path:
        """A folder that holds just the files of the manifest, verified. Do not write into it."""
        place = self._writable() / "versions" / manifest.digest.hex
        if self._trusting and _is_untouched(place, manifest):
            return place
        if place.is_dir() and self._store.verify_tree(manifest, place):
            _note(place, manifest)
            return place
        half = place.with_name(f"{place.name}.{uuid.uuid4().hex}")
        half.mkdir(parents=True)
        try:
            self._fill(half, manifest, progress)
            self._put_in_place(manifest, half, place)
        finally:
            shutil.rmtree(half, ignore_errors=True)
        _note(place, manifest)
        return place

    def held(self, manifest: Manifest) -> tuple[Path, bool] | None:
        """The folder of a version that is here already, and whether nobody has touched it since it was verified; else None."""
        place = self._root / "versions" / manifest.digest.hex
        return (place, self._trusting and _is_untouched(place, manifest)) if place.is_dir() else None

    def _fill(self, half: Path, manifest: Manifest, progress: Progress | None) -> None:
        """Brings the files in: those of other versions as further links to the same bytes, the rest from the store."""
        shelf = self._writable() / "files"
        shelf.mkdir(exist_ok=True)
        for file in manifest.files:
            kept = shelf / Path(file.digest.hex[:2], file.digest.hex)
            if is_same(kept, file):
                place = half / file.path
                place.parent.mkdir(parents=True, exist_ok=True)
                with suppress(
                    OSError
                ):  # a file system without links, or a file with too many: then it is a file of its own
                    os.link(kept, place)
        check_out(self._store.files, manifest, half, progress=progress, mode=0o444)
        for file in manifest.files:
            _keep(shelf, half / file.path, file)

    def _writable(self) -> Path:
        try:
            (self._root / "versions").mkdir(parents=True, exist_ok=True)
            if os.access(self._root, os.W_OK):
                return self._root
        except OSError:
            pass
        # A yard on a read-only disk still loads: its entries then live as long as the machine's temporary folder.
        if self._fallback is None:
            self._fallback = _private_folder()
            (self._fallback / "versions").mkdir(exist_ok=True)
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


def _keep(shelf: Path, path: Path, file: ManifestFile) -> None:
    """Makes the file findable for other versions that hold it too."""
    kept = shelf / Path(file.digest.hex[:2], file.digest.hex)
    with suppress(OSError):
        if kept.exists() and kept.samefile(path):
            return
        kept.parent.mkdir(exist_ok=True)
        half = kept.with_name(f"{kept.name}.{uuid.uuid4().hex}")
        os.link(path, half)
        half.replace(kept)


def _notes(place: Path) -> Path:
    return place.with_name(place.name + ".json")


def _note(place: Path, manifest: Manifest) -> None:
    """Writes down how the files look now that they are verified."""
    with suppress(OSError):
        document = {"boot": boot(), "files": {file.path: _look(place / file.path) for file in manifest.files}}
        half = place.with_name(f"{place.name}.{uuid.uuid4().hex}.json")
        half.write_text(json.dumps(document))
        half.replace(_notes(place))


def _is_untouched(place: Path, manifest: Manifest) -> bool:
    """Whether the folder holds just the files of the manifest, as they were when they were verified since the machine started."""
    try:
        document = json.loads(_notes(place).read_text())
        seen: Seen = document["files"]
        if not document["boot"] or document["boot"] != boot():
            return False  # what was written just before a crash may not be on the disk, whatever the times say
        found = set(_below(place))
        if not found == seen.keys() == {file.path for file in manifest.files}:
            return False
        return all(_agree(seen[path], _look(place / path)) for path in found)
    except (OSError, ValueError, KeyError, TypeError):
        return False


def _agree(then: list[int], now: list[int]) -> bool:
    # a further link to the same bytes changes the time of the inode; nothing else that leaves the content alone does so here
    return then[:3] == now[:3] and (then[3] == now[3] or then[4] != now[4])


def _look(path: Path) -> list[int]:
    status = path.lstat()
    if not stat.S_ISREG(status.st_mode):
        raise ValueError(f"{path} is not a file")
    return [status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns, status.st_nlink]


def _below(folder: Path, prefix: str = "") -> list[str]:
    found: list[str] = []
    with os.scandir(folder) as entries:
        for entry in entries:
            if entry.is_dir(follow_symlinks=False):
                found += _below(Path(entry.path), f"{prefix}{entry.name}/")
            else:
                found.append(prefix + entry.name)
    return found


def _private_folder() -> Path:
    """A folder that only this user can write: what is verified there stays as it is."""
    wanted = Path(tempfile.gettempdir()) / f"modelyard-cache-{os.getuid()}"
    with suppress(FileExistsError):
        wanted.mkdir(mode=0o700)
    status = wanted.lstat()
    if stat.S_ISDIR(status.st_mode) and status.st_uid == os.getuid() and not status.st_mode & 0o022:
        return wanted
    return Path(tempfile.mkdtemp(prefix="modelyard-cache-"))
