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


def bring(folder: Path, manifest: Manifest, target: Path, progress: Progress | None = None) -> set[str]:
    """Clones the files where the file system can, which costs nothing, else copies them and verifies the copy; their paths. A file that is in the
    way, or not as it should be, is left for the store to write."""
    placed: set[str] = set()
    for file in manifest.files:
        place = target / file.path
        if os.path.lexists(place) or not _is_inside(place, target):
            continue
        half = place.with_name(f".{uuid.uuid4().hex}.part")
        try:
            place.parent.mkdir(parents=True, exist_ok=True)
            with (folder / file.path).open("rb") as source, half.open("wb", buffering=0) as out:
                good = _cloned(source, out) or _copied(source, out, file)
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
    for file in manifest.files:
        source, place = folder / file.path, target / file.path
        if not _is_inside(place, target):
            continue
        with suppress(OSError):  # another file system, or another file in the way
            if not os.path.lexists(place):
                place.parent.mkdir(parents=True, exist_ok=True)
                os.link(source, place)
            if source.samefile(place):
                placed.add(file.path)
    return placed


def _is_inside(place: Path, target: Path) -> bool:
    return place.parent.resolve().is_relative_to(target.resolve())
