"""The stored bytes of a tensor as a NumPy array, without a bit lost.

NumPy has no bfloat16 and no float8, so these become ``float32``, which holds each of their values exactly: a bfloat16 is the upper half of a float32,
and of a float8 there are only 256. Formats: OCP OFP8 1.0 for E4M3 and E5M2, OCP MX 1.0 for E8M0, arXiv 2206.02915 for the FNUZ kinds.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from math import prod
from typing import TYPE_CHECKING, Any

import numpy as np

from modelyard.store.codecs.codec import Bytes

if TYPE_CHECKING:
    from numpy.typing import NDArray

_PLAIN = {
    "F64": "<f8",
    "F32": "<f4",
    "F16": "<f2",
    "I64": "<i8",
    "I32": "<i4",
    "I16": "<i2",
    "I8": "i1",
    "U64": "<u8",
    "U32": "<u4",
    "U16": "<u2",
    "U8": "u1",
    "C64": "<c8",
    "TORCH_COMPLEX128": "<c16",
}

# Bits of the exponent and of the mantissa, bias, and the byte of the only NaN; None where IEEE 754 rules what all ones mean.
_SMALL = {
    "F8_E4M3": (4, 3, 7, 0x7F),
    "F8_E5M2": (5, 2, 15, None),
    "F8_E4M3FNUZ": (4, 3, 8, 0x80),
    "F8_E5M2FNUZ": (5, 2, 16, 0x80),
}
_STORED = {"BOOL": "u1", "BF16": "<u2", "F8_E8M0": "u1"} | dict.fromkeys(_SMALL, "u1")


class NoArray(ValueError):
    """NumPy has no type for these elements, or no array of this shape."""


def width_of(dtype: str) -> int | None:
    """Bytes an element in the file; None for a type that NumPy has no array for, such as blocks of quantized numbers."""
    try:
        return _stored(dtype).itemsize or None
    except NoArray:
        return None


def array_of(data: Bytes, dtype: str, shape: Sequence[int]) -> NDArray[Any]:
    """The elements of a tensor, read-only; ``dtype`` as in :class:`modelyard.store.layouts.Tensor`.

    Values are exact. ``BF16``, ``F8_*`` come as float32, a big-endian array stays big-endian, as ``numpy.load`` gives it; a column-major one
    (``NUMPY_F_…``) has its columns contiguous. Raises NoArray.

    >>> array_of(bytes.fromhex("803f00c0"), "BF16", (2,))
    array([ 1., -2.], dtype=float32)
    """
    stored = _stored(dtype)
    if not stored.itemsize or prod(shape) * stored.itemsize != len(data):
        raise NoArray(f"{len(data)} bytes are no array of {dtype} and shape {tuple(shape)}")
    flat = values_of(np.frombuffer(data, stored), dtype)
    try:
        array: NDArray[Any] = np.reshape(flat, tuple(shape), order="F" if is_column_major(dtype) else "C")
    except ValueError as error:  # more axes, or a longer one, than NumPy takes
        raise NoArray(str(error)) from error
    array.flags.writeable = False
    return array


def is_column_major(dtype: str) -> bool:
    """Whether the elements lie in the file column by column."""
    return dtype.startswith("NUMPY_F_")


def is_numeric(dtype: str) -> bool:
    """Whether the elements are numbers that can be subtracted."""
    return width_of(dtype) is not None and _stored(dtype).kind in "biufc"


def elements_of(data: Bytes, dtype: str) -> NDArray[Any]:
    """The elements as they are stored, in one row and the order of the file: bit patterns where NumPy has no such type. Raises NoArray."""
    return np.frombuffer(data, _stored(dtype))


def values_of(stored: NDArray[Any], dtype: str) -> NDArray[Any]:
    """What :func:`elements_of` gives as values."""
    values: NDArray[Any] = stored
    if dtype == "BF16":
        values = (stored.astype(np.uint32) << np.uint32(16)).view(np.float32)
    elif dtype == "BOOL":  # a byte that is neither 0 nor 1 is true, and not undefined behaviour
        values = np.not_equal(stored, 0)
    elif dtype in _SMALL or dtype == "F8_E8M0":
        values = _table(dtype)[stored]
    return values


def _stored(dtype: str) -> np.dtype[Any]:
    name = _PLAIN.get(dtype) or _STORED.get(dtype)
    if name is None:
        if not dtype.startswith("NUMPY_"):
            raise NoArray(f"NumPy has no type for {dtype}")
        name = dtype.removeprefix("NUMPY_").removeprefix("F_")
    try:
        return np.dtype(name)
    except (TypeError, ValueError) as error:
        raise NoArray(f"NumPy has no type for {dtype}") from error


@cache
def _table(dtype: str) -> NDArray[np.float32]:
    """The 256 values of a float of eight bits."""
    codes = np.arange(256)
    if dtype == "F8_E8M0":  # a power of two, without sign and zero
        table = np.ldexp(1.0, codes - 127)
        table[255] = np.nan
        return np.asarray(table, np.float32)
    exponent_bits, mantissa_bits, bias, nan = _SMALL[dtype]
    exponents, mantissas = codes >> mantissa_bits & (1 << exponent_bits) - 1, codes & (1 << mantissa_bits) - 1
    leading = np.where(exponents > 0, 1 << mantissa_bits, 0)
    table = np.ldexp((leading + mantissas).astype(np.float64), np.maximum(exponents, 1) - bias - mantissa_bits)
    if nan is None:
        table[exponents == (1 << exponent_bits) - 1] = np.nan
        table[(exponents == (1 << exponent_bits) - 1) & (mantissas == 0)] = np.inf
    table[codes >= 128] *= -1
    if nan is not None:
        table[[nan, nan | 0x80]] = np.nan  # 0x7f and 0xff; of the FNUZ kinds only what would be the negative zero
    return np.asarray(table, np.float32)
