"""The bytes of a pickle, read forward in blocks: numbers, lines, and stretches that are passed over.

A frame (protocol 4) only tells a reader how much to fetch at once, and no pickler lets an opcode's argument cross the end of one. Where one
does, readers differ: the slower reader stops; the faster one forgets what was left of the frame and takes all of the argument from behind it
when it reads a file, and takes it as it stands when it reads bytes. ``cnumpy\\nxx`` at the end of a frame and ``system\\n`` behind it name one
thing to whoever ignores frames and another to ``pickle.load``. Such a pickle was written to be read in two ways, and is dangerous.
"""

from __future__ import annotations

import re
from typing import NoReturn

from modelyard.safety.scanning.limits import Unreadable
from modelyard.safety.scanning.source import BLOCK, Source

LINE_LIMIT = 1024 * 1024
TWO_WAYS = "is written so that Python's own readers read it in different ways"

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
        self._passed = 0  # bytes before those in _data
        self._frame = 0  # where the last frame ends, as a place among all bytes

    def unread(self) -> bytes:
        """What was read ahead of where the walk is."""
        return self._data[self._at :]

    def go_on_behind(self, other: Reader) -> None:
        """Begins where another reader of the same source has ended."""
        self._data, self._at, self._passed = other._data, other._at, other._passed

    def in_frame(self) -> int:
        """How many bytes of a frame are left."""
        return max(0, self._frame - self._passed - self._at)

    def begin_frame(self, length: int) -> None:
        """A frame begins here. Raises Unreadable, and has told of it, when it begins in another and reaches beyond that one's end."""
        if self.in_frame():
            self._reach(self._at + length)
        else:
            self._frame = self._passed + self._at + length

    def two_ways(self) -> NoReturn:
        """Stops where readers part. Whoever keeps what was seen tells of it first."""
        raise Unreadable(TWO_WAYS)

    def _reach(self, end: int) -> None:
        if self._passed + self._at < self._frame < self._passed + end:
            self.two_ways()

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
        if self._frame:
            self._reach(end)
        if end <= len(self._data):
            self._at = end
            return self._data[at:end]
        data = self._data[at:] + self.source.read(count - (len(self._data) - at))
        self._data, self._at, self._passed = b"", 0, self._passed + end
        if len(data) < count:
            raise Unreadable("it breaks off")
        return data

    def number(self, width: int) -> int:
        """An integer without a sign, the lowest byte first."""
        return int.from_bytes(self.take(width), "little")

    def skip(self, count: int) -> None:
        """Passes over bytes."""
        here = len(self._data) - self._at
        if self._frame:
            self._reach(self._at + count)
        if count <= here:
            self._at += count
            return
        self._data, self._at, self._passed = b"", 0, self._passed + self._at + count
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
        if self._frame:
            self._reach(end + 1)
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
        self._data, self._at, self._passed = held, 0, self._passed + self._at


def unescaped(text: bytes) -> bytes:
    """The bytes of a string as Python 2 wrote it; an escape that there is not stays as it is."""
    return _ESCAPE.sub(lambda found: _escaped(found[1]), text)


def _escaped(code: bytes) -> bytes:
    if code[:1] == b"x" and len(code) == 3:
        return bytes([int(code[1:], 16)])
    if code[:1].isdigit():
        return bytes([int(code, 8) & 0xFF])
    return _ESCAPES.get(code, b"\\" + code)
