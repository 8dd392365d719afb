"""Small reads here and there in one stored file, as its headers are read: no chunk is decoded twice, and few requests are made."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Sequence

from modelyard.store.codecs.codec import Bytes
from modelyard.store.reading.recipe import Recipe

KEPT = 16 * 1024 * 1024
"""Bytes of decoded chunks that are remembered, beside those of the read that goes on."""
SMALL = 4 * 1024
TOGETHER = 512

Read = Callable[[Sequence[int]], list[Bytes]]
"""The chunks of these numbers, verified."""


class Excerpts:
    """Reads in the file of a recipe, whose first chunk is known.

    In an archive of many tensors a head stands before each, a small chunk between large ones: when one that is wanted is small, the small ones after it
    come in the same request, since the next reads will ask for them.
    """

    def __init__(self, recipe: Recipe, read: Read, first: Bytes) -> None:
        self._starts = recipe.starts
        self._at = recipe.at
        self._read = read
        self._held: OrderedDict[int, Bytes] = OrderedDict({0: first})
        self._size = len(first)

    def read_at(self, offset: int, length: int) -> bytes:
        """Bytes of the file, fewer only where it ends. Raises what ``read`` raises."""
        end = min(offset + length, self._starts[-1])
        if offset >= end:
            return b""
        numbers = range(self._at(offset), self._at(end - 1) + 1)
        self._fetch([number for number in numbers if number not in self._held])
        parts = []
        for number in numbers:
            self._held.move_to_end(number)
            start = self._starts[number]
            parts.append(memoryview(self._held[number])[max(0, offset - start) : end - start])
        found = b"".join(parts)
        while self._size > KEPT and len(self._held) > 1:
            self._size -= len(self._held.popitem(last=False)[1])
        return found

    def _fetch(self, missing: list[int]) -> None:
        if not missing:
            return
        wanted = missing + self._small_after(missing[-1])
        for number, chunk in zip(wanted, self._read(wanted), strict=True):
            self._held[number] = chunk
            self._size += len(chunk)

    def _small_after(self, number: int) -> list[int]:
        if self._length(number) > SMALL:
            return []
        after = range(number + 1, min(number + 1 + TOGETHER, len(self._starts) - 1))
        return [one for one in after if self._length(one) <= SMALL and one not in self._held]

    def _length(self, number: int) -> int:
        return self._starts[number + 1] - self._starts[number]
