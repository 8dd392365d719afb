"""GGUF, versions 2 and 3, little-endian: counts, metadata, a table of tensors, then their bytes.

The format: https://github.com/ggml-org/ggml/blob/master/docs/gguf.md, the block sizes as ``GGML_QUANT_SIZES`` of the package gguf 0.19 has them.
"""

from __future__ import annotations

from math import prod

from modelyard.store.layouts.cursor import Cursor
from modelyard.store.layouts.layout import TENSORS_LIMIT, Layout, ReadAt, Tensor, Unsound

MAGIC = b"GGUF"
HEADER_LIMIT = 256 * 1024 * 1024
ITEMS_LIMIT = 4_000_000
"""Keys, strings in arrays and arrays in arrays that are read before we give up; a vocabulary with its merges has a million."""
DEPTH_LIMIT = 8
AXES = 8
"""ggml has four."""

VALUE_WIDTHS = {0: 1, 1: 1, 2: 2, 3: 2, 4: 4, 5: 4, 6: 4, 7: 1, 10: 8, 11: 8, 12: 8}
UINT32, STRING, ARRAY = 4, 8, 9

# Number: name, elements in a block, bytes of a block. A number that is not here is a type of tomorrow, or one that was taken back.
TYPES = {
    0: ("F32", 1, 4),
    1: ("F16", 1, 2),
    2: ("GGUF_Q4_0", 32, 18),
    3: ("GGUF_Q4_1", 32, 20),
    6: ("GGUF_Q5_0", 32, 22),
    7: ("GGUF_Q5_1", 32, 24),
    8: ("GGUF_Q8_0", 32, 34),
    9: ("GGUF_Q8_1", 32, 40),
    10: ("GGUF_Q2_K", 256, 84),
    11: ("GGUF_Q3_K", 256, 110),
    12: ("GGUF_Q4_K", 256, 144),
    13: ("GGUF_Q5_K", 256, 176),
    14: ("GGUF_Q6_K", 256, 210),
    15: ("GGUF_Q8_K", 256, 292),
    16: ("GGUF_IQ2_XXS", 256, 66),
    17: ("GGUF_IQ2_XS", 256, 74),
    18: ("GGUF_IQ3_XXS", 256, 98),
    19: ("GGUF_IQ1_S", 256, 50),
    20: ("GGUF_IQ4_NL", 32, 18),
    21: ("GGUF_IQ3_S", 256, 110),
    22: ("GGUF_IQ2_S", 256, 82),
    23: ("GGUF_IQ4_XS", 256, 136),
    24: ("I8", 1, 1),
    25: ("I16", 1, 2),
    26: ("I32", 1, 4),
    27: ("I64", 1, 8),
    28: ("F64", 1, 8),
    29: ("GGUF_IQ1_M", 256, 56),
    30: ("BF16", 1, 2),
    34: ("GGUF_TQ1_0", 256, 54),
    35: ("GGUF_TQ2_0", 256, 66),
    39: ("GGUF_MXFP4", 32, 17),
    40: ("GGUF_NVFP4", 64, 36),
    41: ("GGUF_Q1_0", 128, 18),
}


def gguf_layout(read_at: ReadAt, size: int) -> Layout:
    """The tensors whose type is known; shapes row-major, the reverse of the file's. Raises Unsound when the header contradicts itself or the file."""
    return _Header(Cursor(read_at, min(size, HEADER_LIMIT))).layout()


class _Header:
    def __init__(self, cursor: Cursor) -> None:
        self._cursor, self._items, self._alignment = cursor, 0, 32

    def layout(self) -> Layout:
        if self._cursor.take(4) != MAGIC or self._cursor.number(4) not in (2, 3):
            raise Unsound
        tensors, keys = self._cursor.number(8), self._cursor.number(8)
        if tensors > TENSORS_LIMIT:
            raise Unsound
        self._pass_metadata(keys)
        table = [self._row() for _ in range(tensors)]
        start = -(-self._cursor.position // self._alignment) * self._alignment
        return Layout("gguf", tuple(tensor for row in table if (tensor := _tensor(*row, start)) is not None))

    def _pass_metadata(self, count: int) -> None:
        aligned = False
        for _ in range(self._counted(count)):
            key, kind = self._string(), self._cursor.number(4)
            if key != b"general.alignment":
                self._pass_value(kind, 0)
                continue
            if aligned or kind != UINT32:
                raise Unsound
            aligned, self._alignment = True, self._cursor.number(4)
            if self._alignment.bit_count() != 1:
                raise Unsound

    def _pass_value(self, kind: int, depth: int) -> None:
        if kind in VALUE_WIDTHS:
            self._cursor.skip(VALUE_WIDTHS[kind])
        elif kind == STRING:
            self._cursor.skip(self._cursor.number(8))
        elif kind == ARRAY and depth < DEPTH_LIMIT:
            kind, count = self._cursor.number(4), self._cursor.number(8)
            if kind in VALUE_WIDTHS:
                self._cursor.skip(count * VALUE_WIDTHS[kind])
                return
            for _ in range(self._counted(count)):
                self._pass_value(kind, depth + 1)
        else:
            raise Unsound

    def _row(self) -> tuple[bytes, tuple[int, ...], int, int]:
        name, axes = self._string(), self._cursor.number(4)
        if axes > AXES:
            raise Unsound
        shape = tuple(self._cursor.number(8) for _ in range(axes))[::-1]
        return name, shape, self._cursor.number(4), self._cursor.number(8)

    def _string(self) -> bytes:
        return self._cursor.take(self._cursor.number(8))

    def _counted(self, count: int) -> int:
        self._items += count
        if self._items > ITEMS_LIMIT:
            raise Unsound
        return count


def _tensor(name: bytes, shape: tuple[int, ...], kind: int, offset: int, start: int) -> Tensor | None:
    """None for a type whose length nobody here knows: its bytes are then nobody's, and the other tensors keep theirs."""
    if kind not in TYPES:
        return None
    dtype, elements, width = TYPES[kind]
    if (shape[-1] if shape else 1) % elements:
        raise Unsound
    try:
        return Tensor(name.decode(), dtype, shape, start + offset, prod(shape) // elements * width)
    except UnicodeDecodeError:
        raise Unsound from None
