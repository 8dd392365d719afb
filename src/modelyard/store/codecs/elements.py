"""What the bytes of a chunk are made of: the width of an element, and where a float keeps its exponent."""

from __future__ import annotations

from enum import IntEnum


class Element(IntEnum):
    """The numbers are part of the format (``docs/formats/store.md``)."""

    BYTE = 0
    INT16 = 1
    INT32 = 2
    INT64 = 3
    FLOAT16 = 4
    BFLOAT16 = 5
    FLOAT32 = 6
    FLOAT64 = 7
    FLOAT8_E4M3 = 8
    FLOAT8_E5M2 = 9

    @property
    def width(self) -> int:
        """Bytes an element."""
        return _WIDTH[self]

    @property
    def exponent(self) -> tuple[int, int] | None:
        """The lowest bit of the exponent and its length in bits; None where there is none."""
        return _EXPONENT.get(self)


_WIDTH = {
    Element.BYTE: 1,
    Element.INT16: 2,
    Element.INT32: 4,
    Element.INT64: 8,
    Element.FLOAT16: 2,
    Element.BFLOAT16: 2,
    Element.FLOAT32: 4,
    Element.FLOAT64: 8,
    Element.FLOAT8_E4M3: 1,
    Element.FLOAT8_E5M2: 1,
}

_EXPONENT = {
    Element.FLOAT16: (10, 5),
    Element.BFLOAT16: (7, 8),
    Element.FLOAT32: (23, 8),
    Element.FLOAT64: (52, 11),
    Element.FLOAT8_E4M3: (3, 4),
    Element.FLOAT8_E5M2: (2, 5),
}

_BY_DTYPE = {
    "F64": Element.FLOAT64,
    "F32": Element.FLOAT32,
    "C64": Element.FLOAT32,
    "F16": Element.FLOAT16,
    "GGUF_F16": Element.FLOAT16,
    "BF16": Element.BFLOAT16,
    "F8_E4M3": Element.FLOAT8_E4M3,
    "F8_E5M2": Element.FLOAT8_E5M2,
    "I64": Element.INT64,
    "U64": Element.INT64,
    "I32": Element.INT32,
    "U32": Element.INT32,
    "I16": Element.INT16,
    "U16": Element.INT16,
}

_FORTRAN = "NUMPY_F_<"  # little-endian, column-major: other places, the same numbers
_BY_NUMPY = {
    "f8": Element.FLOAT64,
    "f4": Element.FLOAT32,
    "f2": Element.FLOAT16,
    "i8": Element.INT64,
    "u8": Element.INT64,
    "i4": Element.INT32,
    "u4": Element.INT32,
    "i2": Element.INT16,
    "u2": Element.INT16,
}


def element_of(dtype: str) -> Element:
    """The element of a tensor type by its name in :class:`modelyard.store.layouts.layout.Tensor`; bytes for one that has no width of its own."""
    if dtype.startswith(_FORTRAN):
        return _BY_NUMPY.get(dtype.removeprefix(_FORTRAN), Element.BYTE)
    return _BY_DTYPE.get(dtype, Element.BYTE)
