"""The members of a tar, read as a stream. Names are told as they stand there: what they lead to is for whoever unpacks.

The format: POSIX.1-1988 ustar, with the long names of GNU tar and of POSIX.1-2001.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from modelyard.safety.scanning.limits import Unreadable
from modelyard.safety.scanning.source import Source

BLOCK = 512
LONG_LIMIT = 1024 * 1024
_PATH = re.compile(rb"\d+ (path|linkpath|size)=([^\n]*)\n")


@dataclass(frozen=True)
class TarMember:
    """A member; its ``size`` bytes follow in the source, and whoever asks for the next passes over what was not read."""

    name: str
    size: int
    kind: bytes
    target: str = ""

    @property
    def is_file(self) -> bool:
        return self.kind in (b"0", b"\0", b"7")

    @property
    def is_link(self) -> bool:
        return self.kind in (b"1", b"2")


class Within:
    """The bytes of one member, as a source of their own."""

    def __init__(self, source: Source, size: int) -> None:
        self._source, self.left = source, size

    def read(self, count: int) -> bytes:
        data = self._source.read(max(0, min(count, self.left)))
        self.left -= len(data)
        return data

    def skip(self, count: int) -> int:
        passed = self._source.skip(max(0, min(count, self.left)))
        self.left -= passed
        return passed

    def peek(self, count: int) -> bytes:
        return self._source.peek(max(0, min(count, self.left)))


def is_header(block: bytes) -> bool:
    """Whether 512 bytes are the header of a member: by its check sum, since old ones have no mark."""
    if len(block) < BLOCK or not any(block):
        return False
    try:
        said = int(block[148:156].strip(b" \0") or b"x", 8)
    except ValueError:
        return False
    return said == sum(block[:148]) + 32 * 8 + sum(block[156:BLOCK])


def members(source: Source) -> Iterator[tuple[TarMember, Within]]:
    """Each member with its bytes. Raises Unreadable for an archive that cannot be read to the end."""
    known: dict[bytes, bytes] = {}
    while True:
        block = source.read(BLOCK)
        if not block or not any(block):
            return
        if not is_header(block):
            raise Unreadable("its archive is damaged")
        size = _size(block[124:136])
        kind = block[156:157]
        if kind in (b"L", b"K", b"x", b"g"):
            if size > LONG_LIMIT:
                raise Unreadable("a name in its archive is too long")
            data = source.read(size)
            source.skip(-size % BLOCK)
            if kind in (b"L", b"K"):
                known[b"path" if kind == b"L" else b"linkpath"] = data.rstrip(b"\0")
            else:
                known.update(_PATH.findall(data))
            continue
        if kind in (b"S", b"V", b"M", b"N"):
            raise Unreadable("its archive has members of a kind that is not looked into")
        plain = block[:100].rstrip(b"\0")
        prefix = block[345:500].split(b"\0")[0] if block[257:262] == b"ustar" else b""
        name = known.get(b"path", prefix + b"/" + plain if prefix else plain)
        size = int(known.get(b"size", b"%d" % size))
        target = known.get(b"linkpath", block[157:257].rstrip(b"\0"))
        known = {}
        if kind in (b"1", b"2", b"3", b"4", b"5", b"6"):
            size = 0 if kind != b"1" else size
        within = Within(source, size)
        yield TarMember(_text(name), size, kind, _text(target)), within
        within.skip(within.left)
        if within.left:
            raise Unreadable("its archive breaks off")
        source.skip(-size % BLOCK)


def _size(data: bytes) -> int:
    try:
        if data[0] & 0x80:
            return int.from_bytes(bytes([data[0] & 0x7F]) + data[1:], "big")
        return int(data.strip(b" \0") or b"0", 8)
    except ValueError:
        raise Unreadable("its archive is damaged") from None


def _text(data: bytes) -> str:
    return data.decode("utf-8", "backslashreplace")
