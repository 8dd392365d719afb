"""Where the bytes of a scan come from: a part of a file, or what a decompressor gives. Read forward; nothing large is ever held."""

from __future__ import annotations

from collections.abc import Callable
from typing import BinaryIO, Protocol

BLOCK = 256 * 1024

Unpack = Callable[[bytes], bytes]


class Source(Protocol):
    """Bytes in order, and a look ahead."""

    def read(self, count: int) -> bytes:
        """Up to ``count`` bytes, fewer only at the end."""
        ...

    def skip(self, count: int) -> int:
        """Passes over bytes, however many; how many there were."""
        ...

    def peek(self, count: int) -> bytes:
        """The next bytes, which stay; ``count`` is at most BLOCK."""
        ...


class Slice:
    """``length`` bytes of an open file, from ``start``."""

    def __init__(self, file: BinaryIO, start: int, length: int) -> None:
        self.file, self.start, self.length = file, start, length
        self._at = 0

    def read(self, count: int) -> bytes:
        count = max(0, min(count, self.length - self._at))
        self.file.seek(self.start + self._at)
        data = self.file.read(count)
        self._at += len(data)
        return data

    def skip(self, count: int) -> int:
        count = max(0, min(count, self.length - self._at))
        self._at += count
        return count

    def peek(self, count: int) -> bytes:
        at = self._at
        data = self.read(count)
        self._at = at
        return data

    def read_at(self, offset: int, count: int) -> bytes:
        """Bytes from anywhere in the slice; fewer at its end."""
        self.file.seek(self.start + offset)
        return self.file.read(max(0, min(count, self.length - offset)))

    def again(self) -> Slice:
        """The same bytes from the beginning."""
        return Slice(self.file, self.start, self.length)


class Stream:
    """What ``read_some`` gives, a piece at a time; an empty piece is the end."""

    def __init__(self, read_some: Callable[[], bytes]) -> None:
        self._read_some = read_some
        self._held = b""
        self._ended = False

    def read(self, count: int) -> bytes:
        if count <= BLOCK:
            self._hold(count)
            data, self._held = self._held[:count], self._held[count:]
            return data
        parts = []
        while count > 0 and (part := self.read(min(count, BLOCK))):
            parts.append(part)
            count -= len(part)
        return b"".join(parts)

    def skip(self, count: int) -> int:
        left = count
        while left > 0:
            if not self._held:
                self._hold(1)
            if not self._held:
                break
            taken = min(left, len(self._held))
            self._held = self._held[taken:]
            left -= taken
        return count - left

    def peek(self, count: int) -> bytes:
        self._hold(count)
        return self._held[:count]

    def _hold(self, count: int) -> None:
        if len(self._held) >= count or self._ended:
            return
        parts, have = [self._held], len(self._held)
        while have < count:
            part = self._read_some()
            if not part:
                self._ended = True
                break
            parts.append(part)
            have += len(part)
        self._held = b"".join(parts)
