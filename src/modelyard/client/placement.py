"""A version that is in the cache already into a folder of the user: as clones, links or copies of its files."""

from __future__ import annotations

import fcntl
import hashlib
import os
import sys
import uuid
from contextlib import suppress
from pathlib import Path
from typing import BinaryIO

from modelyard.store import Advance, Manifest, ManifestFile, Progress

_FICLONE = 0x40049409  # from linux/fs.h: the file shares the blocks of another until one of them is written
_BLOCK = 1024 * 1024


def bring(
    folder: Path, manifest: Manifest, target: Path, *, untouched: bool, progress: Progress | None = None
) -> set[str]:
    """Clones the files, if they are known to be ``untouched``, where the file system can, which costs nothing; else copies them and verifies the
    copy. Their paths; a file that is in the way, or not as it should be, is left for the store to write."""
    placed: set[str] = set()
    inside = _Inside(target)
    for file in manifest.files:
        place = target / file.path
        if os.path.lexists(place) or not inside.holds(place):
            continue
        half = place.with_name(f".{uuid.uuid4().hex}.part")
        try:
            with (folder / file.path).open("rb") as source, half.open("wb", buffering=0) as out:
                good = (untouched and _cloned(source, out)) or _copied(source, out, file)
            if good:
                half.replace(place)
                placed.add(file.path)
        except OSError:
            break  # the store says better what is the matter with the target
        finally:
            with suppress(OSError):
                half.unlink(missing_ok=True)
        if good and progress:
            progress(Advance(file.size, known=file.size))
    return placed


def _cloned(source: BinaryIO, out: BinaryIO) -> bool:
    if sys.platform != "linux":
        return False
    try:
        fcntl.ioctl(out.fileno(), _FICLONE, source.fileno())
    except OSError:
        return False
    return True


def _copied(source: BinaryIO, out: BinaryIO, file: ManifestFile) -> bool:
    sha = hashlib.sha256()
    while block := source.read(_BLOCK):
        sha.update(block)
        out.write(block)
    return "sha256:" + sha.hexdigest() == file.digest


def link(folder: Path, manifest: Manifest, target: Path) -> set[str]:
    """Links the read-only files of the cache that are not there yet; the paths of all that are links to it now. The rest is for the store to write."""
    placed: set[str] = set()
    inside = _Inside(target)
    for file in manifest.files:
        source, place = folder / file.path, target / file.path
        if not inside.holds(place):
            continue
        with suppress(OSError):  # another file system, or another file in the way
            if not os.path.lexists(place):
                os.link(source, place)
            if source.samefile(place):
                placed.add(file.path)
    return placed


class _Inside:
    """Makes the folders of the files, once each, where no link leads out of the target."""

    def __init__(self, target: Path) -> None:
        self._target = target
        self._known: dict[Path, bool] = {}

    def holds(self, place: Path) -> bool:
        """Whether the file may be put there; its folder is there then, or whoever writes into it learns why not."""
        folder = place.parent
        if folder not in self._known:
            self._known[folder] = folder.resolve().is_relative_to(self._target.resolve())
            if self._known[folder]:
                with suppress(OSError):
                    folder.mkdir(parents=True, exist_ok=True)
        return self._known[folder]
