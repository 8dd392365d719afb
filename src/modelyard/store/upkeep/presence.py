"""Where the pieces of a store lie, by its index, and whether they can lie there: without reading them."""

from __future__ import annotations

from collections.abc import Iterator

from modelyard.core.digests import Digest
from modelyard.store.packs import Entry, Index, Kind
from modelyard.store.packs import pack as packs
from modelyard.store.store import Store


class Presence:
    """Whether a chunk, and all that it stands on, lies where the index says and in full length. Remembers what it found."""

    def __init__(self, store: Store) -> None:
        self._index = store.index
        self._sizes = {info.key.removeprefix(packs.PREFIX): info.size for info in store.objects.list(packs.PREFIX)}
        self._recovered = store.index.recovered
        self._known: dict[bytes, bool] = {}
        self.strays: set[str] = set()
        """Packs that no segment speaks of and that hold what was asked for."""

    def of(self, key: bytes) -> bool:
        found = self._known.get(key)
        if found is None:
            self._known[key] = False  # a chain that leads back to itself is no way to read a chunk
            found = self._known[key] = any(self._lies(entry) for entry in self._index.find(Kind.CHUNK, key))
        return found

    def recipe(self, digest: Digest) -> None:
        """Notes where a recipe lies."""
        any(self._lies(entry) for entry in self._index.find(Kind.RECIPE, bytes.fromhex(digest.hex)))

    def _lies(self, entry: Entry) -> bool:
        if entry.offset + entry.stored > self._sizes.get(entry.pack, 0):
            return False
        if entry.codec.has_base and not self.of(entry.base):
            return False
        if entry.pack in self._recovered:
            self.strays.add(entry.pack)
        return True


def places_of(index: Index, kind: Kind, key: bytes) -> Iterator[Entry]:
    """Every entry of a piece and of what it stands on, also in packs that are gone."""
    waiting, seen = [(kind, key)], {key}
    while waiting:
        wanted, name = waiting.pop()
        listed = {entry for each in index.segments for entry in each.find(name)} | set(index.find(wanted, name))
        for entry in sorted(listed, key=lambda entry: (entry.pack, entry.offset)):
            if entry.kind is wanted:
                yield entry
                if entry.codec.has_base and entry.base not in seen:
                    seen.add(entry.base)
                    waiting.append((Kind.CHUNK, entry.base))
