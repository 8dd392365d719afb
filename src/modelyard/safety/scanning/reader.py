"""The bytes of a pickle, read forward in blocks: numbers, lines, and stretches that are passed over."""

from __future__ import annotations

import re

from modelyard.safety.scanning.limits import Unreadable
from modelyard.safety.scanning.source import BLOCK, Source

LINE_LIMIT = 1024 * 1024

_ESCAPE = re.compile(rb"\\(x[0-9a-fA-F]{2}|[0-7]{1,3}|.)", re.DOTALL)
_ESCAPES = {
    b"\n": b"",
    b"\\": b"\\",
    b"'": b"'",
    b'"': b'"',
    b"a": b"\a",
    b"b": b"\b",
    b"f": b"\f",
    b"n": b"\n",
    b"r": b"\r",
    b"t": b"\t",
    b"v": b"\v",
}


class Reader:
    """What is left of a source, with a block of it at hand. Every method raises Unreadable where the source ends too early."""

    def __init__(self, source: Source) -> None:
        self.source = source
        self._data, self._at = b"", 0

    def unread(self) -> bytes:
        """What was read ahead of where the walk is."""
        return self._data[self._at :]

    def go_on_behind(self, other: Reader) -> None:
        """Begins where another reader of the same source has ended."""
        self._data, self._at = other._data, other._at

    def at_end(self) -> bool:
        """Whether there is nothing left."""
        return self._at >= len(self._data) and not self.source.peek(1)

    def ahead(self, count: int) -> bytes:
        """The next bytes, which stay."""
        held = self.unread()
        return held[:count] if len(held) >= count else held + self.source.peek(count - len(held))

    def take(self, count: int) -> bytes:
        """The next bytes."""
        at, end = self._at, self._at + count
        if end <= len(self._data):
            self._at = end
            return self._data[at:end]
        data = self._data[at:] + self.source.read(count - (len(self._data) - at))
        self._data, self._at = b"", 0
        if len(data) < count:
            raise Unreadable("it breaks off")
        return data

    def number(self, width: int) -> int:
        """An integer without a sign, the lowest byte first."""
        return int.from_bytes(self.take(width), "little")

    def skip(self, count: int) -> None:
        """Passes over bytes."""
        here = len(self._data) - self._at
        if count <= here:
            self._at += count
            return
        self._data, self._at = b"", 0
        if self.source.skip(count - here) < count - here:
            raise Unreadable("it breaks off")

    def line(self) -> bytes:
        """The bytes before the next end of a line, which is passed over.

        Where there is none any more, Python's slower reader, which joblib uses, takes the last byte for it and goes on; so does this.
        """
        end = self._data.find(b"\n", self._at)
        if end < 0:
            self._gather_line()
            end = self._data.find(b"\n")
            end = len(self._data) - 1 if end < 0 else end
        line = self._data[self._at : end]
        self._at = end + 1
        return line

    def _gather_line(self) -> None:
        held = self._data[self._at :]
        while True:
            if len(held) > LINE_LIMIT:
                raise Unreadable("it holds a line that does not end")
            more = self.source.read(BLOCK)
            held += more
            if b"\n" in more or not more:
                break
        if not held:
            raise Unreadable("it breaks off")
        self._data, self._at = held, 0


def unescaped(text: bytes) -> bytes:
    """The bytes of a string as Python 2 wrote it; an escape that there is not stays as it is."""
    return _ESCAPE.sub(lambda found: _escaped(found[1]), text)


def _escaped(code: bytes) -> bytes:
    if code[:1] == b"x" and len(code) == 3:
        return bytes([int(code[1:], 16)])
    if code[:1].isdigit():
        return bytes([int(code, 8) & 0xFF])
    return _ESCAPES.get(code, b"\\" + code)
