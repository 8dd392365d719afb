"""Numbers as planes: all first bytes together, all second bytes together, each plane entropy-coded by itself.

In floats of a model the byte of the exponent takes few values and the low bytes of the mantissa take all of them: apart, the first shrinks to a
third and the rest is left as it is. Plain Huffman coding does that; matches, which Zstandard looks for first, only cost there (measured on
fp32 and bf16 weights, ``docs/decisions/deltas.md``), so it is told to find next to none.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from modelyard.store.codecs import zstandard

if TYPE_CHECKING:
    from numpy.typing import NDArray

Bytes = bytes | bytearray | memoryview

_HEAD = struct.Struct("<BI")
_RAW, _ZSTD, _SAME = 0, 1, 2
_BLOCK = 32 * 1024
_SAMPLE = 16 * 1024
_PAYS = 0.985


def pack(
    numbers: NDArray[Any], noisy: tuple[bool, ...] | None = None, *, head: bytes = b"", tail: Bytes = b""
) -> bytes:
    """The planes of little-endian unsigned numbers, from the lowest byte up, between ``head`` and ``tail``; those that are known to be ``noisy`` are
    not tried to be coded."""
    width = numbers.dtype.itemsize
    split = [
        (numbers >> numbers.dtype.type(8 * place) if place else numbers).astype(np.uint8) for place in range(width)
    ]
    return pack_planes(split, noisy or (False,) * width, head=head, tail=tail)


def pack_planes(
    split: Sequence[NDArray[np.uint8]], noisy: Sequence[bool], *, head: bytes = b"", tail: Bytes = b""
) -> bytes:
    """The same of planes that are apart already."""
    parts: list[Bytes] = [head]
    for plane, noise in zip(split, noisy, strict=True):
        parts += _raw(plane) if noise else _packed(plane)
    parts.append(tail)
    return b"".join(parts)


def unpack(data: memoryview, count: int, dtype: np.dtype[Any]) -> NDArray[Any]:
    """The inverse of :func:`pack` for ``count`` numbers. Raises ``ValueError`` for bytes that are not as they were written."""
    width = dtype.itemsize
    planes: list[NDArray[np.uint8]] = []
    at = 0
    for _ in range(width):
        mode, length = _HEAD.unpack_from(data, at)
        at += _HEAD.size
        planes.append(_unpacked(mode, data[at : at + length], count))
        at += length
    if at != len(data):
        raise ValueError("bytes are left over after the last plane")
    numbers = planes[-1].astype(dtype)
    for plane in reversed(planes[:-1]):
        numbers <<= dtype.type(8)
        numbers |= plane
    return numbers


def _packed(plane: NDArray[np.uint8]) -> tuple[Bytes, Bytes]:
    if len(plane) and plane[0] == plane[-1] and not np.any(plane != plane[0]):
        return _HEAD.pack(_SAME, 1), plane[:1].tobytes()
    if len(plane) <= 2 * _SAMPLE or _shrinks(plane):
        small = zstandard.entropy_coded(plane.data, _BLOCK)
        if len(small) < _PAYS * len(plane):
            return _HEAD.pack(_ZSTD, len(small)), small
    return _raw(plane)


def _raw(plane: NDArray[np.uint8]) -> tuple[Bytes, Bytes]:
    return _HEAD.pack(_RAW, len(plane)), plane.data


def _shrinks(plane: NDArray[np.uint8]) -> bool:
    """Whether the middle of a plane can be coded in less: most planes of a mantissa cannot, and trying all of them costs the most time."""
    middle = (len(plane) - _SAMPLE) // 2
    return len(zstandard.entropy_coded(plane[middle : middle + _SAMPLE].data, _BLOCK)) < _PAYS * _SAMPLE


def _unpacked(mode: int, data: memoryview, count: int) -> NDArray[np.uint8]:
    if mode == _SAME and len(data) == 1:
        return np.full(count, data[0], np.uint8)
    if mode == _ZSTD:
        plain = zstandard.decompressed(data, count)
    elif mode == _RAW:
        plain = data  # type: ignore[assignment]
    else:
        raise ValueError(f"a plane has the mode {mode}")
    if len(plain) != count:
        raise ValueError(f"a plane has {len(plain)} bytes instead of {count}")
    return np.frombuffer(plain, np.uint8)
