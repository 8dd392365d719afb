"""The members of a zip as a reader of either kind would see them: by the directory at the end, and by the headers before the bytes.

The standard library's reader stops where a check sum or a flag is wrong, and torch's does not; files that hide a pickle count on the
difference. Here the bytes are looked at whatever the file says of itself, and where it contradicts itself that is told.

The format: PKWARE's APPNOTE 6.3.10, with zip64.
"""

from __future__ import annotations

import bz2
import stat
import struct
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from modelyard.safety.scanning.limits import Unreadable
from modelyard.safety.scanning.source import BLOCK, Slice

BEGINS = (b"PK\x03\x04", b"PK\x05\x06", b"PK\x07\x08")
DIRECTORY_LIMIT = 64 * 1024 * 1024

_LOCAL, _RECORD = struct.Struct("<4s5H3L2H"), struct.Struct("<4s6H3L5H2L")
_END, _END_64 = struct.Struct("<4s4H2LH"), struct.Struct("<4sQ2H2L4Q")
_COMMENT = 0xFFFF
_STORED, _DEFLATED, _BZ2 = 0, 8, 12
_ENCRYPTED, _UTF_8 = 0x1 | 0x40, 0x800


@dataclass(frozen=True)
class Member:
    """A member of the archive. ``problems`` are what it says wrongly of itself; ``bytes_at`` is None where its bytes cannot be found."""

    name: str
    method: int
    packed: int
    bytes_at: int | None
    is_link: bool = False
    problems: tuple[str, ...] = ()
    hidden: bool = False

    def source(self, archive: Slice) -> Slice:
        """Its bytes as they lie in the archive."""
        if self.bytes_at is None:
            raise Unreadable("its bytes are not where the archive says")
        return Slice(archive.file, archive.start + self.bytes_at, min(self.packed, archive.length - self.bytes_at))

    def decoder(self) -> Callable[[], Any] | None:
        """What decompresses it; None where it is stored as it is. Raises Unreadable for what is not known."""
        if self.method == _STORED:
            return None
        if self.method == _DEFLATED:
            return lambda: zlib.decompressobj(-zlib.MAX_WBITS)
        if self.method == _BZ2:
            return bz2.BZ2Decompressor
        raise Unreadable("it is compressed in a way that is not looked into")


def end_at(archive: Slice) -> int | None:
    """Where the record of the end begins; None where there is none, so that it is no zip."""
    tail_at = max(0, archive.length - _END.size - _COMMENT)
    tail = archive.read_at(tail_at, archive.length - tail_at)
    at = tail.rfind(b"PK\x05\x06")
    return None if at < 0 or at + _END.size > len(tail) else tail_at + at


def ends_as_zip(archive: Slice) -> bool:
    """Whether what begins otherwise is an archive by its end, as one that a program unpacks itself from: with a directory where the end says."""
    if end_at(archive) is None:
        return False
    try:
        start, length, _ = _directory(archive)
    except Unreadable:
        return False
    return length == 0 or archive.read_at(start, 4) == b"PK\x01\x02"


def members(archive: Slice) -> Iterator[Member]:
    """All members, those that the directory does not name at last. Raises Unreadable for a directory that cannot be read."""
    covered: list[tuple[int, int]] = []
    try:
        start, length, shift = _directory(archive)
    except Unreadable:
        yield from _in_gap(archive, 0, archive.length)
        raise
    for record in _records(archive.read_at(start, length)):
        member, head, end = _found(archive, record, shift, start)
        covered.append((head, end))
        yield member
    covered = sorted([*covered, (start, archive.length)])
    yield from _hidden(archive, covered)
    if any(end > begin for (_, end), (begin, _) in pairwise(covered)):
        raise Unreadable("its members share bytes, as those of a zip bomb do")


def _directory(archive: Slice) -> tuple[int, int, int]:
    """Where the directory begins, its length, and by how much all offsets are off because something stands before the archive."""
    end = end_at(archive)
    if end is None:
        raise Unreadable("it has no directory of its members")
    _, _, _, _, count, length, start, _ = _END.unpack(archive.read_at(end, _END.size))
    if count == 0xFFFF or 0xFFFFFFFF in (length, start):
        locator = archive.read_at(max(0, end - 20), 20)
        if locator[:4] != b"PK\x06\x07":
            raise Unreadable("its directory contradicts itself")
        record_at = end - 20 - _END_64.size
        record = archive.read_at(max(0, record_at), _END_64.size)
        if record[:4] != b"PK\x06\x06":
            raise Unreadable("its directory contradicts itself")
        length, start = _END_64.unpack(record)[8:10]
        end = record_at
    if length > DIRECTORY_LIMIT or length > end:
        raise Unreadable("its directory is too long")
    return end - length, length, end - length - start


def _records(directory: bytes) -> Iterator[tuple[Any, ...]]:
    at = 0
    while at < len(directory):
        if at + _RECORD.size > len(directory) or directory[at : at + 4] != b"PK\x01\x02":
            raise Unreadable("its directory cannot be read to the end")
        fields = _RECORD.unpack_from(directory, at)
        name_at, extra_at = at + _RECORD.size, at + _RECORD.size + fields[10]
        name, extra = directory[name_at:extra_at], directory[extra_at : extra_at + fields[11]]
        yield (*fields, name, extra)
        at = extra_at + fields[11] + fields[12]


def _found(archive: Slice, record: tuple[Any, ...], shift: int, limit: int) -> tuple[Member, int, int]:
    flags, method, packed, length, head = record[3], record[4], record[8], record[9], record[16]
    attributes, raw, extra = record[15], record[17], record[18]
    length, packed, head = _wide(extra, length, packed, head)
    head += shift
    problems = []
    if flags & _ENCRYPTED:
        problems.append("says that it is encrypted")
    name = raw.decode("utf-8" if flags & _UTF_8 else "cp437", "replace")
    is_link = stat.S_ISLNK(attributes >> 16)
    local = archive.read_at(head, _LOCAL.size + len(raw)) if 0 <= head <= limit else b""
    if len(local) < _LOCAL.size + len(raw) or local[:4] != b"PK\x03\x04":
        return Member(name, method, packed, None, is_link, (*problems, "is not where the directory says")), 0, 0
    fields = _LOCAL.unpack_from(local)
    if local[_LOCAL.size :] != raw or fields[9] != len(raw):
        problems.append("is called otherwise before its bytes")
    if fields[3] != method:
        problems.append("is compressed otherwise than the directory says")
    at = head + _LOCAL.size + fields[9] + fields[10]
    if at + packed > limit:
        problems.append("is longer than the archive")
    return Member(name, method, packed, at, is_link, tuple(problems)), head, min(at + packed, limit)


def _wide(extra: bytes, *short: int) -> tuple[int, ...]:
    """The fields, those of them that did not fit taken from the zip64 record, where they stand in this order."""
    missing = sum(1 for field in short if field == 0xFFFFFFFF)
    while missing and len(extra) >= 4:
        kind, length = struct.unpack_from("<2H", extra)
        if kind == 1 and 8 * missing <= length <= len(extra) - 4:
            wide = iter(struct.unpack_from(f"<{missing}Q", extra, 4))
            return tuple(next(wide) if field == 0xFFFFFFFF else field for field in short)
        extra = extra[4 + length :]
    return short


def _hidden(archive: Slice, covered: list[tuple[int, int]]) -> Iterator[Member]:
    """Members in the stretches that no member and no directory covers."""
    at = 0
    for begin, end in covered:
        if begin - at > _LOCAL.size:
            yield from _in_gap(archive, at, begin)
        at = max(at, end)


def _in_gap(archive: Slice, at: int, limit: int) -> Iterator[Member]:
    while limit - at >= _LOCAL.size:
        block = archive.read_at(at, min(BLOCK, limit - at))
        found = block.find(BEGINS[0])
        while found >= 0:
            head = archive.read_at(at + found, _LOCAL.size)
            if len(head) == _LOCAL.size:
                yield _behind(archive, head, at + found + _LOCAL.size, limit)
            found = block.find(BEGINS[0], found + 4)
        at += max(1, len(block) - 3)


def _behind(archive: Slice, head: bytes, name_at: int, limit: int) -> Member:
    """The member whose header ends at ``name_at``; up to ``limit`` when its header does not say how long it is."""
    fields = _LOCAL.unpack(head)
    name = archive.read_at(name_at, fields[9]).decode("utf-8", "replace")
    data_at = min(limit, name_at + fields[9] + fields[10])
    packed = fields[7] if 0 < fields[7] <= limit - data_at else limit - data_at
    return Member(name, fields[3], packed, data_at, hidden=True)
