"""Which files differ between two trees, and how many of their bytes lie in chunks that both have."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from modelyard.core.digests import Digest
from modelyard.store.manifest import Manifest, ManifestFile
from modelyard.store.reading.recipe import Recipe


@dataclass(frozen=True)
class FileChange:
    """A file with other bytes than before, when it was called ``was``: sizes in bytes, and how many bytes of it lie in chunks that it had before."""

    path: str
    was: str
    before: int
    after: int
    common: int

    def to_json(self) -> dict[str, Any]:
        return dict(vars(self))


@dataclass(frozen=True)
class Renaming:
    """The same bytes at another path."""

    path: str
    was: str
    size: int

    def to_json(self) -> dict[str, Any]:
        return dict(vars(self))


@dataclass(frozen=True)
class FileChanges:
    """``new_chunks`` chunks, ``new_bytes`` long together, are in files that are added or changed, and in none that was there before and is
    removed or changed."""

    added: tuple[ManifestFile, ...] = ()
    removed: tuple[ManifestFile, ...] = ()
    changed: tuple[FileChange, ...] = ()
    renamed: tuple[Renaming, ...] = ()
    unchanged: int = 0
    new_chunks: int = 0
    new_bytes: int = 0

    def __bool__(self) -> bool:
        return bool(self.added or self.removed or self.changed or self.renamed)

    @property
    def origins(self) -> Mapping[str, str]:
        """The path before of each file that has another now."""
        moved = [(one.path, one.was) for one in self.renamed] + [(one.path, one.was) for one in self.changed]
        return {path: was for path, was in moved if path != was}

    def to_json(self) -> dict[str, Any]:
        return {
            "added": [dict(vars(one)) for one in self.added],
            "removed": [dict(vars(one)) for one in self.removed],
            "changed": [one.to_json() for one in self.changed],
            "renamed": [one.to_json() for one in self.renamed],
            "unchanged": self.unchanged,
            "new_chunks": self.new_chunks,
            "new_bytes": self.new_bytes,
        }


def file_changes(a: Manifest, b: Manifest, before: Mapping[str, Recipe], after: Mapping[str, Recipe]) -> FileChanges:
    """From ``a`` to ``b``, whose recipes are given by path.

    Files correspond by path; of the rest those with equal bytes are renamed, and where each tree is one file, these two correspond whatever they are called.
    """
    both = [(old, file) for file in b.files if (old := a.file(file.path))]
    removed = [file for file in a.files if b.file(file.path) is None]
    added = [file for file in b.files if a.file(file.path) is None]
    renamed = _renamed(removed, added)
    moved = {file.path for pair in renamed for file in pair}  # no path of these is in both trees
    removed = [file for file in removed if file.path not in moved]
    added = [file for file in added if file.path not in moved]
    if removed and added and len(a.files) == len(b.files) == 1:
        both.append((removed.pop(), added.pop()))
    differing = [(old, new) for old, new in both if old.digest != new.digest]
    held = _chunks(before[file.path] for file in [*removed, *(old for old, _ in differing)])
    wanted = _chunks(after[file.path] for file in [*added, *(new for _, new in differing)])
    fresh = wanted - held
    return FileChanges(
        tuple(added),
        tuple(removed),
        tuple(
            FileChange(new.path, old.path, old.size, new.size, _common(before[old.path], after[new.path]))
            for old, new in differing
        ),
        tuple(Renaming(new.path, old.path, new.size) for old, new in renamed),
        len(both) - len(differing),
        len(fresh),
        sum(length for _, length in fresh),
    )


def _renamed(removed: list[ManifestFile], added: list[ManifestFile]) -> list[tuple[ManifestFile, ManifestFile]]:
    left: dict[Digest, list[ManifestFile]] = {}
    for file in reversed(removed):
        left.setdefault(file.digest, []).append(file)
    return [(left[file.digest].pop(), file) for file in added if left.get(file.digest)]


def _chunks(recipes: Iterable[Recipe]) -> set[tuple[bytes, int]]:
    return {chunk for recipe in recipes for chunk in recipe.chunks}


def _common(before: Recipe, after: Recipe) -> int:
    held = set(before.chunks)
    return sum(length for key, length in after.chunks if (key, length) in held)
