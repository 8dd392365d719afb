"""The entries of a zip whose bytes lie in the file as they are.

The format: PKWARE's APPNOTE 6.3.10, with zip64. A reader of our own, since the standard one believes what the file says of its sizes; this one
reads the end, the directory and the head of each stored entry, and no more of them than the limits allow.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass

from modelyard.store.layouts.layout import TENSORS_LIMIT, ReadAt, Unsound, read_exactly

SIGNATURE = b"PK\x03\x04"
DIRECTORY_LIMIT = 64 * 1024 * 1024

COMMENT_LIMIT = 0xFFFF
END = struct.Struct("<4s4H2LH")
LOCATOR_64 = struct.Struct("<4sLQL")
END_64 = struct.Struct("<4sQ2H2L4Q")
RECORD = struct.Struct("<4s6H3L5H2L")
LOCAL = struct.Struct("<4s5H3L2H")
STORED, ENCRYPTED, UTF_8 = 0, 0x1 | 0x40, 0x800
WHOLE_16, WHOLE_32 = 0xFFFF, 0xFFFFFFFF
"""What stands in a field whose value is in the zip64 record instead."""


@dataclass(frozen=True)
class Entry:
    """An entry that is neither compressed nor encrypted: its ``length`` bytes lie at ``offset`` of the file."""

    name: str
    offset: int
    length: int


@dataclass(frozen=True)
class _Record:
    """What the directory says of an entry; ``head`` is where the entry's own header lies."""

    name: bytes
    is_text: bool
    stored: bool
    head: int
    length: int


def entries_of(read_at: ReadAt, size: int) -> tuple[Entry, ...]:
    """The stored entries, by offset; the names are unique and no two of them overlap. Raises Unsound when the directory is damaged, lies, or says
    other than the entries themselves."""
    start, length, count = _directory(read_at, size)
    if length > DIRECTORY_LIMIT or count > TENSORS_LIMIT:
        raise Unsound
    records = list(_records(read_exactly(read_at, start, length), count))
    entries: list[Entry] = []
    end = 0
    for record in sorted((r for r in records if r.stored), key=lambda r: r.head):
        if record.head < end:
            raise Unsound
        entry = _entry(read_at, record, start)
        entries.append(entry)
        end = entry.offset + entry.length
    if len({entry.name for entry in entries}) < len(entries):
        raise Unsound
    return tuple(entries)


def _directory(read_at: ReadAt, size: int) -> tuple[int, int, int]:
    """Offset, length and number of entries of the directory, which ends where the records of the end begin."""
    tail_at = max(0, size - END.size - COMMENT_LIMIT)
    tail = read_exactly(read_at, tail_at, size - tail_at)
    at = tail.rfind(b"PK\x05\x06")
    if at < 0 or at + END.size > len(tail):
        raise Unsound
    _, disk, _, _, count, length, start, comment = END.unpack_from(tail, at)
    end = tail_at + at
    if end + END.size + comment != size or disk not in (0, WHOLE_16):
        raise Unsound
    if count == WHOLE_16 or WHOLE_32 in (length, start):
        count, length, start, end = _directory_64(read_at, end)
    if start + length > end:
        raise Unsound
    return start, length, count


def _directory_64(read_at: ReadAt, end: int) -> tuple[int, int, int, int]:
    """Number of entries, length, offset, and where the record lies that says so; ``end`` is where the short record of the end begins."""
    if end < LOCATOR_64.size:
        raise Unsound
    signature, _, at, _ = LOCATOR_64.unpack(read_exactly(read_at, end - LOCATOR_64.size, LOCATOR_64.size))
    if signature != b"PK\x06\x07" or at + END_64.size > end - LOCATOR_64.size:
        raise Unsound
    signature, *_, count, length, start = END_64.unpack(read_exactly(read_at, at, END_64.size))
    if signature != b"PK\x06\x06":
        raise Unsound
    return count, length, start, at


def _records(directory: bytes, count: int) -> Iterator[_Record]:
    at = 0
    for _ in range(count):
        if at + RECORD.size > len(directory):
            raise Unsound
        fields = RECORD.unpack_from(directory, at)
        signature, flags, method, packed, length, head = (fields[i] for i in (0, 3, 4, 8, 9, 16))
        name_end = at + RECORD.size + fields[10]
        extra_end = name_end + fields[11]
        if signature != b"PK\x01\x02" or extra_end + fields[12] > len(directory):
            raise Unsound
        length, packed, head = _wide(directory[name_end:extra_end], length, packed, head)
        name = directory[at + RECORD.size : name_end]
        stored = method == STORED and not flags & ENCRYPTED and not name.endswith(b"/")
        if stored and packed != length:
            raise Unsound
        yield _Record(name, bool(flags & UTF_8), stored, head, length)
        at = extra_end + fields[12]


def _wide(extra: bytes, *short: int) -> tuple[int, ...]:
    """The fields, those of them that did not fit taken from the zip64 record, where they stand in this order."""
    missing = short.count(WHOLE_32)
    while missing and len(extra) >= 4:
        kind, length = struct.unpack_from("<2H", extra)
        if kind == 1 and 8 * missing <= length <= len(extra) - 4:
            wide = iter(struct.unpack_from(f"<{missing}Q", extra, 4))
            return tuple(next(wide) if field == WHOLE_32 else field for field in short)
        extra = extra[4 + length :]
    if missing:
        raise Unsound
    return short


def _entry(read_at: ReadAt, record: _Record, limit: int) -> Entry:
    """The entry, held against its own header; it ends at or before ``limit``, where the directory begins."""
    if record.head + LOCAL.size + len(record.name) > limit:
        raise Unsound
    local = read_exactly(read_at, record.head, LOCAL.size + len(record.name))
    fields = LOCAL.unpack_from(local)
    if fields[0] != SIGNATURE or fields[3] != STORED or local[LOCAL.size :] != record.name:
        raise Unsound
    offset = record.head + LOCAL.size + fields[9] + fields[10]
    if fields[9] != len(record.name) or offset + record.length > limit:
        raise Unsound
    try:
        name = record.name.decode("utf-8" if record.is_text else "cp437")
    except UnicodeDecodeError:
        raise Unsound from None
    return Entry(name, offset, record.length)
