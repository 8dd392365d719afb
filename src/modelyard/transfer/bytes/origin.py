"""Chunks out of the store that they come from: verified bytes, and beside them the form in which they are kept there."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from blake3 import blake3

from modelyard.store.codecs import Link, decode, decode_one
from modelyard.store.codecs.codec import Bytes
from modelyard.store.packs import Entry, Kind
from modelyard.store.packs.pack import key_of
from modelyard.store.reading.reader import Wanted
from modelyard.store.store import Store

KEPT = 64 * 1024 * 1024
"""Bytes of decoded chunks that are remembered, for the differences from them."""
LONGEST = 64
"""Steps of a chain that are followed."""

Beyond = Callable[[bytes, int], Bytes | None]
"""Gives a chunk that this store need not have, verified; None where nobody has it."""


@dataclass(frozen=True)
class Loaded:
    """``stored`` are the bytes of ``entry``, of which ``raw`` was decoded; None where it had to be had in another way."""

    raw: Bytes
    entry: Entry | None
    stored: Bytes | None


class Origin:
    """Reads chunks of one store. Safe for threads."""

    def __init__(self, store: Store, beyond: Beyond) -> None:
        self._store = store
        self._beyond = beyond
        self._lock = threading.Lock()
        self._decoded: OrderedDict[bytes, Bytes] = OrderedDict()
        self._held = 0

    def entry(self, key: bytes) -> Entry | None:
        """The copy of a chunk that takes the fewest steps to read."""
        return min(self._store.index.find(Kind.CHUNK, key), key=lambda entry: entry.depth, default=None)

    def recalled(self, key: bytes) -> Bytes | None:
        """The bytes of a chunk that was read a moment ago."""
        with self._lock:
            if key in self._decoded:
                self._decoded.move_to_end(key)
            return self._decoded.get(key)

    def remember(self, key: bytes, raw: Bytes) -> None:
        """Keeps the verified bytes of a chunk for a while."""
        with self._lock:
            if key in self._decoded:
                return
            self._decoded[key] = raw
            self._held += len(raw)
            while self._held > KEPT and len(self._decoded) > 1:
                self._held -= len(self._decoded.popitem(last=False)[1])

    def load(self, wanted: Sequence[Wanted]) -> list[Loaded]:
        """The chunks, each verified, with one request for each pack. Raises MissingBlob, CorruptBlob, and what the objects raise."""
        chains = [self._chain(one) for one in wanted]
        stored = self._fetch({entry for chain in chains for entry in chain})
        return [self._loaded(one, chain, stored) for one, chain in zip(wanted, chains, strict=True)]

    def _chain(self, one: Wanted) -> list[Entry]:
        """The chunk and what it stands on, down to what is known already or to a root; empty where there is none of this length."""
        entry = self.entry(one.key)
        if entry is None or entry.length != one.length:
            return []
        chain = [entry]
        while chain[-1].codec.has_base and self.recalled(chain[-1].base) is None and len(chain) <= LONGEST:
            below = self.entry(chain[-1].base)
            if below is None:
                break
            chain.append(below)
        return chain

    def _fetch(self, entries: set[Entry]) -> dict[Entry, Bytes]:
        by_pack: dict[str, list[Entry]] = {}
        for entry in entries:
            by_pack.setdefault(entry.pack, []).append(entry)
        stored: dict[Entry, Bytes] = {}
        for pack, listed in by_pack.items():
            listed.sort(key=lambda entry: entry.offset)
            try:
                parts = self._store.objects.get_ranges(key_of(pack), [(entry.offset, entry.stored) for entry in listed])
            except FileNotFoundError:
                continue  # moved since the index was read: below it is looked for anew
            stored.update(zip(listed, parts, strict=True))
        return stored

    def _loaded(self, one: Wanted, chain: list[Entry], stored: dict[Entry, Bytes]) -> Loaded:
        raw: Bytes | None = None
        for entry in reversed(chain):
            raw = self._decoded_one(entry, stored.get(entry), raw)
            if raw is None:
                break
            self.remember(entry.key, raw)
        if raw is not None:
            return Loaded(raw, chain[0], stored[chain[0]])
        raw = self.recalled(one.key) or self._beyond(one.key, one.length)
        if raw is None:
            raw = self._store.reader.chunk(one.key, one.length, one.file, one.offset)  # looks everywhere
        return Loaded(raw, None, None)

    def _decoded_one(self, entry: Entry, stored: Bytes | None, below: Bytes | None) -> Bytes | None:
        if stored is None or len(stored) != entry.stored:
            return None
        link = Link(entry.codec, stored, entry.length)
        try:
            if not entry.codec.has_base:
                raw = decode([link])
            else:
                base = below if below is not None else self.recalled(entry.base) or self._beyond(entry.base, 0)
                if base is None:
                    return None
                raw = decode_one(link, base)
        except ValueError:
            return None
        return raw if blake3(raw).digest() == entry.key else None
