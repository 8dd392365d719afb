"""The files of a version out of a store into a folder: each verified, and moved into place whole."""

from __future__ import annotations

import os
import uuid
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import BinaryIO

from modelyard.core.digests import Digest
from modelyard.core.errors import PathUnusable, TargetExists, TargetUnwritable
from modelyard.store.manifest import Manifest, ManifestFile
from modelyard.store.progress import Advance, Progress
from modelyard.store.reading.files import Files
from modelyard.store.reading.hashing import sha256_of


def require_free(manifest: Manifest, target: Path) -> None:
    """Raises TargetExists when anything stands where a file of the manifest is to go."""
    for file in manifest.files:
        if os.path.lexists(target / file.path):
            raise TargetExists(path=target / file.path)


def check_out(
    files: Files,
    manifest: Manifest,
    target: Path,
    *,
    placed: Collection[str] = (),
    progress: Progress | None = None,
    mode: int | None = None,
) -> None:
    """Writes the files of a manifest below ``target``, over what is there, but for those at the paths ``placed``, which the caller has brought. A
    file that is there already with the very bytes is left as it is, so what was interrupted goes on where it was. With ``mode``, files are made
    with these permissions.

    Raises TargetUnwritable, PathUnusable, MissingBlob, CorruptBlob.
    """
    said = progress or (lambda _advance: None)
    wanted: list[ManifestFile] = []
    for file in manifest.files:
        if file.path in placed:
            continue
        if is_same(target / file.path, file):
            said(Advance(file.size, known=file.size))
        else:
            wanted.append(file)
    try:
        _write(files, wanted, target, said, mode)
    except OSError as error:
        raise TargetUnwritable(path=target, problem=error.strerror or error) from error


def is_same(path: Path, file: ManifestFile) -> bool:
    """Whether a regular file with just these bytes is at ``path``; reads it if it has the right size."""
    try:
        return not path.is_symlink() and path.stat().st_size == file.size and sha256_of(path) == file.digest
    except OSError:
        return False


def _write(files: Files, wanted: Sequence[ManifestFile], target: Path, said: Progress, mode: int | None) -> None:
    folders = _Folders(target)
    named: list[tuple[Digest, str]] = [(file.digest, file.path) for file in wanted]
    writing = -1
    out: BinaryIO | None = None
    half = place = Path()
    try:
        for number, chunk in files.iterate_all(named):
            if number != writing:
                if out is not None:
                    _finish(out, half, place, mode)
                    out = None
                writing, place = number, target / wanted[number].path
                half = folders.of(place) / f".{uuid.uuid4().hex}.part"
                out = half.open("wb", buffering=0)
            assert out is not None  # noqa: S101 - for the type checker: each file begins with a new number
            out.write(chunk)
            said(Advance(len(chunk)))
        if out is not None:
            _finish(out, half, place, mode)
            out = None
    finally:
        if out is not None:
            out.close()
            half.unlink(missing_ok=True)


def _finish(out: BinaryIO, half: Path, place: Path, mode: int | None) -> None:
    if mode is not None:
        os.fchmod(out.fileno(), mode)
    out.close()
    half.replace(place)


class _Folders:
    """Makes the folders of the files, once each, and lets no link lead out of the target."""

    def __init__(self, target: Path) -> None:
        self._target = target
        self._made: set[Path] = set()

    def of(self, place: Path) -> Path:
        folder = place.parent
        if folder not in self._made:
            # resolve() follows the links that are there and takes the rest as it is, so this comes before a folder is made
            if not folder.resolve().is_relative_to(self._target.resolve()):
                raise PathUnusable(path=place, problem="a link leads out of the target folder")
            folder.mkdir(parents=True, exist_ok=True)
            self._made.add(folder)
        return folder
