"""A version that is in the cache already into a folder of the user: as clones or links of its files where that is wanted and possible."""

from __future__ import annotations

import fcntl
import os
import sys
import uuid
from contextlib import suppress
from pathlib import Path

from modelyard.store import Advance, Manifest, Progress

_FICLONE = 0x40049409  # from linux/fs.h: the file shares the blocks of another until one of them is written


def clone(folder: Path, manifest: Manifest, target: Path, progress: Progress | None = None) -> set[str]:
    """Clones those files that the file system can clone and that are not there yet; their paths. The rest is for the store to write."""
    placed: set[str] = set()
    if sys.platform != "linux":
        return placed
    for file in manifest.files:
        place = target / file.path
        if os.path.lexists(place) or not _is_inside(place, target):
            continue
        half = place.with_name(f".{uuid.uuid4().hex}.part")
        try:
            place.parent.mkdir(parents=True, exist_ok=True)
            with (folder / file.path).open("rb") as source, half.open("wb") as out:
                fcntl.ioctl(out.fileno(), _FICLONE, source.fileno())
            half.replace(place)
        except OSError:
            with suppress(OSError):
                half.unlink(missing_ok=True)
            break  # the next file would not go either
        placed.add(file.path)
        if progress:
            progress(Advance(file.size, known=file.size))
    return placed


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
