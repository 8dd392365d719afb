"""One new chunk in the form in which it will be kept: by itself, or as the difference from an earlier chunk where that is smaller."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from modelyard.core.errors import Damaged
from modelyard.store.codecs import Codec, Element, encode, encode_against, encode_together
from modelyard.store.codecs.codec import Bytes
from modelyard.store.packs import Entry
from modelyard.store.packs.entry import NO_BASE
from modelyard.store.reading.reader import Reader
from modelyard.store.writing.ancestry import PAYS, Parent, parent_of

SMALLEST = 512
"""A chunk smaller than this is kept by itself: a difference would save nothing worth a second read."""

Find = Callable[[bytes], Entry | None]


@dataclass(frozen=True)
class Encoded:
    """What goes into a pack, and what it stands on."""

    codec: Codec
    stored: Bytes
    base: bytes = NO_BASE
    depth: int = 0
    rank: int = 0


def encoded(raw: Bytes, element: Element | None, previous: bytes | None, find: Find, reader: Reader) -> Encoded:
    """Encodes a chunk; ``previous`` is the chunk that stood there before. A predecessor that cannot be read is as good as none."""
    difference = _difference(raw, element, previous, find, reader) if previous and len(raw) >= SMALLEST else None
    if difference is not None and difference[1]:
        return difference[0]
    codec, stored = encode(raw, element)
    if difference is not None and len(difference[0].stored) < PAYS * len(stored):
        return difference[0]
    return Encoded(codec, stored)


def encoded_together(raws: Sequence[Bytes]) -> list[Encoded]:
    """Neighbouring chunks that nobody knows and that nothing stood before."""
    return [Encoded(codec, stored) for codec, stored in encode_together(raws)]


def _difference(
    raw: Bytes, element: Element | None, previous: bytes, find: Find, reader: Reader
) -> tuple[Encoded, bool] | None:
    """The chunk as a difference, and whether that is so small that it need not be compared with the chunk by itself."""
    entry = find(previous)
    parent = None if entry is None else parent_of(entry, find)
    if parent is None or not _fits(parent, len(raw), element):
        return None
    above = parent.entry
    try:
        made = encode_against(raw, reader.chunk(above.key, above.length), element)
    except Damaged:
        return None
    if made is None:
        return None
    codec, stored = made
    surely = len(stored) * above.length < PAYS * parent.alone * len(raw)
    return Encoded(codec, stored, above.key, above.depth + 1, parent.rank), surely


def _fits(parent: Parent, length: int, element: Element | None) -> bool:
    """Numbers stand only on numbers of the same length; bytes only on a chunk that stands by itself or on bytes."""
    entry = parent.entry
    if element is not None:
        return entry.length == length and entry.codec is not Codec.PATCH
    return entry.codec is not Codec.DIFFERENCE
