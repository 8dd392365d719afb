"""What lies in a store: every pack with the pieces in it, whether or not the index knows of it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property

from modelyard.store.objects.objects import ObjectInfo, Objects
from modelyard.store.packs import Entry, Index, Kind
from modelyard.store.packs.entry import NO_BASE
from modelyard.store.packs.pack import PREFIX, table_of

Piece = tuple[Kind, bytes]
"""A chunk by its BLAKE3, or a recipe by the SHA-256 of its file; however often and wherever it is kept."""


@dataclass(frozen=True)
class Shelf:
    """A pack that is there, and what is in it. ``indexed`` says whether the index knows of it."""

    name: str
    size: int
    modified: datetime
    entries: tuple[Entry, ...]
    indexed: bool = True

    @property
    def stored(self) -> int:
        """Bytes of the pieces."""
        return sum(entry.stored for entry in self.entries)


@dataclass(frozen=True)
class Inventory:
    """``unreadable`` packs are there, unknown to the index, and do not say what is in them; ``vanished`` ones are only spoken of."""

    shelves: dict[str, Shelf]
    unreadable: dict[str, str] = field(default_factory=dict)
    vanished: frozenset[str] = frozenset()

    def copies(self, piece: Piece) -> list[Entry]:
        """Every place where the piece lies."""
        return self._places.get(piece, [])

    @cached_property
    def _places(self) -> dict[Piece, list[Entry]]:
        places: dict[Piece, list[Entry]] = {}
        for shelf in self.shelves.values():
            for entry in shelf.entries:
                places.setdefault(piece_of(entry), []).append(entry)
        return places

    def standing_on(self, pieces: Iterable[Piece]) -> set[Piece]:
        """The pieces, and all that any copy of them stands on."""
        found: set[Piece] = set()
        waiting = list(pieces)
        while waiting:
            piece = waiting.pop()
            if piece not in found:
                found.add(piece)
                for entry in self.copies(piece):
                    waiting += below(entry)
        return found


def piece_of(entry: Entry) -> Piece:
    """What the entry is a copy of."""
    return entry.kind, entry.key


def below(entry: Entry) -> Iterator[Piece]:
    """What must be read before this copy can be."""
    if entry.base != NO_BASE:
        yield Kind.CHUNK, entry.base


def founded(entries: Iterable[Entry]) -> dict[Piece, Entry]:
    """Of each piece that can be read from these copies alone, the copy with the shortest way to a chunk that stands by itself.

    Copies may stand on each other in a circle, where each was once kept as the difference from the other; a circle alone is no way to read.
    """
    best: dict[Piece, Entry] = {}
    above: dict[Piece, list[Entry]] = {}
    level: list[Entry] = []
    for entry in entries:
        base = next(below(entry), None)
        if base is None:
            level.append(entry)
        else:
            above.setdefault(base, []).append(entry)
    while level:
        new = [entry for entry in level if best.setdefault(piece_of(entry), entry) is entry]
        level = [entry for reached in new for entry in above.get(piece_of(reached), ())]
    return best


def take_inventory(objects: Objects, index: Index, known: Inventory | None = None) -> Inventory:
    """Looks at what is there now. ``known`` saves reading again the tables of packs that have not changed, as no pack ever does.

    Raises what the objects raise.
    """
    index.refresh()
    segments = index.segments
    # after the segments: a pack is durable before a segment speaks of it, so one that is spoken of and not listed is gone
    packs = {info.key.removeprefix(PREFIX): info for info in objects.list(PREFIX)}
    spoken: dict[str, dict[int, Entry]] = {pack: {} for segment in segments for pack in segment.packs}
    for segment in segments:
        for entry in segment:
            spoken[entry.pack][entry.offset] = entry
    shelves: dict[str, Shelf] = {}
    unreadable: dict[str, str] = {}
    for name, info in packs.items():
        if name in spoken:
            entries = tuple(sorted(spoken[name].values(), key=lambda entry: entry.offset))
            shelves[name] = Shelf(name, info.size, info.modified, entries)
            continue
        try:
            shelves[name] = _unindexed(objects, name, info, known)
        except FileNotFoundError:
            continue
        except ValueError as error:
            unreadable[name] = str(error)
    return Inventory(shelves, unreadable, frozenset(spoken.keys() - packs.keys()))


def _unindexed(objects: Objects, name: str, info: ObjectInfo, known: Inventory | None) -> Shelf:
    seen = known.shelves.get(name) if known else None
    entries = seen.entries if seen else table_of(objects, name, info.size)
    return Shelf(name, info.size, info.modified, entries, indexed=False)
