"""Lines out of bytes that come in any pieces, in any encoding, with or without ends of line."""

from __future__ import annotations

import re

LIMIT = 8192  # bytes of a line that has no end yet, before a piece of it is given out

_END = re.compile(rb"\r\n|\n|\r")


class LineFeed:
    """Feed it bytes, it gives lines: text without its end; bytes that are not UTF-8 become ``\\ufffd``.

    However the bytes are cut into pieces, the lines are the same. A carriage return alone ends a line, so that progress bars show.

    >>> feed = LineFeed()
    >>> feed.feed(b"one\\ntw"), feed.feed(b"o\\r\\n"), feed.end()
    (['one'], ['two'], [])
    """

    def __init__(self, limit: int = LIMIT) -> None:
        self._limit = limit
        self._rest = b""
        self._scanned = 0  # of the rest, known to hold no end of line

    def feed(self, data: bytes) -> list[str]:
        """The lines that are complete now."""
        self._rest += data
        lines: list[str] = []
        start = 0
        while (cut := self._cut(start)) is not None:
            stop, following = cut
            lines.append(self._rest[start:stop].decode("utf-8", "replace"))
            start = following
        self._rest = self._rest[start:]
        self._scanned = max(0, len(self._rest) - 1)
        return lines

    def end(self) -> list[str]:
        """What is left when no more bytes come."""
        rest, self._rest, self._scanned = self._rest, b"", 0
        return [rest.removesuffix(b"\r").decode("utf-8", "replace")] if rest else []

    def _cut(self, start: int) -> tuple[int, int] | None:
        """Where the line that begins at ``start`` stops and the next begins; None when that is not known yet."""
        found = _END.search(self._rest, max(start, self._scanned if start == 0 else start))
        if found and found.start() - start <= self._limit:
            # A return at the very end may be the first half of "\r\n".
            return None if found.end() == len(self._rest) and found[0] == b"\r" else found.span()
        if len(self._rest) - start <= self._limit:
            return None
        stop = start + self._limit
        while stop > start + 1 and self._rest[stop] & 0xC0 == 0x80 and stop > start + self._limit - 3:
            stop -= 1  # not in the middle of a character
        return stop, stop
