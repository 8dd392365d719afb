"""Which earlier chunk a changed chunk is kept as the difference from: the trade between bytes kept and steps to read.

A chain of differences, each from the version before, keeps the least and reads slowest: version 100 would take 99 steps. Differences all from the
first version read in one step and keep more, because versions drift apart. Between them: every chunk is at most :data:`DEEPEST` steps from a root.
A chunk at depth 1 is the difference from the root; the next :data:`LEAVES` are differences from that one; the next after them is at depth 1 again::

    version   1   2   3   4   5   6   7   8   9   10
    depth     0   1   2   2   1   2   2   1   2   2
    from      -   1   2   2   1   5   5   1   8   8

When the difference from the root no longer pays, the chunk is kept whole and is the next root. Measured in ``docs/decisions/deltas.md``.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from modelyard.store.packs.entry import Entry

DEEPEST = 2
LEAVES = 2
PAYS = 0.85
"""A difference is kept when it takes less than this of what the chunk takes by itself."""


@dataclass(frozen=True)
class Parent:
    """What the next chunk is the difference from, and its ``rank`` among the differences from it; ``root`` is the chunk that is kept whole."""

    entry: Entry
    rank: int
    root: Entry

    @property
    def alone(self) -> int:
        """Bytes that a chunk of this kind takes by itself."""
        return self.root.stored


def parent_of(previous: Entry, find: Callable[[bytes], Entry | None]) -> Parent | None:
    """The parent for what comes after ``previous``; ``find`` gives the entry of a chunk. None when the chain cannot be followed."""
    line = [previous]  # from the predecessor to its root
    while line[-1].depth > 0:
        above = find(line[-1].base)
        if above is None or above.depth >= line[-1].depth:
            return None
        line.append(above)
    if previous.depth < DEEPEST:
        return Parent(previous, 0, line[-1])
    if previous.rank + 1 < LEAVES:
        return Parent(line[1], previous.rank + 1, line[-1])
    return Parent(line[-1], 0, line[-1])
