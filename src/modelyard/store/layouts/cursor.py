"""A place in a file that moves forward: small reads out of large ones."""

from __future__ import annotations

from modelyard.store.layouts.layout import ReadAt, Unsound

FIRST, MOST = 16 * 1024, 4 * 1024 * 1024


class Cursor:
    """Reads the first ``end`` bytes of a file in order, in windows that grow: a small header costs one small read, a large one few.

    What goes past ``end`` raises Unsound, before anything of that length is allocated.
    """

    def __init__(self, read_at: ReadAt, end: int) -> None:
        self._read_at, self._end = read_at, end
        self._window, self._start, self._at, self._step = b"", 0, 0, FIRST

    @property
    def position(self) -> int:
        """The offset in the file of the next byte."""
        return self._start + self._at

    def take(self, length: int) -> bytes:
        """The next ``length`` bytes."""
        if self._at + length > len(self._window):
            self._fill(length)
        self._at += length
        return self._window[self._at - length : self._at]

    def skip(self, length: int) -> None:
        """Moves past ``length`` bytes without reading those that are not yet read."""
        if length > self._end - self.position:
            raise Unsound
        self._at += length

    def number(self, width: int) -> int:
        """The next ``width`` bytes as an unsigned little-endian number."""
        return int.from_bytes(self.take(width), "little")

    def _fill(self, length: int) -> None:
        start = self.position
        if length > self._end - start:
            raise Unsound
        wanted = min(max(length, self._step), self._end - start)
        window = self._read_at(start, wanted)
        if len(window) < length:
            raise Unsound
        self._window, self._start, self._at = window, start, 0
        self._step = min(2 * self._step, MOST)
