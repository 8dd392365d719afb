"""The store of a yard: trees of files in, manifests out, verified trees back."""

from __future__ import annotations

import hashlib
import os
import uuid
from pathlib import Path
from typing import Any

from modelyard.core.digests import Digest
from modelyard.core.errors import PathEmpty, PathMissing, PathUnusable, TargetExists, TargetUnwritable
from modelyard.store.files import FileDigest, Files, Progress
from modelyard.store.folder import FolderObjects
from modelyard.store.manifest import Manifest, ManifestFile
from modelyard.store.tree import TreeFile, tree_of


class Store:
    """Content-addressed files and manifests below one folder. Safe for any number of writers at once."""

    def __init__(self, root: Path) -> None:
        temporary = root / "tmp"
        self.root = root
        self.files = Files(FolderObjects(root / "chunks", temporary), FolderObjects(root / "files", temporary))

    def put_tree(self, path: Path, progress: Progress | None = None) -> tuple[ManifestFile, ...]:
        """Keeps the file at ``path`` or every file below it. Raises PathMissing, PathEmpty, PathUnusable, YardUnwritable."""
        return tuple(self._put_file(file, progress) for file in tree_of(path))

    def put_bytes(self, data: bytes) -> FileDigest:
        """Keeps a small document."""
        kept = self.files.put_bytes(data)
        self.files.settle()
        return kept

    def put_manifest(self, kind: str, files: tuple[ManifestFile, ...], facts: dict[str, Any]) -> Manifest:
        """Keeps the manifest after its files; when this returns, all of it survives a power cut."""
        manifest = Manifest(kind, tuple(sorted(files, key=lambda f: f.path)), facts)
        self.files.put_bytes(manifest.to_bytes())
        self.files.settle()
        return manifest

    def manifest(self, digest: Digest) -> Manifest:
        """The manifest with this digest, verified. Raises MissingBlob or CorruptBlob."""
        return Manifest.from_bytes(self.files.read(digest, f"manifest {digest}"))

    def read(self, digest: Digest, file: str = "") -> bytes:
        """All bytes of a stored file, verified."""
        return self.files.read(digest, file or digest)

    def materialize(
        self, manifest: Manifest, target: Path, *, replace: bool = False, progress: Progress | None = None
    ) -> None:
        """Writes the files of a manifest below ``target``, each verified and moved into place whole.

        Raises TargetExists before anything is written when a file is in the way and ``replace`` is False.
        """
        if not replace:
            for file in manifest.files:
                if os.path.lexists(target / file.path):
                    raise TargetExists(path=target / file.path)
        for file in manifest.files:
            self._materialize_file(file, target, progress)

    def verify_tree(self, manifest: Manifest, folder: Path) -> bool:
        """Whether ``folder`` holds just these files with just these bytes; reads all of them."""
        try:
            found = {file.name: file.source for file in tree_of(folder)}
            if found.keys() != {file.path for file in manifest.files}:
                return False
            return all(_sha256(found[file.path]) == file.digest for file in manifest.files)
        except (PathUnusable, PathEmpty, PathMissing, OSError):
            return False

    def _put_file(self, file: TreeFile, progress: Progress | None) -> ManifestFile:
        try:
            with file.source.open("rb") as source:
                before = os.fstat(source.fileno())
                kept = self.files.put(source, progress)
                after = os.fstat(source.fileno())
        except OSError as error:
            raise PathUnusable(path=file.source, problem=error.strerror) from error
        if (before.st_size, before.st_mtime_ns) != (after.st_size, after.st_mtime_ns) or kept.size != after.st_size:
            raise PathUnusable(
                path=file.source, problem="it changed while it was being read; try again when it is at rest"
            )
        return ManifestFile(file.name, kept.size, kept.digest)

    def _materialize_file(self, file: ManifestFile, target: Path, progress: Progress | None) -> None:
        path = target / file.path
        half = path.with_name(f".{uuid.uuid4().hex}.part")
        try:
            # resolve() follows the links that are there and takes the rest as it is, so this comes before a folder is made
            if not path.parent.resolve().is_relative_to(target.resolve()):
                raise PathUnusable(path=path, problem="a link leads out of the target folder")
            path.parent.mkdir(parents=True, exist_ok=True)
            try:
                with half.open("wb") as out:
                    for chunk in self.files.iterate(file.digest, file.path):
                        out.write(chunk)
                        if progress:
                            progress(len(chunk))
                half.replace(path)
            finally:
                half.unlink(missing_ok=True)
        except OSError as error:
            raise TargetUnwritable(path=target, problem=error.strerror or error) from error


def _sha256(path: Path) -> Digest:
    with path.open("rb") as source:
        return Digest("sha256:" + hashlib.file_digest(source, "sha256").hexdigest())
