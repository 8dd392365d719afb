"""The codecs of chunks, and the chain that a difference stands on. Every codec gives back the very bytes; whoever calls checks that by digest."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum
from itertools import takewhile

from modelyard.store.codecs.elements import Element

Bytes = bytes | bytearray | memoryview

SMALL = 4096
"""Chunks below this are only compressed: they are documents and headers, and numpy need not be there for them."""


class Codec(IntEnum):
    """How a stored chunk was written. The numbers are part of the format (``docs/formats/store.md``)."""

    RAW = 0
    ZSTD = 1
    PLANES = 2
    DIFFERENCE = 3  # numbers, from the chunk that is its base
    PATCH = 4  # bytes of any kind, with the chunk that is its base as what came before them

    @property
    def has_base(self) -> bool:
        return self in (Codec.DIFFERENCE, Codec.PATCH)


@dataclass(frozen=True)
class Link:
    """One stored chunk of a chain: its codec, its bytes as they are stored, and its length when decoded."""

    codec: Codec
    stored: Bytes
    length: int


def encode(raw: Bytes, element: Element | None) -> tuple[Codec, Bytes]:
    """The chunk by itself, in the smallest form that pays. ``element`` is what its numbers are; None where nobody knows."""
    if len(raw) < SMALL:
        from modelyard.store.codecs import zstandard

        small = zstandard.compressed(raw)
        return (Codec.ZSTD, small) if len(small) < len(raw) else (Codec.RAW, raw)
    from modelyard.store.codecs import plain

    return plain.pack(raw, element)


def encode_together(raws: Sequence[Bytes]) -> list[tuple[Codec, Bytes]]:
    """Neighbouring chunks that nobody knows, each by itself, as :func:`encode` would: faster than one by one."""
    if any(len(raw) < SMALL for raw in raws):
        return [encode(raw, None) for raw in raws]
    from modelyard.store.codecs import plain

    return plain.pack_together(raws)


def encode_against(raw: Bytes, base: Bytes, element: Element | None) -> tuple[Codec, Bytes] | None:
    """The chunk as a difference from ``base``; None when the two have nothing to do with each other. The caller compares with :func:`encode`."""
    if element is not None:
        from modelyard.store.codecs import difference

        return (Codec.DIFFERENCE, difference.pack(raw, base, element)) if len(raw) == len(base) else None
    if len(base) < SMALL:
        return None
    from modelyard.store.codecs import zstandard

    return Codec.PATCH, zstandard.compressed_with(bytes(base), raw)


def decode(chain: Sequence[Link]) -> Bytes:
    """The last chunk of a chain, whose first link has no base and each other link the one before it. Raises ``ValueError`` for damaged bytes."""
    first, *rest = chain
    raw = _decode_root(first)
    while rest:
        alike = list(takewhile(lambda link: link.codec is Codec.DIFFERENCE, rest))
        raw = _undo(raw, alike) if alike else decode_one(rest[0], raw)
        del rest[: len(alike) or 1]
    return raw


def decode_one(link: Link, base: Bytes) -> Bytes:
    """A chunk from its own link and the decoded chunk that it stands on. Raises ``ValueError`` for damaged bytes."""
    if link.codec is Codec.PATCH:
        from modelyard.store.codecs import zstandard

        return zstandard.decompressed(link.stored, link.length, bytes(base))
    if link.codec is Codec.DIFFERENCE:
        return _undo(base, [link])
    return _decode_root(link)


def _undo(base: Bytes, links: Sequence[Link]) -> Bytes:
    from modelyard.store.codecs import difference

    if any(link.length != len(base) for link in links):
        raise ValueError("a difference has another length than its base")
    try:
        return difference.unpack(base, [memoryview(link.stored) for link in links])
    except (IndexError, OverflowError, struct.error) as error:
        raise ValueError(str(error)) from error


def _decode_root(link: Link) -> Bytes:
    if link.codec is Codec.RAW:
        return link.stored
    if link.codec is Codec.ZSTD:
        from modelyard.store.codecs import zstandard

        return zstandard.decompressed(link.stored, link.length)
    from modelyard.store.codecs import plain

    return plain.unpack(link.codec, link.stored, link.length)
