"""Where one stored piece lies and how it is read: a line of the index."""

from __future__ import annotations

import struct
from collections.abc import Iterable, Iterator
from enum import IntEnum
from typing import NamedTuple

from modelyard.store.codecs.codec import Codec

NO_BASE = bytes(32)
_LINE = struct.Struct("<32s32sIIIBBBB")
SIZE = _LINE.size


class Kind(IntEnum):
    """What the piece is. The numbers are part of the format."""

    CHUNK = 1  # named by the BLAKE3 of its bytes
    RECIPE = 2  # named by the SHA-256 of the file that it puts together


class Entry(NamedTuple):
    """``base`` is the chunk that a difference is from (zero where there is none); ``offset`` and ``stored`` are bytes in the pack, ``length`` is bytes when decoded; ``depth`` is the number of chunks that must be decoded before
    this one, and ``rank`` how many differences in a row have been taken from the same base (see :mod:`modelyard.store.writing.ancestry`)."""

    key: bytes
    base: bytes
    offset: int
    stored: int
    length: int
    kind: Kind
    codec: Codec
    depth: int
    rank: int
    pack: str


def to_bytes(entries: Iterable[Entry]) -> bytes:
    """The lines of the entries, without the names of their packs."""
    return b"".join(_LINE.pack(*entry[:9]) for entry in entries)


def from_bytes(lines: bytes | memoryview, pack: str) -> Iterator[Entry]:
    """The inverse of :func:`to_bytes` for the entries of one pack. Raises ``ValueError``."""
    if len(lines) % SIZE:
        raise ValueError("a table of entries has a line that is cut short")
    for fields in _LINE.iter_unpack(lines):
        yield read_line(fields, pack)


def line_at(lines: bytes | memoryview, number: int, pack: str) -> Entry:
    """The entry in line ``number``."""
    return read_line(_LINE.unpack_from(lines, number * SIZE), pack)


def read_line(fields: tuple[bytes, bytes, int, int, int, int, int, int, int], pack: str) -> Entry:
    """An entry from the fields of its line. Raises ``ValueError`` for a kind or codec that this release does not know."""
    key, base, offset, stored, length, kind, codec, depth, rank = fields
    return Entry(key, base, offset, stored, length, Kind(kind), Codec(codec), depth, rank, pack)
