"""An earlier version of a file, as what its successor's chunks may be the difference from."""

from __future__ import annotations

from modelyard.store.layouts.layout import Layout
from modelyard.store.reading.recipe import Recipe
from modelyard.store.writing.cuts import Name, pieces_of


class EarlierFile:
    """Finds for a piece of the new file the chunk that stood there before."""

    def __init__(self, recipe: Recipe, layout: Layout | None) -> None:
        self._lengths = dict(recipe.chunks)
        self._named = dict(_named(recipe, layout))
        named = set(self._named.values())
        self._unnamed = [key for key, _ in recipe.chunks if key not in named]
        self._places = {key: place for place, key in enumerate(self._unnamed)}
        self._next = 0

    def named(self, name: Name, length: int) -> bytes | None:
        """The chunk of the same piece of the same tensors."""
        key = self._named.get(name)
        return key if key is not None and self._lengths.get(key) == length else None

    def saw(self, key: bytes) -> None:
        """Says that the new file has this chunk too: what comes next is compared with what came after it then."""
        place = self._places.get(key)
        if place is not None:
            self._next = place + 1

    def unnamed(self) -> bytes | None:
        """The chunk that stood where a new chunk of a stretch that was cut by content stands now. For the first beyond the end it is the last one,
        which often has been cut in two."""
        if not self._unnamed or self._next > len(self._unnamed):
            return None
        self._next += 1
        return self._unnamed[min(self._next, len(self._unnamed)) - 1]


def _named(recipe: Recipe, layout: Layout | None) -> list[tuple[Name, bytes]]:
    at = {start: number for number, start in enumerate(recipe.starts[:-1])}
    found: list[tuple[Name, bytes]] = []
    for piece in pieces_of(layout, recipe.size):
        number = at.get(piece.offset)
        if piece.name is not None and number is not None and recipe.chunks[number][1] == piece.length:
            found.append((piece.name, recipe.chunks[number][0]))
    return found
