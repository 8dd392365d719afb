"""Pieces into the packs of a bundle that is being written, less what its receiver has already."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence

from modelyard.core.digests import Digest
from modelyard.core.errors import MissingBlob
from modelyard.store.codecs import Codec
from modelyard.store.codecs.codec import Bytes
from modelyard.store.packs import Entry, Kind, PackBuilder
from modelyard.store.packs.pack import ONCE, TARGET
from modelyard.store.reading.reader import Wanted
from modelyard.store.reading.recipe import Recipe
from modelyard.store.writing.ancestry import DEEPEST
from modelyard.transfer.bundle.writing import BundleWriter


class Presumed:
    """What the receiver of an incremental bundle is taken to have: ``files``, and ``chunks`` with their depth and the number of the version that
    has them."""

    def __init__(self) -> None:
        self.files: set[Digest] = set()
        self.chunks: dict[bytes, tuple[int, int]] = {}
        self.counted_on: set[bytes] = set()

    def add(self, number: int, digest: Digest, recipe: Recipe, depths: Iterable[int]) -> None:
        """The file is had, as a part of version ``number``."""
        self.files.add(digest)
        for (key, _), depth in zip(recipe.chunks, depths, strict=True):
            self.chunks.setdefault(key, (depth, number))

    def depth(self, key: bytes) -> int | None:
        """How deep a chunk is that is had; notes that it is counted on."""
        found = self.chunks.get(key)
        if found is None:
            return None
        self.counted_on.add(key)
        return found[0]

    def used(self) -> Mapping[int, int]:
        """How many chunks are counted on, by the version that has them."""
        return Counter(self.chunks[key][1] for key in self.counted_on)


class BundleSink:
    """See :class:`modelyard.transfer.bytes.sink.Sink`. Equal pieces in equal order give equal bytes."""

    checks_files = False
    is_near = True

    def __init__(self, writer: BundleWriter, presumed: Presumed) -> None:
        self._writer = writer
        self._presumed = presumed
        self._depths: dict[bytes, int] = {}
        self._files: set[Digest] = set()
        self._builder = PackBuilder(bytes(ONCE))

    def depth(self, key: bytes) -> int | None:
        found = self._depths.get(key)
        return self._presumed.depth(key) if found is None else found

    def can_carry(self, key: bytes) -> bool:
        found = self._depths.get(key)
        return key in self._presumed.chunks if found is None else found < DEEPEST

    def is_whole(self, digest: Digest) -> bool:
        return digest in self._files or digest in self._presumed.files

    def recipe(self, digest: Digest) -> Recipe | None:
        return None

    def is_readable(self, key: bytes) -> bool:
        return False

    def read(self, wanted: Sequence[Wanted]) -> list[Bytes]:
        raise MissingBlob(file="a bundle that is being written", digest=f"blake3:{wanted[0].key.hex()}")

    def take(self, piece: Entry, stored: Bytes) -> None:
        self._depths[piece.key] = piece.depth
        self._add(piece, stored)

    def finish_file(self, digest: Digest, recipe: Recipe) -> None:
        data = recipe.to_bytes()
        self._files.add(digest)
        key = bytes.fromhex(digest.hex)
        self._add(Entry(key, bytes(32), 0, len(data), len(data), Kind.RECIPE, Codec.RAW, 0, 0, ""), data)

    def renew(self) -> None:
        """Nobody waits for a bundle."""

    def finish(self) -> None:
        """Writes what is left."""
        if len(self._builder):
            pack = self._builder.finish()
            self._writer.add(pack.key, pack.parts)
            self._builder = PackBuilder(bytes(ONCE))

    def _add(self, piece: Entry, stored: Bytes) -> None:
        self._builder.add(
            piece.kind,
            piece.key,
            piece.codec,
            stored,
            piece.length,
            base=piece.base,
            depth=piece.depth,
            rank=piece.rank,
        )
        if self._builder.size >= TARGET:
            self.finish()
