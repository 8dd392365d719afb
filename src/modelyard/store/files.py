"""A file as its chunks in order: written once, read back verified.

The recipe of a file is stored under the SHA-256 of the file; its chunks under their BLAKE3. Every read checks the chunk against its name,
and a read of the whole file checks the SHA-256 as well. Format: ``docs/formats/store.md``.
"""

from __future__ import annotations

import hashlib
import io
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import BinaryIO

from blake3 import blake3

from modelyard.core.digests import Digest, canonical_json
from modelyard.core.errors import CorruptBlob, MissingBlob
from modelyard.store.chunker import chunks_of
from modelyard.store.folder import Objects

Progress = Callable[[int], None]
"""Called with the number of bytes just done."""

RECIPE_FORMAT = 1


@dataclass(frozen=True)
class FileDigest:
    """What identifies a stored file, and its length in bytes."""

    digest: Digest
    size: int


@dataclass(frozen=True)
class Recipe:
    """The chunks of a file in order: pairs of BLAKE3 (64 hex digits) and length in bytes."""

    chunks: tuple[tuple[str, int], ...]

    @property
    def size(self) -> int:
        return sum(length for _, length in self.chunks)

    def to_bytes(self) -> bytes:
        """A first line with the BLAKE3 of the rest, so that a flipped bit in the recipe itself is found; then JSON."""
        body = canonical_json({"format": RECIPE_FORMAT, "chunks": [list(chunk) for chunk in self.chunks]})
        return blake3(body).hexdigest().encode() + b"\n" + body

    @classmethod
    def from_bytes(cls, data: bytes) -> Recipe:
        """The inverse of :meth:`to_bytes`; raises ``ValueError`` when the bytes are not as they were written."""
        check, _, body = data.partition(b"\n")
        if blake3(body).hexdigest().encode() != check:
            raise ValueError("recipe does not match its checksum")
        document = json.loads(body)
        if document["format"] != RECIPE_FORMAT:
            raise ValueError(f"recipe has format {document['format']}")
        return cls(tuple((name, length) for name, length in document["chunks"]))


class Files:
    """Files over two sets of objects: chunks and recipes."""

    def __init__(self, chunks: Objects, recipes: Objects) -> None:
        self.chunks = chunks
        self.recipes = recipes

    def put(self, source: BinaryIO, progress: Progress | None = None) -> FileDigest:
        """Keeps the stream and returns its identity. Durable only after :meth:`settle`."""
        sha = hashlib.sha256()
        parts: list[tuple[str, int]] = []
        for chunk in chunks_of(source):
            sha.update(chunk)
            name = blake3(chunk).hexdigest()
            self.chunks.put(name, chunk)
            parts.append((name, len(chunk)))
            if progress:
                progress(len(chunk))
        digest = Digest("sha256:" + sha.hexdigest())
        recipe = Recipe(tuple(parts))
        # The chunks must survive a crash whenever the recipe does.
        self.chunks.settle()
        self.recipes.put(digest.hex, recipe.to_bytes())
        return FileDigest(digest, recipe.size)

    def settle(self) -> None:
        """Returns when everything put so far survives a power cut."""
        self.chunks.settle()
        self.recipes.settle()

    def recipe(self, digest: Digest, file: str) -> Recipe:
        """The recipe of a file; ``file`` is its name for error messages. Raises MissingBlob or CorruptBlob."""
        try:
            return Recipe.from_bytes(self.recipes.get(digest.hex))
        except FileNotFoundError:
            raise MissingBlob(file=file, digest=digest) from None
        except (ValueError, KeyError, TypeError):
            raise CorruptBlob(file=file, offset=0, expected="a valid recipe", found="damaged bytes") from None

    def iterate(self, digest: Digest, file: str) -> Iterator[bytes]:
        """The verified chunks of a file. A damaged chunk raises CorruptBlob with its offset instead of being returned; the SHA-256 of the
        whole is checked before the last chunk is returned, so a consumer that saw the end saw a verified file."""
        sha = hashlib.sha256()
        offset = 0
        held: bytes | None = None
        for name, length in self.recipe(digest, file).chunks:
            chunk = self._chunk(name, length, file, offset)
            sha.update(chunk)
            offset += length
            if held is not None:
                yield held
            held = chunk
        found = "sha256:" + sha.hexdigest()
        if found != digest:
            raise CorruptBlob(file=file, offset=0, expected=digest, found=found)
        if held is not None:
            yield held

    def read(self, digest: Digest, file: str) -> bytes:
        """All bytes of a small file, verified."""
        return b"".join(self.iterate(digest, file))

    def put_bytes(self, data: bytes) -> FileDigest:
        """:meth:`put` for bytes in memory."""
        return self.put(io.BytesIO(data))

    def _chunk(self, name: str, length: int, file: str, offset: int) -> bytes:
        try:
            chunk = self.chunks.get(name)
        except FileNotFoundError:
            raise MissingBlob(file=f"{file} at offset {offset}", digest=f"blake3:{name}") from None
        if len(chunk) != length:
            expected, found = f"{length} bytes", f"{len(chunk)} bytes"
            raise CorruptBlob(file=file, offset=offset, expected=expected, found=found)
        if (found := blake3(chunk).hexdigest()) != name:
            raise CorruptBlob(file=file, offset=offset, expected=f"blake3:{name}", found=f"blake3:{found}")
        return chunk
