"""Where a file is cut into chunks.

A file whose layout is known is cut along its tensors: a large tensor in pieces of its own, small neighbours together, headers and gaps apart. So a tensor
that has not changed is the same chunks, wherever it stands, and one that has changed stands against the same pieces of its earlier self. All else is cut by
content (FastCDC), so that an insertion in the middle costs a chunk. Both depend on the bytes alone, not on how they were fed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from modelyard.store.codecs.elements import Element, element_of
from modelyard.store.layouts.layout import Layout, Tensor

PIECE = 1024 * 1024
"""A tensor is cut into pieces of this many bytes."""
TOGETHER = 64 * 1024
"""Neighbours smaller than this are put together until they are as large."""
AVERAGE = 256 * 1024
SHORTEST, LONGEST = AVERAGE // 4, AVERAGE * 4
_WINDOW = 4 * 1024 * 1024

Part = tuple[str, str, tuple[int, ...]]
"""Name, type and shape of a tensor."""


@dataclass(frozen=True)
class Name:
    """What a piece is in its file: the tensors that it holds, and which piece of them. The same name in two versions is the same part of the model."""

    parts: tuple[Part, ...]
    number: int


@dataclass(frozen=True)
class Piece:
    """A chunk to be: ``length`` bytes at ``offset``. Without a name it is a stretch that is still to be cut by content."""

    offset: int
    length: int
    name: Name | None = None
    element: Element | None = None


def pieces_of(layout: Layout | None, size: int) -> Iterator[Piece]:
    """The pieces of a file in order, without a hole. Each with a name is one chunk; each without one goes through :func:`by_content`."""
    at = 0
    group: list[Tensor] = []
    for tensor in layout.tensors if layout else ():
        if not tensor.length:
            continue
        if group and (
            tensor.offset != group[-1].offset + group[-1].length
            or tensor.length >= TOGETHER
            or tensor.offset - group[0].offset >= TOGETHER
            or element_of(tensor.dtype) is not element_of(group[0].dtype)
        ):
            yield from _pieces(group)
            group = []
        if tensor.offset > at:
            yield Piece(at, tensor.offset - at)
        at = tensor.offset + tensor.length
        group.append(tensor)
        if tensor.length >= TOGETHER:
            yield from _pieces(group)
            group = []
    if group:
        yield from _pieces(group)
    if at < size:
        yield Piece(at, size - at)


def _pieces(group: list[Tensor]) -> Iterator[Piece]:
    parts = tuple((tensor.name, tensor.dtype, tensor.shape) for tensor in group)
    start, end = group[0].offset, group[-1].offset + group[-1].length
    element = element_of(group[0].dtype)
    for number, at in enumerate(range(start, end, PIECE)):
        yield Piece(at, min(PIECE, end - at), Name(parts, number), element)


def by_content(read: Callable[[int], bytes]) -> Iterator[memoryview]:
    """The chunks of a stream, cut by content; ``read(n)`` gives up to ``n`` bytes, and none at the end. They are views of what was read."""
    held = memoryview(b"")
    while True:
        held, ended = _filled(held, read)
        if len(held) <= SHORTEST:
            if held:
                yield held
            return
        start = 0
        for end in _cuts(held):
            # the last cut is where the window ends, not where the content says, unless the stream ends there too
            if end == len(held) and not ended:
                break
            yield held[start:end]
            start = end
        if ended:
            return
        held = held[start:]


def _filled(held: memoryview, read: Callable[[int], bytes]) -> tuple[memoryview, bool]:
    parts: list[bytes | memoryview] = [held]
    missing = _WINDOW - len(held)
    while missing > 0:
        part = read(missing)
        if not part:
            return memoryview(b"".join(parts)), True
        parts.append(part)
        missing -= len(part)
    return memoryview(b"".join(parts)), False


def _cuts(data: memoryview) -> Iterator[int]:
    from pyfastcdc import FastCDC

    for chunk in FastCDC(AVERAGE, min_size=SHORTEST, max_size=LONGEST, normalized_chunking=2).cut_buf(data):
        yield chunk.offset + chunk.length
