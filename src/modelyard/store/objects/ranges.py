"""Ranges of bytes, joined so that one request brings what lies close together."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

GAP = 1 << 20
"""Up to this many bytes that nobody asked for are read to save a request: what a bucket sends in the time of one round trip."""

LONGEST = 16 << 20
"""A run does not grow past this many bytes by joining, so that several requests share the work."""


@dataclass(frozen=True)
class Run:
    """Bytes ``offset`` up to ``offset + length`` that one request brings; ``members`` are the indexes of the ranges that lie in it."""

    offset: int
    length: int
    members: tuple[int, ...]

    def until(self, size: int) -> Run:
        """What of it lies in an object of ``size`` bytes; perhaps nothing."""
        return Run(self.offset, max(0, min(self.length, size - self.offset)), self.members)


def joined(ranges: Sequence[tuple[int, int]], gap: int = GAP, longest: int = LONGEST) -> list[Run]:
    """The runs that bring every range of more than no bytes, sorted by offset. Raises ValueError for a negative offset or length.

    >>> joined([(500, 100), (0, 10), (20, 5), (7, 0)], gap=10)
    [Run(offset=0, length=25, members=(1, 2)), Run(offset=500, length=100, members=(0,))]
    """
    if any(offset < 0 or length < 0 for offset, length in ranges):
        raise ValueError("a range of bytes has an offset and a length of at least 0")
    runs: list[Run] = []
    for index in sorted((i for i, (_, length) in enumerate(ranges) if length), key=lambda i: ranges[i]):
        offset, length = ranges[index]
        if runs:
            last = runs[-1]
            end = max(last.offset + last.length, offset + length)
            if offset <= last.offset + last.length + gap and end - last.offset <= max(longest, last.length):
                runs[-1] = Run(last.offset, end - last.offset, (*last.members, index))
                continue
        runs.append(Run(offset, length, (index,)))
    return runs
