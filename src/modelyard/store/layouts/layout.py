"""What a file of tensors says of itself: which bytes are which tensor."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

ReadAt = Callable[[int, int], bytes]
"""``read_at(offset, length)``: exactly these bytes of the file, fewer only where the file ends."""


@dataclass(frozen=True)
class Tensor:
    """One tensor whose elements lie in the file as they are, little-endian, row-major and contiguous.

    ``dtype`` is the name that safetensors uses (``F64 F32 F16 BF16 F8_E4M3 F8_E5M2 I64 I32 I16 I8 U64 U32 U16 U8 BOOL C64``), or for what has none the
    format's own (``GGUF_Q4_K``, ``NUMPY_S16``, ``TORCH_COMPLEX128``); a type that WIDTHS lacks, such as ``F4``, is bytes to whoever does not know it.
    An array of NumPy that is big-endian or column-major says so there (``NUMPY_>f4``, ``NUMPY_F_<f4``). ``offset`` and ``length`` are bytes in the file.
    """

    name: str
    dtype: str
    shape: tuple[int, ...]
    offset: int
    length: int


@dataclass(frozen=True)
class Layout:
    """``tensors`` sorted by offset, within the file, no two of them overlapping or of one name. What lies between them is header, padding or index.

    ``format`` is ``safetensors``, ``gguf``, ``npy``, ``npz`` or ``pytorch``. A tensor may be empty: its length is 0, and it stands where it would begin.
    """

    format: str
    tensors: tuple[Tensor, ...]


WIDTHS = {
    "F64": 8,
    "F32": 4,
    "F16": 2,
    "BF16": 2,
    "F8_E4M3": 1,
    "F8_E5M2": 1,
    "F8_E8M0": 1,
    "F8_E4M3FNUZ": 1,
    "F8_E5M2FNUZ": 1,
    "I64": 8,
    "I32": 4,
    "I16": 2,
    "I8": 1,
    "U64": 8,
    "U32": 4,
    "U16": 2,
    "U8": 1,
    "BOOL": 1,
    "C64": 8,
}
"""Bytes an element, for the types that have a fixed width."""

AXES = 64
"""The most axes that a tensor may have; numpy and torch stop there too."""

TENSORS_LIMIT = 262_144
"""Tensors of one file before it is taken as bytes; the largest mixtures of experts, unsharded, have a fifth of it."""


class Unsound(Exception):
    """The bytes are not what their format promises. Between the modules of this folder only: :func:`layout_of` answers None."""


def naturals(value: object) -> tuple[int, ...]:
    """``value`` as a shape (or the steps of one): a list or tuple of at most AXES whole numbers from 0 below 2**63. Raises Unsound.

    >>> naturals([2, 3])
    (2, 3)
    """
    if not isinstance(value, list | tuple) or len(value) > AXES:
        raise Unsound
    return tuple(natural(n) for n in value)


def natural(value: object) -> int:
    """``value`` as a count, a length or an offset: a whole number, not a bool, from 0 below 2**63. Raises Unsound."""
    if type(value) is not int or not 0 <= value < 2**63:
        raise Unsound
    return value


def read_exactly(read_at: ReadAt, offset: int, length: int) -> bytes:
    """The ``length`` bytes at ``offset``. Raises Unsound where the file ends before; the caller bounds ``length``."""
    data = read_at(offset, length)
    if len(data) != length:
        raise Unsound
    return data


def in_order(tensors: Sequence[Tensor]) -> tuple[Tensor, ...]:
    """By offset; an empty tensor stands before the one whose first byte lies there."""
    return tuple(sorted(tensors, key=lambda t: (t.offset, t.length, t.name)))
