"""A pack: one object with many stored pieces, and at its end a table that says what they are. Format: ``docs/formats/store.md``."""

from __future__ import annotations

import os
import struct
from collections.abc import Iterator
from dataclasses import dataclass

from blake3 import blake3

from modelyard.store.codecs import zstandard
from modelyard.store.codecs.codec import Bytes, Codec
from modelyard.store.objects.objects import Objects
from modelyard.store.packs import entry as lines
from modelyard.store.packs.entry import NO_BASE, Entry, Kind

PREFIX = "packs/"
VERSION = 1
HEAD = b"MYPACK" + bytes([VERSION, 0])
ONCE = 16
"""So many random bytes follow the head: no two packs have one name, so that what removes a pack never meets a new one with the same pieces."""
_FOOT = struct.Struct("<II32s8s")  # bytes of the table, entries, BLAKE3 of the table, HEAD again
FOOT_SIZE = _FOOT.size
TARGET = 32 * 1024 * 1024
"""A pack is closed when it holds this many bytes: large enough that a bucket of terabytes has few objects, small enough to keep two in memory."""


@dataclass(frozen=True)
class Pack:
    """A finished pack in memory: its name, which is the BLAKE3 of its bytes, its parts in order, and what it holds."""

    name: str
    parts: tuple[Bytes, ...]
    entries: tuple[Entry, ...]

    @property
    def key(self) -> str:
        return key_of(self.name)


def key_of(name: str) -> str:
    """The key of the object of a pack."""
    return PREFIX + name


class PackBuilder:
    """Collects stored pieces until they are a pack. ``once`` stands in for the random bytes where nothing ever removes packs, as in a bundle."""

    def __init__(self, once: bytes | None = None) -> None:
        self._parts: list[Bytes] = [HEAD, os.urandom(ONCE) if once is None else once]
        self._entries: list[Entry] = []
        self.size = len(HEAD) + ONCE

    def __len__(self) -> int:
        return len(self._entries)

    def add(
        self,
        kind: Kind,
        key: bytes,
        codec: Codec,
        stored: Bytes,
        length: int,
        *,
        base: bytes = NO_BASE,
        depth: int = 0,
        rank: int = 0,
    ) -> Entry:
        """Takes a piece in. The entry has no name of a pack yet."""
        entry = Entry(key, base, self.size, len(stored), length, kind, codec, depth, rank, "")
        self._parts.append(stored)
        self._entries.append(entry)
        self.size += len(stored)
        return entry

    def finish(self) -> Pack:
        """The pack of all that was added; the builder is done."""
        table = zstandard.compressed(lines.to_bytes(self._entries))
        foot = _FOOT.pack(len(table), len(self._entries), blake3(table).digest(), HEAD)
        parts = (*self._parts, table, foot)
        hasher = blake3()
        for part in parts:
            hasher.update(part)
        name = hasher.hexdigest()
        return Pack(name, parts, tuple(entry._replace(pack=name) for entry in self._entries))


def count_of(foot: bytes) -> int:
    """How many entries the pack says that it has whose last bytes, :data:`FOOT_SIZE` of them, these are. Raises ``ValueError``."""
    if len(foot) != FOOT_SIZE:
        raise ValueError("a pack is cut short")
    _, count, _, _ = _FOOT.unpack(foot)
    return int(count)


def table_of(objects: Objects, name: str, size: int) -> tuple[Entry, ...]:
    """The entries of a pack of ``size`` bytes, from the table at its end. Raises ``ValueError`` when it is not readable, FileNotFoundError."""
    foot_at = size - _FOOT.size
    if foot_at < len(HEAD):
        raise ValueError(f"pack {name} is cut short")
    foot = bytes(objects.get_ranges(key_of(name), [(foot_at, _FOOT.size)])[0])
    if len(foot) != _FOOT.size:
        raise ValueError(f"pack {name} is cut short")
    table_size, count, check, head = _FOOT.unpack(foot)
    if head != HEAD:
        raise ValueError(f"pack {name} does not end as a pack of format {VERSION} does")
    if table_size > foot_at - len(HEAD):
        raise ValueError(f"pack {name} is cut short")
    table = bytes(objects.get_ranges(key_of(name), [(foot_at - table_size, table_size)])[0])
    if blake3(table).digest() != check:
        raise ValueError(f"the table of pack {name} is damaged")
    return tuple(lines.from_bytes(zstandard.decompressed(table, count * lines.SIZE), name))


def is_whole(objects: Objects, name: str) -> bool:
    """Whether every byte of the pack is as it was written; reads all of it. Raises FileNotFoundError."""
    hasher = blake3()
    for part in _pieces(objects, name):
        hasher.update(part)
    return hasher.hexdigest() == name


def _pieces(objects: Objects, name: str) -> Iterator[Bytes]:
    size = objects.size(key_of(name))
    if size is None:
        raise FileNotFoundError(key_of(name))
    step = 8 * 1024 * 1024
    for at in range(0, size, step):
        yield objects.get_ranges(key_of(name), [(at, min(step, size - at))])[0]
