"""Compressed files as streams: what gzip, zlib, bz2, xz and lzma wrote, which joblib reads whatever the file is called."""

from __future__ import annotations

import bz2
import lzma
import zlib
from collections.abc import Callable
from typing import Any

from modelyard.safety.scanning.limits import Budget, Unreadable
from modelyard.safety.scanning.source import BLOCK, Source, Stream

MEMORY = 256 * 1024 * 1024
"""What the decoder of lzma may take; a hostile header asks for gigabytes."""

_XZ, _ALONE = b"\xfd7zXZ\x00", b"\x5d\x00"
_ZLIB = (b"\x78\x01", b"\x78\x5e", b"\x78\x9c", b"\x78\xda")

PROBLEMS = (zlib.error, lzma.LZMAError, OSError, ValueError, EOFError, MemoryError)

CLOSED = {
    b"\x04\x22\x4d\x18": "lz4",
    b"\x28\xb5\x2f\xfd": "Zstandard",
    b"7z\xbc\xaf\x27\x1c": "7z",
    b"Rar!\x1a\x07": "RAR",
}
"""Compression that is not looked into: by their first bytes."""


_PARTS = (b"\x1f\x8b", b"BZh", _XZ)
"""What may follow behind the end of a first part; readers put the parts together."""


class Decoder:
    """A decompressor that gives little at a time, however much a few bytes expand to, and keeps no more than it was given."""

    def __init__(self, make: Callable[[], Any]) -> None:
        self._make = make
        self._machine = make()
        self._waiting = b""

    def more(self, data: bytes) -> bytes:
        """Up to BLOCK bytes out of what waits, and of ``data``. Raises what the library raises."""
        machine = self._machine
        waiting = self._waiting + data
        found: bytes = machine.decompress(waiting, BLOCK)
        self._waiting = bytes(getattr(machine, "unconsumed_tail", b""))
        return found

    def behind(self, data: bytes) -> bool:
        """After the end: whether another part begins, after zeros if there are any, in what is left and ``data``. Then it goes on with that."""
        left = (bytes(self._machine.unused_data) + data).lstrip(b"\0")
        if not left.startswith(_PARTS):
            return False
        self._waiting, self._machine = left, self._make()
        return True

    @property
    def hungry(self) -> bool:
        """Whether it can go on only with more data."""
        return not self._waiting and bool(getattr(self._machine, "needs_input", True))

    @property
    def over(self) -> bool:
        return bool(self._machine.eof)

    @property
    def left(self) -> bool:
        """Whether something other than zeros is left behind the end."""
        return bool(bytes(self._machine.unused_data).strip(b"\0"))

    def rest(self) -> bytes:
        """What is left when there is no more data."""
        flush = getattr(self._machine, "flush", None)
        return b"" if flush is None else bytes(flush())


def decoder(head: bytes) -> Callable[[], Any] | None:
    """What makes a decompressor for bytes that begin so, or None when they are not compressed in a way known here."""
    if head.startswith(b"\x1f\x8b"):
        return lambda: zlib.decompressobj(16 + zlib.MAX_WBITS)
    if head.startswith(b"BZh"):
        return bz2.BZ2Decompressor
    if head.startswith(_XZ):
        return lambda: lzma.LZMADecompressor(lzma.FORMAT_XZ, MEMORY)
    if head.startswith(_ALONE):
        return lambda: lzma.LZMADecompressor(lzma.FORMAT_ALONE, MEMORY)
    if head[:2] in _ZLIB:
        return zlib.decompressobj
    return None


def closed(head: bytes) -> str | None:
    """The name of a compression that is not looked into."""
    return next((name for begin, name in CLOSED.items() if head.startswith(begin)), None)


def is_compressed(head: bytes) -> bool:
    """Whether bytes that begin like a compressed file go on like one: the marks are short, and other files begin so too."""
    make = decoder(head)
    if make is None:
        return False
    try:
        Decoder(make).more(head)
    except PROBLEMS:
        return False
    return True


def expanded(source: Source, budget: Budget, make: Callable[[], Any] | None = None) -> Stream:
    """The bytes within, by their own mark or with ``make``. Reading raises Unreadable, TooMuch."""
    make = make or decoder(source.peek(16))
    if make is None:
        raise Unreadable("it is not compressed")
    machine = Decoder(make)

    def read_some() -> bytes:
        while True:
            if machine.over and not _goes_on(machine, source):
                return b""
            data = b""
            try:
                if machine.hungry:
                    data = source.read(BLOCK)
                    if not data:
                        return machine.rest()
                found = machine.more(data)
            except PROBLEMS as error:
                raise Unreadable(f"it cannot be decompressed: {error}") from None
            if found:
                budget.expand(len(found))
                return found

    return Stream(read_some)


def _goes_on(machine: Decoder, source: Source) -> bool:
    """Whether there is another part behind the one that is over; readers put the parts together, and pass over zeros between them."""
    if machine.behind(b""):
        return True
    if machine.left:
        return False
    while data := source.read(BLOCK):
        if data.strip(b"\0"):
            return machine.behind(data)
    return False
