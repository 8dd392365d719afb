"""A chunk of numbers as the difference from the same numbers in an earlier version.

Floats that are close have bits that are close when read as integers, so the difference of these integers is small: a step of training moves a weight by
some units in its last places. Zig-zag coding makes small negative numbers small too, and of the planes of what is left the upper ones are nearly empty.
That keeps a tenth less than the exclusive or of the bits, at the same speed, and no more than the difference of an order-preserving map of the floats,
which costs twice as many passes (``docs/decisions/deltas.md``).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from modelyard.store.codecs import planes
from modelyard.store.codecs.elements import Element

if TYPE_CHECKING:
    from numpy.typing import NDArray

Bytes = bytes | bytearray | memoryview


def pack(raw: Bytes, base: Bytes, element: Element) -> bytes:
    """``raw`` as its difference from ``base``, which has the same length."""
    whole = len(raw) // element.width * element.width
    new, old = _numbers(raw, whole, element), _numbers(base, whole, element)
    return planes.pack(_zigzag(new - old), head=bytes([element]), tail=raw[whole:])


def unpack(base: Bytes, steps: Sequence[memoryview]) -> Bytes:
    """The end of a chain: ``base`` with the differences of each step applied in turn. Raises ``ValueError`` for what :func:`pack` did not write."""
    current: NDArray[Any] | None = None
    tail = memoryview(b"")
    for step in steps:
        element = Element(step[0])
        whole = len(base) // element.width * element.width
        end = len(step) - (len(base) - whole)
        change = _unzigzag(planes.unpack(step[1:end], whole // element.width, np.dtype(f"<u{element.width}")))
        if current is not None and current.nbytes != whole:  # the step before was of numbers of another width
            base, current = current.tobytes() + tail, None
        before = _numbers(base, whole, element) if current is None else current.view(change.dtype)
        change += before
        current, tail = change, step[end:]
    if current is None:
        return bytes(base)
    return current.tobytes() + tail if tail else current.view(np.uint8).data


def _numbers(data: Bytes, whole: int, element: Element) -> NDArray[Any]:
    return np.frombuffer(data, f"<u{element.width}", whole // element.width)


def _zigzag(difference: NDArray[Any]) -> NDArray[Any]:
    """0, -1, 1, -2, 2 … become 0, 1, 2, 3, 4 …: small in size, small in number."""
    signed = difference.view(f"<i{difference.dtype.itemsize}")
    sign = signed >> (8 * difference.dtype.itemsize - 1)
    signed <<= 1
    signed ^= sign
    return difference


def _unzigzag(numbers: NDArray[Any]) -> NDArray[Any]:
    one = numbers.dtype.type(1)
    sign = numbers & one
    np.negative(sign, out=sign)
    numbers >>= one
    numbers ^= sign
    return numbers
