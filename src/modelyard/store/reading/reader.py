"""Chunks out of packs, decoded along their chains and verified. What does not match its digest is never returned: another copy is, or an error."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Executor, Future
from dataclasses import dataclass

from blake3 import blake3

from modelyard.core.errors import CorruptBlob, Damaged, MissingBlob
from modelyard.store.codecs import Link, decode, decode_one
from modelyard.store.codecs.codec import Bytes
from modelyard.store.objects.objects import Objects
from modelyard.store.packs import Entry, Index, Kind
from modelyard.store.packs.pack import key_of

BATCH = 4 * 1024 * 1024
AHEAD = 4
"""Batches that are decoded while the consumer works on an earlier one."""


@dataclass(frozen=True)
class Wanted:
    """A chunk to be read; ``file`` and ``offset`` say for people where it belongs."""

    key: bytes
    length: int
    file: str
    offset: int


class Reader:
    """Reads chunks and recipes by digest. Safe for threads; ``ahead`` batches are worked on at once."""

    def __init__(self, objects: Objects, index: Index, pool: Executor, ahead: int = AHEAD) -> None:
        self._objects = objects
        self._index = index
        self._pool = pool
        self._ahead = ahead

    def stream(self, wanted: Iterable[Wanted]) -> Iterator[Bytes]:
        """The chunks in order, each verified. Raises MissingBlob, CorruptBlob, and what the objects raise."""
        waiting: deque[Future[list[Bytes]]] = deque()
        try:
            for batch in _batches(wanted):
                waiting.append(self._pool.submit(self.read, batch))
                if len(waiting) >= self._ahead:
                    yield from waiting.popleft().result()
            while waiting:
                yield from waiting.popleft().result()
        finally:
            for future in waiting:
                future.cancel()

    def read(self, batch: Sequence[Wanted]) -> list[Bytes]:
        """The chunks of a batch, with one request for each pack. Raises as :meth:`stream` does."""
        chains = [self._chain(one) for one in batch]
        stored = self._fetch({entry for chain in chains if chain for entry in chain})
        return [self._decoded(one, chain, stored) for one, chain in zip(batch, chains, strict=True)]

    def chunk(self, key: bytes, length: int, file: str = "", offset: int = 0) -> Bytes:
        """One chunk."""
        return self.read([Wanted(key, length, file, offset)])[0]

    def copies(self, kind: Kind, key: bytes) -> Iterator[Bytes]:
        """Every copy of a piece that stands by itself, decoded as well as it can be; the caller verifies."""
        for entry in self._index.find(kind, key):
            try:
                yield decode([self._link(entry, self._fetch({entry}))])
            except (ValueError, FileNotFoundError):
                continue

    def first_copies(self, kind: Kind, keys: Sequence[bytes]) -> list[Bytes | None]:
        """The first copy of each of many pieces that stand by themselves, with one request for each pack; the caller verifies."""
        entries = [next(iter(self._index.find(kind, key)), None) for key in keys]
        stored = self._fetch({entry for entry in entries if entry is not None})
        return [None if entry is None else stored.get(entry) for entry in entries]

    def verified(self, entry: Entry) -> bool:
        """Whether just this entry, not another copy of the same chunk, can be read; its ancestors may be read from any copy."""
        try:
            link = self._link(entry, self._fetch({entry}))
            if not entry.codec.has_base:
                raw = decode([link])
            else:
                raw = decode_one(link, self._any_copy(Wanted(entry.base, 0, "", 0), {entry.key}))
        except (ValueError, FileNotFoundError, Damaged):
            return False
        return blake3(raw).digest() == entry.key

    def _decoded(self, one: Wanted, chain: list[Entry] | None, stored: dict[Entry, Bytes]) -> Bytes:
        if chain is not None:
            try:
                raw = decode([self._link(entry, stored) for entry in chain])
                if blake3(raw).digest() == one.key:
                    return raw
            except ValueError:
                pass
        return self._rescue(one)

    def _rescue(self, one: Wanted) -> Bytes:
        """Tries every copy of the chunk, and every copy of what it stands on; looks for more of them when those that are known will not do."""
        try:
            return self._any_copy(one, set())
        except Damaged:
            self._index.refresh()
            self._index.recover()
            return self._any_copy(one, set())

    def _any_copy(self, one: Wanted, above: set[bytes]) -> Bytes:
        entries = self._index.find(Kind.CHUNK, one.key)
        problem: Damaged | None = None
        for entry in entries:
            try:
                link = self._link(entry, self._fetch({entry}))
                if entry.codec.has_base:
                    if entry.base in above:
                        raise ValueError("a chain that leads back to itself")
                    base = self._any_copy(Wanted(entry.base, one.length, one.file, one.offset), above | {one.key})
                    raw = decode_one(link, base)
                else:
                    raw = decode([link])
            except (ValueError, FileNotFoundError):
                continue
            except Damaged as error:
                problem = error
                continue
            if blake3(raw).digest() == one.key:
                return raw
        if problem is not None:
            raise problem
        name = f"blake3:{one.key.hex()}"
        if not entries:
            raise MissingBlob(file=f"{one.file or 'a chunk'} at offset {one.offset}", digest=name)
        where = ", ".join(f"pack {entry.pack[:12]} at {entry.offset}" for entry in entries)
        raise CorruptBlob(file=one.file or "a chunk", offset=one.offset, expected=name, found=f"other bytes in {where}")

    def _chain(self, one: Wanted) -> list[Entry] | None:
        """The entries from the root to the chunk, as they are decoded in one go; None where that needs more than the first copy of each."""
        entry = self._first(one.key)
        if entry is None or entry.length != one.length:
            return None
        chain = [entry]
        while chain[-1].codec.has_base:
            base = self._first(chain[-1].base)
            if base is None or len(chain) > 64:
                return None
            chain.append(base)
        return chain[::-1]

    def _first(self, key: bytes) -> Entry | None:
        found = self._index.find(Kind.CHUNK, key)
        if not found:
            self._index.refresh()
            self._index.recover()
            found = self._index.find(Kind.CHUNK, key)
        return found[0] if found else None

    def _fetch(self, entries: set[Entry]) -> dict[Entry, Bytes]:
        by_pack: dict[str, list[Entry]] = {}
        for entry in entries:
            by_pack.setdefault(entry.pack, []).append(entry)
        stored: dict[Entry, Bytes] = {}
        for pack, listed in by_pack.items():
            listed.sort(key=lambda entry: entry.offset)
            try:
                parts = self._objects.get_ranges(key_of(pack), [(entry.offset, entry.stored) for entry in listed])
            except FileNotFoundError:
                continue  # moved since the index was read, or lost: the rescue looks again
            stored.update(zip(listed, parts, strict=True))
        return stored

    @staticmethod
    def _link(entry: Entry, stored: dict[Entry, Bytes]) -> Link:
        part = stored.get(entry)
        if part is None or len(part) != entry.stored:
            raise ValueError("the stored bytes are missing or cut short")
        return Link(entry.codec, part, entry.length)


def _batches(wanted: Iterable[Wanted]) -> Iterator[list[Wanted]]:
    batch: list[Wanted] = []
    size = 0
    for one in wanted:
        batch.append(one)
        size += one.length
        if size >= BATCH or len(batch) >= 256:
            yield batch
            batch, size = [], 0
    if batch:
        yield batch
