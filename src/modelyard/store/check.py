"""What is wrong with the stored bytes of a manifest: missing, of the wrong length, or (when read) not what their names say."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from modelyard.core.digests import Digest
from modelyard.core.errors import Damaged
from modelyard.store.files import Files
from modelyard.store.manifest import Manifest
from modelyard.store.store import Store


@dataclass(frozen=True)
class Finding:
    """One damaged or missing file, in a sentence for people."""

    file: str
    problem: str


def examine(store: Store, digest: Digest, *, read: bool) -> Iterator[Finding]:
    """Yields what is wrong with a manifest and its files; with ``read`` every byte is read and verified, else only presence and length."""
    try:
        manifest = store.manifest(digest)
    except Damaged as error:
        yield Finding(f"manifest {digest}", str(error))
        return
    yield from examine_files(store.files, manifest, read=read)


def examine_files(files: Files, manifest: Manifest, *, read: bool) -> Iterator[Finding]:
    """Yields what is wrong with the files of a manifest, one finding a file."""
    for file in manifest.files:
        try:
            if read:
                for _ in files.iterate(file.digest, file.path):
                    pass
            else:
                recipe = files.recipe(file.digest, file.path)
                absent = [name for name, length in recipe.chunks if files.chunks.size(name) != length]
                if absent or recipe.size != file.size:
                    yield Finding(
                        file.path, f"{len(absent)} of its {len(recipe.chunks)} chunks are missing or cut short"
                    )
        except Damaged as error:
            yield Finding(file.path, str(error))
