"""A file as its chunks in order, read back verified.

Every read checks each chunk against its BLAKE3; a read of the whole file checks the SHA-256 as well. Format: ``docs/formats/store.md``.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice, tee

from modelyard.core.digests import Digest
from modelyard.core.errors import CorruptBlob, MissingBlob
from modelyard.store.codecs.codec import Bytes
from modelyard.store.layouts import layout_of
from modelyard.store.layouts.layout import Layout
from modelyard.store.packs import Index, Kind
from modelyard.store.reading.excerpts import Excerpts, Read
from modelyard.store.reading.reader import Reader, Wanted
from modelyard.store.reading.recipe import Recipe

GROUP = 1024
"""So many files are read in one stream."""


@dataclass(frozen=True)
class FileDigest:
    """What identifies a stored file, and its length in bytes."""

    digest: Digest
    size: int


@dataclass(frozen=True)
class Range:
    """Up to ``length`` bytes of a file from ``offset``, fewer only where it ends."""

    recipe: Recipe
    file: str
    offset: int
    length: int

    @property
    def end(self) -> int:
        return min(self.offset + self.length, self.recipe.size)

    @property
    def chunks(self) -> range:
        """The numbers of the chunks that hold it."""
        if self.offset >= self.end:
            return range(0)
        return range(self.recipe.at(self.offset), self.recipe.at(self.end - 1) + 1)


class Files:
    """Stored files by their SHA-256."""

    def __init__(self, index: Index, reader: Reader) -> None:
        self._index = index
        self._reader = reader

    def recipe(self, digest: Digest, file: str) -> Recipe:
        """The recipe of a file; ``file`` is its name for error messages. Raises MissingBlob or CorruptBlob."""
        key = bytes.fromhex(digest.hex)
        for look_again in (self._index.refresh, self._index.recover, None):
            for data in self._reader.copies(Kind.RECIPE, key):
                try:
                    return Recipe.from_bytes(bytes(data))
                except ValueError:
                    continue
            if look_again is not None:
                look_again()
        if not self._index.find(Kind.RECIPE, key):
            raise MissingBlob(file=file, digest=digest)
        raise CorruptBlob(file=file, offset=0, expected="a valid recipe", found="damaged bytes")

    def has(self, chunk: bytes) -> bool:
        """Whether the index knows of a chunk."""
        return bool(self._index.find(Kind.CHUNK, chunk))

    def recipes(self, named: Iterable[tuple[Digest, str]]) -> Iterator[Recipe]:
        """The recipes of many files, each with its name for error messages. Raises as :meth:`recipe` does."""
        listed = iter(named)
        while batch := list(islice(listed, 256)):
            keys = [bytes.fromhex(digest.hex) for digest, _ in batch]
            for (digest, file), data in zip(batch, self._reader.first_copies(Kind.RECIPE, keys), strict=True):
                try:
                    yield Recipe.from_bytes(bytes(data or b""))
                except ValueError:
                    yield self.recipe(digest, file)

    def iterate(self, digest: Digest, file: str) -> Iterator[Bytes]:
        """The verified chunks of a file. A damaged chunk raises CorruptBlob with its offset instead of being returned; the SHA-256 of the
        whole is checked before the last chunk is returned, so a consumer that saw the end saw a verified file."""
        for _, chunk in self.iterate_all([(digest, file)]):
            yield chunk

    def iterate_all(self, named: Sequence[tuple[Digest, str]]) -> Iterator[tuple[int, Bytes]]:
        """The verified chunks of many files, one file after the other, with the number of the file; an empty file gives one empty chunk.

        Raises as :meth:`iterate` does, before the last chunk of the file that is damaged.
        """
        for start in range(0, len(named), GROUP):
            group = named[start : start + GROUP]
            recipes = list(self.recipes(group))
            chunks = self._reader.stream(
                one
                for (_, file), recipe in zip(group, recipes, strict=True)
                for one in self._wanted(recipe, file, 0, len(recipe.chunks))
            )
            for number, ((digest, file), recipe) in enumerate(zip(group, recipes, strict=True), start):
                for chunk in _checked(islice(chunks, len(recipe.chunks)), digest, file):
                    yield number, chunk

    def read(self, digest: Digest, file: str) -> bytes:
        """All bytes of a small file, verified."""
        return b"".join(self.iterate(digest, file))

    def read_range(self, recipe: Recipe, file: str, offset: int, length: int) -> bytes:
        """Bytes of a file, fewer only where it ends, without reading the rest; each chunk that is touched is verified."""
        return next(self.read_ranges([Range(recipe, file, offset, length)]))

    def read_ranges(self, ranges: Iterable[Range]) -> Iterator[bytes]:
        """Many ranges, in order, the next being read while the consumer works; a chunk in which one ends and the next begins is read once.

        Raises as :meth:`iterate` does.
        """
        asked, answered = tee(ranges)
        chunks = self._reader.stream(self._touched(asked))
        last: tuple[bytes, int] | None = None
        chunk: Bytes = b""
        for one in answered:
            starts, parts = one.recipe.starts, []
            for number in one.chunks:
                if one.recipe.chunks[number] != last:
                    last, chunk = one.recipe.chunks[number], next(chunks)
                parts.append(memoryview(chunk)[max(0, one.offset - starts[number]) : one.end - starts[number]])
            yield b"".join(parts)

    @staticmethod
    def _touched(ranges: Iterable[Range]) -> Iterator[Wanted]:
        last: tuple[bytes, int] | None = None
        for one in ranges:
            for number in one.chunks:
                if one.recipe.chunks[number] != last:
                    last = one.recipe.chunks[number]
                    yield Wanted(*last, one.file, one.recipe.starts[number])

    def layout(self, recipe: Recipe, file: str) -> Layout | None:
        """Which bytes of a stored file are which tensor; None for a file without any. Reads only its headers."""
        return next(self.layouts([(recipe, file)]))

    def layouts(self, named: Sequence[tuple[Recipe, str]]) -> Iterator[Layout | None]:
        """The layouts of many files, in order, whose beginnings are read in one stream."""
        firsts = self._reader.stream(one for recipe, file in named for one in self._wanted(recipe, file, 0, 1))
        for recipe, file in named:
            if not recipe.chunks:
                yield None
                continue
            yield layout_of(Excerpts(recipe, self._numbered(recipe, file), next(firsts)).read_at, recipe.size)

    def _numbered(self, recipe: Recipe, file: str) -> Read:
        return lambda numbers: list(
            self._reader.stream(one for n in numbers for one in self._wanted(recipe, file, n, n + 1))
        )

    @staticmethod
    def _wanted(recipe: Recipe, file: str, first: int, end: int) -> Iterator[Wanted]:
        for number in range(first, min(end, len(recipe.chunks))):
            key, length = recipe.chunks[number]
            yield Wanted(key, length, file, recipe.starts[number])


def _checked(chunks: Iterator[Bytes], digest: Digest, file: str) -> Iterator[Bytes]:
    sha = hashlib.sha256()
    held: Bytes | None = None
    for chunk in chunks:
        if held is not None:
            yield held
        sha.update(chunk)
        held = chunk
    found = "sha256:" + sha.hexdigest()
    if found != digest:
        raise CorruptBlob(file=file, offset=0, expected=digest, found=found)
    yield b"" if held is None else held
