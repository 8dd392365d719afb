"""From what a yard refers to, to every stored piece that it needs. What cannot be read is said, never passed over: behind it may be anything."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from itertools import islice
from typing import TypeVar

from modelyard.core.digests import Digest
from modelyard.core.errors import Damaged
from modelyard.store.manifest import Manifest
from modelyard.store.packs import Kind
from modelyard.store.reading.files import Files
from modelyard.store.reading.recipe import Recipe
from modelyard.store.upkeep.inventory import Inventory, Piece, founded

BATCH = 256

Found = TypeVar("Found")


@dataclass(frozen=True)
class Roots:
    """The stored files that somebody refers to. The files of ``manifests`` are meant as well; ``files`` stand for themselves."""

    manifests: frozenset[Digest] = frozenset()
    files: frozenset[Digest] = frozenset()

    def __or__(self, other: Roots) -> Roots:
        return Roots(self.manifests | other.manifests, self.files | other.files)


ReadRoots = Callable[[], Roots]
"""Asks again what is referred to; raises Damaged where that cannot be known."""


@dataclass(frozen=True)
class Reach:
    """``live`` are the recipes and chunks of all that is referred to, without what these stand on; ``missing`` are those of them of which there is
    no copy, or none with all that it stands on; ``problems`` are sentences about files that could not be followed."""

    live: frozenset[Piece]
    missing: frozenset[Piece] = frozenset()
    problems: tuple[str, ...] = ()


def reach(files: Files, inventory: Inventory, roots: Roots) -> Reach:
    """Follows the roots. Reads manifests and recipes, no other chunk. Raises only what the objects raise."""
    live: set[Piece] = set()
    problems: list[str] = []
    wanted = set(roots.files | roots.manifests)
    for _, content in read_all(files, roots.manifests, "manifest", problems):
        try:
            wanted.update(file.digest for file in Manifest.from_bytes(content).files)
        except Damaged as error:
            problems.append(str(error))
    for digest, recipe in recipes_of(files, wanted, problems):
        live.add((Kind.RECIPE, bytes.fromhex(digest.hex)))
        live.update((Kind.CHUNK, key) for key, _ in recipe.chunks)
    there = founded(entry for shelf in inventory.shelves.values() for entry in shelf.entries)
    return Reach(frozenset(live), frozenset(live - there.keys()), tuple(problems))


def recipes_of(files: Files, digests: Iterable[Digest], problems: list[str]) -> Iterator[tuple[Digest, Recipe]]:
    """The recipes of many files; those that cannot be read are added to ``problems``."""
    for batch in _batches(sorted(digests)):
        try:
            found = list(files.recipes((digest, f"file {digest}") for digest in batch))
        except Damaged:
            yield from _one_by_one(batch, lambda digest: files.recipe(digest, f"file {digest}"), problems)
        else:
            yield from zip(batch, found, strict=True)


def read_all(files: Files, digests: Iterable[Digest], what: str, problems: list[str]) -> Iterator[tuple[Digest, bytes]]:
    """The verified bytes of many small files; those that cannot be read are added to ``problems``."""
    for batch in _batches(sorted(digests)):
        parts: list[list[bytes]] = [[] for _ in batch]
        try:
            for number, part in files.iterate_all([(digest, f"{what} {digest}") for digest in batch]):
                parts[number].append(bytes(part))
        except Damaged:
            yield from _one_by_one(batch, lambda digest: files.read(digest, f"{what} {digest}"), problems)
        else:
            yield from zip(batch, map(b"".join, parts), strict=True)


def _one_by_one(
    batch: list[Digest], read: Callable[[Digest], Found], problems: list[str]
) -> Iterator[tuple[Digest, Found]]:
    for digest in batch:
        try:
            yield digest, read(digest)
        except Damaged as error:
            problems.append(str(error))


def _batches(digests: Iterable[Digest]) -> Iterator[list[Digest]]:
    listed = iter(digests)
    while batch := list(islice(listed, BATCH)):
        yield batch
