"""safetensors: eight bytes of length, a header in JSON, then the tensors.

The format: https://github.com/huggingface/safetensors (README, "Format"), the types as release 0.8.0 writes them. Unlike that library we allow
bytes that belong to no tensor; like it we refuse a header above 100 MB.
"""

from __future__ import annotations

import json
from math import prod

from modelyard.store.layouts.layout import (
    TENSORS_LIMIT,
    WIDTHS,
    Layout,
    ReadAt,
    Tensor,
    Unsound,
    natural,
    naturals,
    read_exactly,
)

HEADER_LIMIT = 100_000_000
MARKS_LIMIT = 32 * TENSORS_LIMIT
"""Quotes, commas and opening brackets of a header, of which a tensor has about twenty; counted first, since parsed they may take 25 times their length."""

BITS = {name: 8 * width for name, width in WIDTHS.items()} | {"F4": 4, "F6_E2M3": 6, "F6_E3M2": 6}


def safetensors_layout(read_at: ReadAt, size: int) -> Layout:
    """Raises Unsound when the header is not one, or contradicts itself or the file."""
    if size < 8:
        raise Unsound
    length = int.from_bytes(read_exactly(read_at, 0, 8), "little")
    if length > min(HEADER_LIMIT, size - 8):
        raise Unsound
    header = _parsed(read_exactly(read_at, 8, length))
    header.pop("__metadata__", None)
    if len(header) > TENSORS_LIMIT:
        raise Unsound
    return Layout("safetensors", tuple(_tensor(name, entry, 8 + length) for name, entry in header.items()))


def _parsed(header: bytes) -> dict[str, object]:
    if sum(map(header.count, (b'"', b",", b"[", b"{"))) > MARKS_LIMIT:
        raise Unsound
    try:
        found = json.loads(header.decode(), object_pairs_hook=_without_repeats, parse_constant=_refused)
    except (ValueError, RecursionError, MemoryError):
        raise Unsound from None
    if not isinstance(found, dict):
        raise Unsound
    return found


def _without_repeats(pairs: list[tuple[str, object]]) -> dict[str, object]:
    """Of a key that is there twice, one reader would take the first and another the last."""
    found = dict(pairs)
    if len(found) < len(pairs):
        raise Unsound
    return found


def _refused(constant: str) -> None:
    raise Unsound


def _tensor(name: str, entry: object, start: int) -> Tensor:
    """``start`` is where the tensors begin, from which the header counts."""
    if not isinstance(entry, dict):
        raise Unsound
    dtype, shape, offsets = entry.get("dtype"), naturals(entry.get("shape")), naturals(entry.get("data_offsets"))
    if not isinstance(dtype, str) or dtype not in BITS or len(offsets) != 2:
        raise Unsound
    begin, end = offsets
    if 8 * natural(end - begin) != prod(shape) * BITS[dtype]:
        raise Unsound
    return Tensor(name, dtype, shape, start + begin, end - begin)
