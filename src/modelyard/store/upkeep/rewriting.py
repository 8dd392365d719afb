"""Pieces into new packs, for a repair: as they lie in another pack, or from what a source gives."""

from __future__ import annotations

from modelyard.core.digests import Digest
from modelyard.core.errors import YardUnwritable
from modelyard.store.codecs import Codec, Element, encode
from modelyard.store.codecs.codec import Bytes
from modelyard.store.packs import Entry, Kind, PackBuilder
from modelyard.store.packs import pack as packs
from modelyard.store.progress import Advance, Progress
from modelyard.store.store import Store
from modelyard.store.upkeep.mender import Mender
from modelyard.store.upkeep.presence import places_of
from modelyard.store.upkeep.sources import Place

_OF_NUMBERS = (Codec.PLANES, Codec.DIFFERENCE)
_LIKELY = (Element.FLOAT32, Element.BFLOAT16, Element.FLOAT16, Element.FLOAT64)


class Rewriting:
    """Each piece is verified when it is taken in, and taken in once; what is not whole is passed over. Every pack is read back before the index
    speaks of it."""

    def __init__(self, store: Store, mender: Mender, said: Progress) -> None:
        self._store = store
        self._mender = mender
        self._said = said
        self._builder = PackBuilder()
        self._taken: set[tuple[Kind, bytes]] = set()
        self._written: list[Entry] = []

    def copy(self, entry: Entry) -> None:
        """Takes a piece as it lies in its pack."""
        self._take_as(entry, self._mender.stored(entry))

    def chunk(self, key: bytes) -> None:
        """Takes a chunk: as another store keeps it, where that stands on what it stood on here; else by itself."""
        if (Kind.CHUNK, key) in self._taken:
            return
        known = [entry for entry in places_of(self._store.index, Kind.CHUNK, key) if entry.key == key]
        for entry in known:
            for stored in self._mender.kept_alike(entry):
                self._take_as(entry, stored)
        raw = None if (Kind.CHUNK, key) in self._taken else self._mender.chunk(key)
        if raw is not None:
            codec, stored = _alone(raw, any(entry.codec in _OF_NUMBERS for entry in known))
            self._take(Kind.CHUNK, key, codec, stored, len(raw))

    def recipe(self, digest: Digest) -> None:
        """Takes the recipe of a file."""
        recipe = self._mender.recipe(Place(digest, None, ()))
        if recipe is not None:
            data = recipe.to_bytes()
            self._take(Kind.RECIPE, bytes.fromhex(digest.hex), Codec.RAW, data, len(data))

    def commit(self) -> set[tuple[Kind, bytes]]:
        """What was taken in, when all of it is durable and others find it."""
        self._close()
        if self._written:
            self._store.index.add(self._written)
        return self._taken

    def _take_as(self, entry: Entry, stored: Bytes | None) -> None:
        if stored is not None and self._mender.decoded(entry, stored) is not None:
            self._take(entry.kind, entry.key, entry.codec, stored, entry.length, entry)

    def _take(
        self, kind: Kind, key: bytes, codec: Codec, stored: Bytes, length: int, like: Entry | None = None
    ) -> None:
        if (kind, key) in self._taken:
            return
        self._taken.add((kind, key))
        if like is None:
            self._builder.add(kind, key, codec, stored, length)
        else:
            self._builder.add(kind, key, codec, stored, length, base=like.base, depth=like.depth, rank=like.rank)
        self._said(Advance(0, stored=len(stored)))
        if self._builder.size >= packs.TARGET:
            self._close()

    def _close(self) -> None:
        if not len(self._builder):
            return
        pack = self._builder.finish()
        self._builder = PackBuilder()
        self._store.objects.put(pack.key, pack.parts)
        if not packs.is_whole(self._store.objects, pack.name):
            problem = f"pack {pack.name} does not read back as it was written"
            raise YardUnwritable(path=self._store.objects.url, problem=problem)
        self._written += pack.entries


def _alone(raw: Bytes, of_numbers: bool) -> tuple[Codec, Bytes]:
    """A chunk by itself. What its numbers were is not known here, so the form that is smallest is the best guess."""
    elements = (None, *_LIKELY) if of_numbers else (None,)
    return min((encode(raw, element) for element in elements), key=lambda made: len(made[1]))
