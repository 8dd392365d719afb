"""The store as it will be after a repair: pieces are read from it, and what it cannot give comes from a source that has it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from blake3 import blake3

from modelyard.core.digests import Digest
from modelyard.core.errors import CorruptBlob, Damaged, MissingBlob
from modelyard.store.codecs import Link, decode, decode_one
from modelyard.store.codecs.codec import Bytes
from modelyard.store.packs import Entry, Kind
from modelyard.store.packs import pack as packs
from modelyard.store.reading.recipe import Recipe
from modelyard.store.store import Store
from modelyard.store.upkeep.sources import Place, Source


class Mender:
    """Reads only, and remembers which source gave which piece; used from one thread. A chunk that others stand on is had first, so that they
    need no source of their own."""

    def __init__(self, store: Store, sources: Sequence[Source]) -> None:
        self._store = store
        self._sources = sources
        self._places: dict[bytes, dict[Place, None]] = {}
        self._hopeless: set[bytes] = set()
        self.chunks: dict[bytes, Source] = {}
        """Chunks that the store cannot give, and who does."""
        self.recipes: dict[Digest, tuple[Recipe, Source]] = {}
        """Recipes that the store cannot give."""

    def add_place(self, key: bytes, place: Place) -> None:
        """Says where a chunk stands, for those sources that know files only."""
        self._places.setdefault(key, {})[place] = None

    def look_again(self) -> None:
        """Forgets what seemed to be nowhere: somebody may have moved it meanwhile."""
        self._store.index.refresh()
        self._store.index.recover()
        self._hopeless.clear()

    def read(self, digest: Digest, file: str) -> bytes:
        """All bytes of a small file. Raises MissingBlob, CorruptBlob."""
        try:
            return self._store.read(digest, file)
        except Damaged:
            recipe = self.recipe(Place(digest, None, ()))
            if recipe is None:
                raise
        parts = []
        for number, (key, length) in enumerate(recipe.chunks):
            self.add_place(key, Place(digest, recipe.size, (), recipe.starts[number], length))
            part = self.chunk(key)
            if part is None:
                raise MissingBlob(file=f"{file} at offset {recipe.starts[number]}", digest=f"blake3:{key.hex()}")
            parts.append(part)
        data = b"".join(parts)
        if Digest.of(data) != digest:
            raise CorruptBlob(file=file, offset=0, expected=digest, found=Digest.of(data))
        return data

    def recipe(self, place: Place) -> Recipe | None:
        """The recipe of a file; None where nobody has it."""
        if place.digest in self.recipes:
            return self.recipes[place.digest][0]
        try:
            return self._store.files.recipe(place.digest, place.digest)
        except Damaged:
            for source in self._sources:
                recipe = source.recipe(place)
                if recipe is not None and place.size in (None, recipe.size):
                    self.recipes[place.digest] = recipe, source
                    return recipe
        return None

    def chunk(self, key: bytes, above: frozenset[bytes] = frozenset()) -> Bytes | None:
        """The bytes of a chunk, verified; None where nobody has it."""
        if key in self._hopeless or key in above:
            return None
        if key not in self.chunks:
            for entry in self._store.index.find(Kind.CHUNK, key):
                raw = self.decoded(entry, self.stored(entry), above)
                if raw is not None:
                    return raw
        known = self.chunks.get(key)
        for source in [known] if known else self._sources:
            raw = source.chunk(key, tuple(self._places.get(key, ())))
            if raw is not None and blake3(raw).digest() == key:
                self.chunks[key] = source
                return raw
        if not above:  # below another it may only be the way round that failed
            self._hopeless.add(key)
        return None

    def stored(self, entry: Entry) -> Bytes | None:
        """The stored bytes of an entry as they lie in its pack; None where the pack is gone or ends before."""
        try:
            part = self._store.objects.get_ranges(packs.key_of(entry.pack), [(entry.offset, entry.stored)])[0]
        except FileNotFoundError:
            return None
        return part if len(part) == entry.stored else None

    def decoded(self, entry: Entry, stored: Bytes | None, above: frozenset[bytes] = frozenset()) -> Bytes | None:
        """A piece from its stored bytes, and what it stands on from wherever it can be had; None where they do not make it."""
        if stored is None:
            return None
        try:
            if entry.kind is Kind.RECIPE:
                Recipe.from_bytes(bytes(stored))
                return stored
            link = Link(entry.codec, stored, entry.length)
            if not entry.codec.has_base:
                raw = decode([link])
            else:
                base = self.chunk(entry.base, above | {entry.key})
                if base is None:
                    return None
                raw = decode_one(link, base)
        except ValueError:
            return None
        return raw if blake3(raw).digest() == entry.key else None

    def kept_alike(self, entry: Entry) -> Iterator[Bytes]:
        """The stored bytes of other stores that keep the piece in the same form, from the same base; not verified."""
        for source in self._sources:
            stored = source.stored(entry)
            if stored is not None:
                yield stored
