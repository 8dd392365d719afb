"""A segment: the sorted entries of one or more packs, in one object. The index is the union of the segments."""

from __future__ import annotations

import struct
from bisect import bisect_left
from collections.abc import Iterable, Iterator

from blake3 import blake3

from modelyard.store.codecs import zstandard
from modelyard.store.packs import entry as lines
from modelyard.store.packs.entry import Entry

PREFIX = "index/"
VERSION = 1
HEAD = b"MYINDX" + bytes([VERSION, 0])
_COUNTS = struct.Struct("<II")  # packs, entries


class Segment:
    """Read-only, in memory. The name is the BLAKE3 of the bytes, so equal content has one name, whoever writes it."""

    def __init__(self, name: str, packs: tuple[str, ...], owners: memoryview, table: bytes) -> None:
        self.name = name
        self.packs = packs
        self._owners = owners
        self._table = table
        self._count = len(table) // lines.SIZE

    def __len__(self) -> int:
        return self._count

    def __iter__(self) -> Iterator[Entry]:
        return (self._at(number) for number in range(self._count))

    def find(self, key: bytes) -> Iterator[Entry]:
        """The entries of a key, of any kind."""
        number = self._first(key)
        while number < self._count and self._key(number) == key:
            yield self._at(number)
            number += 1

    def _first(self, key: bytes) -> int:
        # keys are digests, so they are spread evenly: look where the key should be, and only if it is not near there look everywhere
        count = self._count
        guess = int.from_bytes(key[:4], "big") * count >> 32
        reach = 16 + 4 * int(count**0.5)
        low, high = max(0, guess - reach), min(count, guess + reach)
        if (low and self._key(low - 1) >= key) or (high < count and self._key(high) < key):
            low, high = 0, count
        return bisect_left(range(count), key, low, high, key=self._key)

    def _key(self, number: int) -> bytes:
        at = number * lines.SIZE
        return self._table[at : at + 32]

    def _at(self, number: int) -> Entry:
        return lines.line_at(self._table, number, self.packs[self._owners[number]])


def to_bytes(entries: Iterable[Entry]) -> bytes:
    """The object of a segment: equal sets of entries give equal bytes."""
    ordered = sorted(set(entries), key=lambda entry: (entry.key, entry.pack, entry.offset, entry))
    packs = sorted({entry.pack for entry in ordered})
    place = {pack: number for number, pack in enumerate(packs)}
    body = b"".join(
        (
            b"".join(bytes.fromhex(pack) for pack in packs),
            struct.pack(f"<{len(ordered)}I", *(place[entry.pack] for entry in ordered)),
            lines.to_bytes(ordered),
        )
    )
    return HEAD + _COUNTS.pack(len(packs), len(ordered)) + zstandard.compressed(body)


def from_bytes(data: bytes, name: str) -> Segment:
    """The inverse of :func:`to_bytes`. Raises ``ValueError`` for bytes that are not those of ``name``."""
    if blake3(data).hexdigest() != name:
        raise ValueError(f"index segment {name} is damaged")
    if not data.startswith(HEAD):
        raise ValueError(f"index segment {name} is not of format {VERSION}")
    packs, count = _COUNTS.unpack_from(data, len(HEAD))
    start = 32 * packs + 4 * count
    body = zstandard.decompressed(memoryview(data)[len(HEAD) + _COUNTS.size :], start + count * lines.SIZE)
    names = tuple(body[at : at + 32].hex() for at in range(0, 32 * packs, 32))
    return Segment(name, names, memoryview(body[32 * packs : start]).cast("I"), body[start:])
